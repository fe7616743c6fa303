//! The router's own answers: small, static, and silent about what stands behind (ROUTE-60).

use crate::body::Reply;
use crate::failure::Failure;
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

/// The page for a request that failed.
pub(crate) fn failed(failure: Failure) -> Response<Reply> {
    let text = match failure {
        Failure::Maintenance => MAINTENANCE,
        Failure::BlankApp => BLANK,
        Failure::BadRequest(_) | Failure::UnsupportedExpect => BAD_REQUEST,
        Failure::AppCrashed
        | Failure::BacklogTooDeep
        | Failure::RequestTimeout
        | Failure::ClosedWithoutResponse
        | Failure::NoWebProcesses
        | Failure::IdleConnection
        | Failure::PoorlyFormattedResponse
        | Failure::ServerInterrupted
        | Failure::ConnectTimeout
        | Failure::BootTimeout
        | Failure::ConnectRefused
        | Failure::ConnectionLimit
        | Failure::ResponseRestriction(_)
        | Failure::ClientInterrupted
        | Failure::ClientIdle
        | Failure::AllQuarantined => APPLICATION_ERROR,
    };
    let mut response =
        response(StatusCode::from_u16(failure.facts().status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE), text);
    // What follows on a connection whose client breaks the rules cannot be trusted.
    if let Failure::BadRequest(_) | Failure::UnsupportedExpect = failure {
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
    response(StatusCode::NOT_FOUND, NO_SUCH_APP)
}

/// A request refused before it was known whose it is.
pub(crate) fn refused(status: StatusCode) -> Response<Reply> {
    let mut response = response(status, BAD_REQUEST);
    end_after(&mut response);
    response
}

fn response(status: StatusCode, text: &'static str) -> Response<Reply> {
    let mut response = Response::new(Reply::page(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}
