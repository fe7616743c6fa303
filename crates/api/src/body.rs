//! JSON bodies in: their limit, and errors that say where and which key.

use crate::error::ApiError;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
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
        let bytes = collect(request.into_body()).await?;
        read(&bytes).map(Self)
    }
}

pub(crate) async fn collect(body: Body) -> Result<Bytes, ApiError> {
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
