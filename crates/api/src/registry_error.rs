//! What the registry refuses, in the form of the OCI distribution specification ("Error Codes").

use crate::error::{ApiError, tame};
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RANGE, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use control::image::ImageError;
use control::image_upload::UploadError;
use control::objects::ObjectError;
use serde_json::json;
use std::fmt::Display;

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct RegistryError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// What it is about, as it was sent.
    detail: Option<String>,
    /// How much of an upload has come.
    came: Option<u64>,
}

impl RegistryError {
    fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        Self { status, code, message: message.to_string(), detail: None, came: None }
    }

    fn about(self, detail: &str) -> Self {
        Self { detail: Some(detail.to_owned()), ..self }
    }

    /// 416: a part that is not the next.
    pub(crate) fn range(message: impl Display) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message)
    }
}

impl From<ApiError> for RegistryError {
    fn from(error: ApiError) -> Self {
        let code = match error.status {
            StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
            StatusCode::FORBIDDEN => "DENIED",
            StatusCode::NOT_FOUND => "NAME_UNKNOWN",
            StatusCode::TOO_MANY_REQUESTS => "TOOMANYREQUESTS",
            StatusCode::PAYLOAD_TOO_LARGE => "SIZE_INVALID",
            _ => "UNKNOWN",
        };
        Self::new(error.status, code, error.message)
    }
}

impl From<ImageError> for RegistryError {
    fn from(error: ImageError) -> Self {
        let bad = |code| Self::new(StatusCode::BAD_REQUEST, code, &error);
        match &error {
            ImageError::NoSuchBlob(digest) => {
                Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", &error).about(digest.as_str())
            }
            ImageError::NoSuchManifest(which) => {
                Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", &error).about(which)
            }
            ImageError::BadReference(which) => bad("MANIFEST_INVALID").about(which),
            ImageError::BadDigest(_) | ImageError::OtherDigest { .. } => bad("DIGEST_INVALID"),
            ImageError::BadType(_) => bad("NAME_INVALID"),
            ImageError::Manifest(_)
            | ImageError::Config(_)
            | ImageError::LargeConfig
            | ImageError::NoImage
            | ImageError::NoneForHere { .. } => bad("MANIFEST_INVALID"),
            ImageError::LargeManifest => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", &error),
            ImageError::MissingPart(digest) => bad("MANIFEST_BLOB_UNKNOWN").about(digest.as_str()),
            ImageError::OtherSize { digest, .. } => bad("SIZE_INVALID").about(digest.as_str()),
            ImageError::TooMany => Self::new(StatusCode::FORBIDDEN, "DENIED", &error),
            ImageError::Short(_) => ApiError::full(&error).into(),
            ImageError::Object(ObjectError::Missing) => Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", &error),
            ImageError::Object(ObjectError::TooLarge { .. }) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", &error)
            }
            ImageError::Object(ObjectError::BrokeOff(_)) => bad("BLOB_UPLOAD_INVALID"),
            ImageError::Object(ObjectError::Failed(_)) | ImageError::Store(_) => ApiError::internal(&error).into(),
        }
    }
}

impl From<UploadError> for RegistryError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NoSuchUpload => Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", error),
            UploadError::TooMany => Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", error),
            UploadError::OutOfOrder(came) => Self { came: Some(came), ..Self::range(error) },
            UploadError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", error),
            UploadError::DiskFull => ApiError::full(error).into(),
            UploadError::Disk(_) => ApiError::internal(&error).into(),
            UploadError::Image(error) => error.into(),
        }
    }
}

impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        let (message, detail) = (tame(&self.message), self.detail.as_deref().map(tame));
        let body = json!({ "errors": [{ "code": self.code, "message": message, "detail": detail }] });
        let mut answer = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // Without this, clients do not send what they were told at their login.
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Flowline\""));
        }
        if let Some(came) = self.came
            && let Ok(range) = HeaderValue::from_str(&format!("0-{}", came.saturating_sub(1)))
        {
            answer.headers_mut().insert(RANGE, range);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[tokio::test]
    async fn a_name_that_moves_a_cursor_comes_back_written_out() {
        let answer = RegistryError::from(ImageError::NoSuchManifest("a\u{1b}[2J".into())).into_response();
        let body = to_bytes(answer.into_body(), 4096).await.unwrap();
        let error = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["errors"][0].clone();
        assert_eq!(error["detail"], "a\\u{1b}[2J");
        assert!(error["message"].as_str().unwrap().contains("a\\u{1b}[2J"), "{error}");
    }
}
