//! Archives up and down, as streams: never whole in memory.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use control::objects::ByteStream;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

/// `{}`: an upload has arrived.
#[derive(Debug, Serialize)]
pub(crate) struct Stored {}

/// A request's body as the verbs take it; they set the limits.
pub(crate) fn incoming(body: Body) -> ByteStream {
    body.into_data_stream().map_err(|error| error.to_string()).boxed()
}

/// Stored bytes as an answer.
pub(crate) fn outgoing(bytes: ByteStream) -> Response {
    let body = Body::from_stream(bytes.map_err(std::io::Error::other));
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}
