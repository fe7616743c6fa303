//! `Idempotency-Key` on POST, an extension: the same key with the same request gets the stored answer.

use crate::body;
use crate::error::ApiError;
use crate::platform::By;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::Control;
use control::idempotency::{self, ANSWER_LIMIT_BYTES, Begun};
use http_body_util::BodyExt;
use model::id::AuthorizationId;
use serde::{Deserialize, Serialize};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that nothing was done this time.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// An answer as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// The key of a request that makes something, and whose it is.
pub(crate) fn key(parts: &Parts) -> Option<(AuthorizationId, String)> {
    let key = parts.headers.get(KEY).filter(|_| parts.method == Method::POST)?;
    let by = parts.extensions.get::<By>()?.entry.authorization.id;
    Some((by, String::from_utf8_lossy(key.as_bytes()).into_owned()))
}

/// Answers a request with a key; `run` does what it asks for. It goes on when its client hangs up, so that the client can ask
/// again.
pub(crate) async fn answer<F>(
    control: &Control,
    (by, key): (AuthorizationId, String),
    request: Request,
    run: impl FnOnce(Request) -> F + Send + 'static,
) -> Result<Response, ApiError>
where
    F: Future<Output = Response> + Send + 'static,
{
    let (parts, body) = body::unpacked(request).await?;
    let line = format!("{} {}\n", parts.method, parts.uri);
    match idempotency::begin(control, by, &key, &[line.as_bytes(), &body].concat()).await? {
        Begun::Answered(kept) => replay(&kept),
        Begun::First => {
            let request = Request::from_parts(parts, Body::from(body));
            let control = control.clone();
            let done = tokio::spawn(async move {
                let (answer, kept) = keep(run(request).await).await;
                idempotency::end(&control, by, &key, kept.as_deref()).await.map(|()| answer)
            });
            Ok(done.await.map_err(|error| ApiError::internal(&error))??)
        }
    }
}

/// The answer, and how it is kept if it may be given again: not when trying again can help.
async fn keep(answer: Response) -> (Response, Option<String>) {
    let status = answer.status();
    let passing = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if status.is_server_error() || passing.contains(&status) {
        return (answer, None);
    }
    let (parts, body) = answer.into_parts();
    // A body made of bytes has no error to report.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let kept = Kept { status: status.as_u16(), headers: texts(&parts.headers), body: STANDARD.encode(&bytes) };
    let kept = serde_json::to_string(&kept).ok().filter(|text| text.len() <= ANSWER_LIMIT_BYTES);
    (Response::from_parts(parts, Body::from(bytes)), kept)
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    headers.iter().filter_map(text).collect()
}

fn replay(kept: &str) -> Result<Response, ApiError> {
    let kept: Kept = serde_json::from_str(kept).map_err(|error| ApiError::internal(&error))?;
    let body = STANDARD.decode(&kept.body).map_err(|error| ApiError::internal(&error))?;
    let mut builder = Response::builder().status(kept.status).header(REPLAYED, "true");
    for (name, value) in kept.headers {
        builder = builder.header(name, value);
    }
    builder.body(Body::from(body)).map_err(|error| ApiError::internal(&error))
}
