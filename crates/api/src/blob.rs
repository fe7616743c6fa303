//! Archives up and down, as streams: never whole in memory.

use crate::error::ApiError;
use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use control::objects::{ByteStream, ObjectError, Upload};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use std::time::Duration;

/// An upload may take long, but something must come in this time.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// `{}`: an upload has arrived.
#[derive(Debug, Serialize)]
pub(crate) struct Stored {}

/// A request's body as the verbs take it; they count what comes. What is announced as too long is not even asked for.
///
/// # Errors
/// 413 for a body that says itself that it is over the limit.
pub(crate) fn incoming(body: Body, limit_bytes: u64) -> Result<Upload, ApiError> {
    let announced_bytes = body.size_hint().lower();
    if announced_bytes > limit_bytes {
        return Err(ObjectError::TooLarge { limit_bytes }.into());
    }
    let bytes = stream::unfold(Some(body.into_data_stream()), |body| async move {
        let mut body = body?;
        match tokio::time::timeout(STALL_LIMIT, body.next()).await {
            Ok(chunk) => chunk.map(|chunk| (chunk.map_err(|error| error.to_string()), Some(body))),
            Err(_) => Some((Err(format!("nothing came for {} seconds", STALL_LIMIT.as_secs())), None)),
        }
    });
    Ok(Upload { announced_bytes, body: bytes.boxed() })
}

/// Stored bytes as an answer.
pub(crate) fn outgoing(bytes: ByteStream) -> Response {
    let body = Body::from_stream(bytes.map_err(std::io::Error::other));
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}
