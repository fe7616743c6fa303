//! Pages of other sites may call the API (API-12): tokens are in a header that only the page itself can set, so there is nothing
//! that a browser would add by itself.

use axum::Json;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN,
};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");

const HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Authorization, Content-Type, If-None-Match, Range, Request-Id, Idempotency-Key, Heroku-Two-Factor-Code",
);

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Content-Range, ETag, Next-Range, RateLimit-Remaining, Request-Id, Heroku-Webhook-Secret",
);

/// Browsers ask again after this many seconds.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("86400");

/// A browser's question whether a page may send a request: yes, whatever it is.
#[must_use]
pub(crate) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if *method != Method::OPTIONS
        || !headers.contains_key(ORIGIN)
        || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return None;
    }
    let mut response = Json(serde_json::Map::new()).into_response();
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
    Some(response)
}

/// Lets the page read the answer.
pub(crate) fn open(response: &mut Response) {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
