//! Archives up and down, as streams: never whole in memory.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use control::objects::ByteStream;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use std::time::Duration;

/// An upload may take long, but something must come in this time.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// `{}`: an upload has arrived.
#[derive(Debug, Serialize)]
pub(crate) struct Stored {}

/// A request's body as the verbs take it; they set the limits.
pub(crate) fn incoming(body: Body) -> ByteStream {
    stream::unfold(Some(body.into_data_stream()), |body| async move {
        let mut body = body?;
        match tokio::time::timeout(STALL_LIMIT, body.next()).await {
            Ok(chunk) => chunk.map(|chunk| (chunk.map_err(|error| error.to_string()), Some(body))),
            Err(_) => Some((Err(format!("nothing came for {} seconds", STALL_LIMIT.as_secs())), None)),
        }
    })
    .boxed()
}

/// Stored bytes as an answer.
pub(crate) fn outgoing(bytes: ByteStream) -> Response {
    let body = Body::from_stream(bytes.map_err(std::io::Error::other));
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}
