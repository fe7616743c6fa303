//! JSON bodies in: their limit, and errors that say where and which key.

use crate::error::ApiError;
use crate::gzip;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::time::Duration;

/// The largest JSON body: config vars may take 64 KiB, everything else is far smaller.
pub const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// A JSON body is one or two packets; one that trickles in would hold a connection for nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A request's body, read as JSON whatever `Content-Type` says; none at all is `{}` (CLI-2).
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = collect(&parts.headers, body).await?;
        read(&bytes).map(Self)
    }
}

/// A request's whole body, unpacked if it is compressed.
///
/// # Errors
/// 413 over the limit, 408 when it trickles, 415 for another compression than gzip.
pub(crate) async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let encoding = headers.get(CONTENT_ENCODING).map_or(&b"identity"[..], HeaderValue::as_bytes);
    let body = match encoding.to_ascii_lowercase().as_slice() {
        b"identity" | b"" => body,
        b"gzip" | b"x-gzip" => {
            let packed = TryStreamExt::map_err(body.into_data_stream(), std::io::Error::other);
            Body::from_stream(gzip::unpack(Box::pin(packed)))
        }
        _ => {
            let message = "Send the body as it is, or compressed with gzip; nothing else is unpacked.";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
    };
    let body = Limited::new(body, BODY_LIMIT_BYTES).collect();
    let body = tokio::time::timeout(BODY_TIMEOUT, body).await.map_err(|_| {
        let message =
            format!("The request body did not come within {} seconds; send it again.", BODY_TIMEOUT.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    })?;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = "The request body is larger than 1 MiB, which no API request needs; upload archives to a source or a slug.";
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
        } else {
            ApiError::bad_request(format_args!("The request body ended too early: {error}"))
        }
    })
}

/// A request taken apart, as if its body had come as it is.
///
/// # Errors
/// Those of [`collect`].
pub(crate) async fn unpacked(request: Request) -> Result<(Parts, Bytes), ApiError> {
    let (mut parts, body) = request.into_parts();
    let bytes = collect(&parts.headers, body).await?;
    parts.headers.remove(CONTENT_ENCODING);
    parts.headers.remove(CONTENT_LENGTH);
    Ok((parts, bytes))
}

/// Reads a body.
///
/// # Errors
/// 400 with line and column for what is no JSON, 422 with the key for a value of the wrong type.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        // Checked by hand: a list would be taken for an object's values in their order.
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| explain(".", &error))?;
        return Err(ApiError::invalid_params("The request body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })?;
    json.end().map_err(|error| explain(".", &error))?;
    Ok(value)
}

fn explain(path: &str, error: &serde_json::Error) -> ApiError {
    let full = error.to_string();
    if !error.is_data() {
        return ApiError::bad_request(format_args!("The request body is not JSON: {full}"));
    }
    let what = full.rsplit_once(" at line ").map_or(full.as_str(), |(what, _)| what);
    match path {
        "." => ApiError::invalid_params(format_args!("The request body is incomplete: {what}")),
        path => ApiError::invalid_params(format_args!("`{path}`: {what}")),
    }
}
