//! Answers that succeed: every one carries JSON (CLI-20).

use crate::error::ApiError;
use crate::range::{Field, ListRange, Page, RangeError};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_RANGES, CONTENT_RANGE, HeaderName, HeaderValue, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// 201 with what was made.
#[derive(Debug)]
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

/// With a warning that clients print (RELPH-46a).
#[derive(Debug)]
pub(crate) struct Warned<T> {
    pub(crate) answer: T,
    pub(crate) warning: Option<&'static str>,
}

impl<T: IntoResponse> IntoResponse for Warned<T> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        if let Some(warning) = self.warning {
            let name = HeaderName::from_static("warning-message");
            response.headers_mut().insert(name, HeaderValue::from_static(warning));
        }
        response
    }
}

/// 202 with what has begun.
#[derive(Debug)]
pub(crate) struct Begun<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Begun<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

/// 202 with `{}`: it has begun.
#[derive(Debug)]
pub(crate) struct Accepted;

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(serde_json::Map::new())).into_response()
    }
}

/// The part of a list that the client's `Range` asks for.
#[derive(Debug)]
pub(crate) struct Ranged(pub(crate) ListRange);

impl<S: Send + Sync> FromRequestParts<S> for Ranged {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(asked(parts, ListRange::default())?))
    }
}

/// The same for a list whose newest entries come first unless the header says another order.
#[derive(Debug)]
pub(crate) struct NewestFirst(pub(crate) Ranged);

impl<S: Send + Sync> FromRequestParts<S> for NewestFirst {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(Ranged(asked(parts, ListRange::newest_first())?)))
    }
}

fn asked(parts: &Parts, usual: ListRange) -> Result<ListRange, RangeError> {
    let text = parts.headers.get(RANGE).map(HeaderValue::as_bytes).map(String::from_utf8_lossy);
    match text {
        Some(text) => usual.overridden(&text),
        None => Ok(usual),
    }
}

impl Ranged {
    /// Cuts the asked part out of `all` and shows each entry as `view`: 206 when there is more, else 200.
    ///
    /// # Errors
    /// 416 for a key that the list is not ordered by.
    pub(crate) fn answer<T, V: Serialize>(
        &self,
        all: Vec<T>,
        fields: &[Field<T>],
        view: impl Fn(&T) -> V,
    ) -> Result<Response, ApiError> {
        let page = Page::cut(all, &self.0, fields)?;
        let status = if page.next.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        };
        put(ACCEPT_RANGES, Some(page.accept));
        put(CONTENT_RANGE, page.content);
        put(HeaderName::from_static("next-range"), page.next);
        let views: Vec<V> = page.entries.iter().map(view).collect();
        Ok((status, headers, Json(views)).into_response())
    }
}
