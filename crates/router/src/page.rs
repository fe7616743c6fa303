//! The router's own answers: small, and silent about what stands behind (ROUTE-60).

use crate::body::Reply;
use crate::failure::{Failure, Kind};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

macro_rules! page {
    ($title:literal, $text:literal) => {
        concat!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>",
            $title,
            "</title><meta name=\"viewport\" content=\"width=device-width\"><style>body{font:16px/1.5 sans-serif;",
            "margin:20vh auto;max-width:34em;padding:0 1em;color:#333}h1{font-size:1.4em}</style></head><body><h1>",
            $title,
            "</h1><p>",
            $text,
            "</p></body></html>\n"
        )
    };
}

const APPLICATION_ERROR: &str = page!(
    "Application error",
    "The application could not answer this request. If it is yours, its log says why: <code>flowline logs</code>."
);
const MAINTENANCE: &str = page!("Offline for maintenance", "This application is being worked on. Try again later.");
const BLANK: &str = page!("There is nothing here yet", "This application has no code. Push some, and it appears here.");
const NO_SUCH_APP: &str = page!("No such app", "There is no application at this address.");
const BAD_REQUEST: &str = page!("Bad request", "The request breaks a rule of HTTP and was not passed on.");

/// The page for a request that failed: the owner's, where there is one for it.
pub(crate) fn failed(failure: Failure, own: Option<Bytes>) -> Response<Reply> {
    let kind = failure.kind();
    let text = match kind {
        Kind::Application => APPLICATION_ERROR,
        Kind::Maintenance => MAINTENANCE,
        Kind::Blank => BLANK,
        Kind::NoApp => NO_SUCH_APP,
        Kind::Request => BAD_REQUEST,
    };
    let status = StatusCode::from_u16(failure.facts().status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = response(status, own.unwrap_or(Bytes::from_static(text.as_bytes())));
    // What follows on a connection whose client breaks the rules cannot be trusted.
    if kind == Kind::Request {
        end_after(&mut response);
    }
    response
}

/// The connection ends with this response.
pub(crate) fn end_after(response: &mut Response<Reply>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// 404: no app has this host name (ROUTE-3).
pub(crate) fn no_such_app() -> Response<Reply> {
    response(StatusCode::NOT_FOUND, Bytes::from_static(NO_SUCH_APP.as_bytes()))
}

/// A request refused before it was known whose it is.
pub(crate) fn refused(status: StatusCode) -> Response<Reply> {
    let mut response = response(status, Bytes::from_static(BAD_REQUEST.as_bytes()));
    end_after(&mut response);
    response
}

fn response(status: StatusCode, text: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::page(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}
