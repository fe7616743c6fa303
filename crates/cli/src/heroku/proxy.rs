//! The proxy beside the official command line: what that sends to the platform's names goes to one Flowline instead.
//!
//! It listens on loopback for the length of one command, ends TLS with a certificate that only this command trusts, adds no
//! credentials of its own, and refuses every other name.

use super::loopback::accept;
use crate::error::root_cause;
use crate::transport::Transport;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Connections at once: one command opens a handful, git a few more.
const CONNECTIONS_LIMIT: usize = 64;

/// A client on the same machine that has not shaken hands by then has gone.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// Names that were refused and are told about at the end.
const REFUSED_LIMIT: usize = 8;

/// Headers that belong to one connection, not to the message.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

type Body = BoxBody<Bytes, hyper::Error>;

/// A listening proxy.
pub(super) struct Proxy {
    /// Where it listens.
    pub(super) addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Scheme, host and port of the Flowline.
    url: String,
    tls: TlsAcceptor,
    transport: Transport<Incoming>,
    refused: Mutex<BTreeSet<String>>,
}

impl Proxy {
    /// Listens, and serves for as long as the process runs.
    /// `ca`: the authorities that are believed in place of the machine's.
    pub(super) async fn start(url: String, tls: Arc<rustls::ServerConfig>, ca: Option<&Path>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let transport = Transport::patient().trusting(ca);
        let shared = Arc::new(Shared { url, tls: TlsAcceptor::from(tls), transport, refused: Mutex::default() });
        let served = Arc::clone(&shared);
        tokio::spawn(accept(listener, CONNECTIONS_LIMIT, move |stream| {
            let shared = Arc::clone(&served);
            async move {
                // Whoever hangs up needs no answer.
                let _gone = converse(stream, &shared).await.is_err();
            }
        }));
        Ok(Self { addr, shared })
    }

    /// The names that were asked for and refused.
    pub(super) fn refused(&self) -> Vec<String> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// How TLS begins; no method of HTTP does.
const HANDSHAKE: u8 = 22;

/// One connection: a CONNECT, and then the tunnel that it opened; or TLS at once, by what has no use for proxies.
async fn converse(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    let begun = tokio::time::timeout(HANDSHAKE_LIMIT, stream.peek(&mut first)).await;
    begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    if first == [HANDSHAKE] {
        return stand_in(stream, shared).await;
    }
    let (opened, tunnel) = tokio::sync::oneshot::channel();
    let opened = Mutex::new(Some(opened));
    let service = service_fn(|mut request: Request<Incoming>| {
        let answer = if request.method() == Method::CONNECT && shared.admits(&request) {
            let upgrade = hyper::upgrade::on(&mut request);
            if let Some(opened) = opened.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // The other end waits below; it only goes away with this connection.
                let _gone = opened.send(upgrade).is_err();
            }
            Response::new(empty())
        } else {
            refusal(StatusCode::FORBIDDEN, "refused", "This proxy leads to one Flowline only.")
        };
        async move { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(io::Error::other)?;
    drop(opened);
    let Ok(upgrade) = tunnel.await else { return Ok(()) };
    stand_in(TokioIo::new(upgrade.await.map_err(io::Error::other)?), shared).await
}

/// As one of the platform's own hosts.
async fn stand_in<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: &Shared) -> io::Result<()> {
    let greeted = tokio::time::timeout(HANDSHAKE_LIMIT, shared.tls.accept(stream)).await;
    let stream = greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    let service = service_fn(|request| async { Ok::<_, Infallible>(shared.forward(request).await) });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

impl Shared {
    /// May this name be connected to? Others are remembered, to be told about.
    fn admits(&self, request: &Request<Incoming>) -> bool {
        let host = request.uri().host().unwrap_or_default().to_ascii_lowercase();
        let known = stands_in(&host);
        if !known {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.len() < REFUSED_LIMIT {
                refused.insert(host);
            }
        }
        known
    }

    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        match format!("{}{path}", self.url).parse() {
            Ok(uri) => parts.uri = uri,
            Err(_) => return refusal(StatusCode::BAD_REQUEST, "bad_request", "That is no path."),
        }
        strip(&mut parts.headers);
        match self.transport.send(Request::from_parts(parts, body)).await {
            Ok(answer) => {
                let (mut parts, body) = answer.into_parts();
                strip(&mut parts.headers);
                Response::from_parts(parts, body.boxed())
            }
            Err(error) => refusal(StatusCode::BAD_GATEWAY, "unreachable", &root_cause(&error)),
        }
    }
}

/// The platform's own services, all of which one Flowline answers for.
fn stands_in(host: &str) -> bool {
    ["heroku.com", "herokai.com"]
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

fn strip(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

fn empty() -> Body {
    Full::default().map_err(|never: Infallible| match never {}).boxed()
}

/// As the API says it, so that the command line shows the message.
fn refusal(status: StatusCode, id: &str, message: &str) -> Response<Body> {
    let text = json!({ "id": id, "message": message }).to_string();
    let mut response = Response::new(Full::from(text).map_err(|never: Infallible| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_names_and_no_others() {
        for host in ["heroku.com", "api.heroku.com", "api.data.heroku.com", "pgdiagnose.herokai.com"] {
            assert!(stands_in(host), "{host}");
        }
        for host in ["", "notheroku.com", "heroku.com.evil.org", "registry.npmjs.org", "127.0.0.1"] {
            assert!(!stands_in(host), "{host}");
        }
    }
}
