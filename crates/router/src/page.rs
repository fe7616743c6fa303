//! The router's own answers: small, and silent about what stands behind (ROUTE-60).

use crate::date;
use crate::failure::{Failure, Kind};
use crate::head::{line, write_number};
use crate::response::Asked;
use bytes::Bytes;

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

/// An answer of the router's own.
#[derive(Debug)]
pub(crate) struct Page {
    status: u16,
    pub(crate) text: Bytes,
    /// What follows on a connection whose client breaks the rules cannot be trusted.
    pub(crate) ends: bool,
}

/// The page for a request that failed: the owner's, where there is one for it.
pub(crate) fn failed(failure: Failure, own: Option<Bytes>) -> Page {
    let kind = failure.kind();
    let text = match kind {
        Kind::Application => APPLICATION_ERROR,
        Kind::Maintenance => MAINTENANCE,
        Kind::Blank => BLANK,
        Kind::NoApp => NO_SUCH_APP,
        Kind::Request => BAD_REQUEST,
    };
    let text = own.unwrap_or(Bytes::from_static(text.as_bytes()));
    Page { status: failure.facts().status, text, ends: kind == Kind::Request }
}

/// 404: no app has this host name (ROUTE-3).
pub(crate) fn no_such_app() -> Page {
    Page { status: 404, text: Bytes::from_static(NO_SUCH_APP.as_bytes()), ends: false }
}

/// A request refused before it was known whose it is.
pub(crate) fn refused(status: u16) -> Page {
    Page { status, text: Bytes::from_static(BAD_REQUEST.as_bytes()), ends: true }
}

impl Page {
    /// Without what becomes of the connection, and without the empty line.
    pub(crate) fn write_head(&self, out: &mut Vec<u8>, asked: Asked, date: &date::Text) {
        out.extend_from_slice(if asked.http_1_0 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
        write_number(out, u64::from(self.status));
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\ncontent-type: text/html; charset=utf-8\r\ncache-control: no-cache, no-store\r\n");
        line(out, b"date", date);
        out.extend_from_slice(b"content-length: ");
        write_number(out, self.text.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
}

/// For the statuses that the router itself gives.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        417 => "Expectation Failed",
        499 => "Client Closed Request",
        502 => "Bad Gateway",
        _ => "Service Unavailable",
    }
}
