//! Conditional reads (API-7): a client that has the answer already gets 304 and no body.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;

/// The `If-None-Match` of a request.
#[must_use]
pub(crate) fn asked(headers: &HeaderMap) -> String {
    let values: Vec<_> = headers.get_all(IF_NONE_MATCH).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    values.join(",")
}

/// Gives a JSON answer to a GET its `ETag`, or says that the client has it. Such answers are in memory as a whole already.
pub(crate) async fn answer(method: &Method, asked: &str, response: Response) -> Response {
    let json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !matches!(*method, Method::GET | Method::HEAD) || response.status() != StatusCode::OK || !json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // A body made of bytes has no error to report.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let tag = format!("\"{:016x}\"", hash(&bytes));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(ETAG, value);
    }
    if holds(asked, &tag) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn holds(asked: &str, tag: &str) -> bool {
    asked.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// FNV-1a: tells two versions of one answer apart; nothing here is secret.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Json;
    use axum::response::IntoResponse;

    #[tokio::test]
    async fn api_7_the_same_answer_again_is_304() {
        let get = async |asked: &str, body: &str| answer(&Method::GET, asked, Json(body).into_response()).await;
        let first = get("", "one").await;
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for asked in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            assert_eq!(get(&asked, "one").await.status(), StatusCode::NOT_MODIFIED, "{asked}");
        }
        assert_eq!(get(&tag, "two").await.status(), StatusCode::OK);
    }
}
