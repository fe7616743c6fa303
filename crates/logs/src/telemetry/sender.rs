//! One export of OTLP, by HTTP or by gRPC, on a connection that is kept.

use crate::drain::{Answer, Inside, Kept, NoAnswer, Trust, basic};
use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, TE, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use model::telemetry_drain::{Exporter, ExporterKind, Signal};
use std::io::{self, Write};
use std::sync::Arc;

const AGENT: &str = concat!("OTLP-flowline/", env!("CARGO_PKG_VERSION"));

/// Statuses after which the same may be sent again (OTLP specification, "Retryable Response Codes").
const TRY_AGAIN: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// The same for gRPC: cancelled, deadline exceeded, resource exhausted, aborted, out of range, unavailable, data loss.
const TRY_AGAIN_GRPC: [&str; 7] = ["1", "4", "8", "10", "11", "14", "15"];

/// Why it was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("the request cannot be packed: {0}")]
    Pack(#[from] io::Error),
    #[error("it answered {0}")]
    Busy(String),
    #[error("it refuses what it is sent: {0}")]
    Refused(String),
}

impl SendError {
    /// Is it of use to send the same again?
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NoAnswer(NoAnswer::Request(_)) | Self::Pack(_) => true,
            Self::NoAnswer(NoAnswer::Connect(_) | NoAnswer::Http(_) | NoAnswer::Slow) | Self::Busy(_) => false,
        }
    }
}

/// Sends a message once.
pub(crate) async fn send(
    kept: &mut Kept,
    exporter: &Exporter,
    trust: &Arc<Trust>,
    signal: Signal,
    message: &[u8],
) -> Result<(), SendError> {
    let to = &exporter.endpoint;
    match exporter.kind {
        ExporterKind::OtlpHttp => {
            let request = by_http(exporter, signal, message)?;
            judge(kept.send(to, Inside::Anything, trust, request).await?.status)
        }
        ExporterKind::Otlp => {
            let request = by_grpc(exporter, signal, message)?;
            let Answer { status, headers, trailers } = kept.send(to, Inside::Http2, trust, request).await?;
            judge(status)?;
            // An answer without a body has its status in its head.
            judge_grpc(&trailers.unwrap_or(headers))
        }
    }
}

fn judge(status: StatusCode) -> Result<(), SendError> {
    match status {
        status if status.is_success() => Ok(()),
        status if TRY_AGAIN.contains(&status) => Err(SendError::Busy(status.to_string())),
        status => Err(SendError::Refused(status.to_string())),
    }
}

fn judge_grpc(headers: &HeaderMap) -> Result<(), SendError> {
    let word = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = format!("grpc-status {} {}", word("grpc-status"), word("grpc-message"));
    match word("grpc-status") {
        "0" => Ok(()),
        status if TRY_AGAIN_GRPC.contains(&status) => Err(SendError::Busy(said)),
        _status => Err(SendError::Refused(said)),
    }
}

/// OTLP/HTTP in protobuf (OTLP specification, "OTLP/HTTP Request").
fn by_http(exporter: &Exporter, signal: Signal, message: &[u8]) -> Result<Request<Full<Bytes>>, SendError> {
    let below = exporter.endpoint.target().trim_end_matches('/');
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(message)?;
    let body = packed.finish()?;
    let request = Request::post(format!("{below}/v1/{}", signal.word()))
        .header(HOST, exporter.endpoint.authority())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(CONTENT_ENCODING, "gzip");
    Ok(with_headers(request, exporter).body(Full::new(body.into())).map_err(NoAnswer::from)?)
}

/// OTLP/gRPC: a call of the signal's `Export` (gRPC over HTTP/2, "Requests").
fn by_grpc(exporter: &Exporter, signal: Signal, message: &[u8]) -> Result<Request<Full<Bytes>>, SendError> {
    let service = match signal {
        Signal::Traces => "trace.v1.TraceService",
        Signal::Metrics => "metrics.v1.MetricsService",
        Signal::Logs => "logs.v1.LogsService",
    };
    let scheme = if exporter.endpoint.transport().is_tls() { "https" } else { "http" };
    let authority = exporter.endpoint.authority();
    let mut body = BytesMut::with_capacity(message.len() + 5);
    // Not packed; its length.
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).map_err(io::Error::other)?);
    body.put_slice(message);
    let request = Request::post(format!("{scheme}://{authority}/opentelemetry.proto.collector.{service}/Export"))
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers");
    Ok(with_headers(request, exporter).body(Full::new(body.freeze())).map_err(NoAnswer::from)?)
}

/// The owner's own headers; they may be the authorization, which is the address' user and password otherwise.
fn with_headers(mut request: Builder, exporter: &Exporter) -> Builder {
    let named = exporter.headers.keys().any(|name| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
    if let Some(basic) = basic(&exporter.endpoint).filter(|_| !named) {
        request = request.header(AUTHORIZATION, basic);
    }
    for (name, value) in &exporter.headers {
        request = request.header(name, value);
    }
    request
}
