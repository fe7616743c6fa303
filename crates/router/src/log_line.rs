//! One log line per request, in the fixed order of ROUTE-50.

use crate::failure::Failure;
use hyper::Method;
use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use std::rc::Rc;
use std::time::Duration;

/// What the line says about the request; known before it is passed on.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) host: Rc<str>,
    pub(crate) request_id: HeaderValue,
    pub(crate) forwarded_for: HeaderValue,
}

/// What the line says about how it went. `None` is printed as `key=`.
#[derive(Debug, Default)]
pub(crate) struct Went<'a> {
    pub(crate) dyno: &'a str,
    pub(crate) connect: Option<Duration>,
    pub(crate) service: Option<Duration>,
    pub(crate) status: u16,
    pub(crate) bytes: Option<u64>,
}

/// Appends the line to `out`, without a line end; always ASCII.
pub(crate) fn write(out: &mut Vec<u8>, failure: Option<Failure>, asked: &Asked, went: &Went<'_>) {
    match failure {
        None => out.extend_from_slice(b"at=info"),
        Some(failure) => write_failure(out, failure),
    }
    out.extend_from_slice(b" method=");
    out.extend_from_slice(asked.method.as_str().as_bytes());
    out.extend_from_slice(b" path=\"");
    quote(out, asked.target.as_ref().map_or("*", PathAndQuery::as_str).as_bytes());
    out.extend_from_slice(b"\" host=");
    out.extend_from_slice(asked.host.as_bytes());
    out.extend_from_slice(b" request_id=");
    out.extend_from_slice(asked.request_id.as_bytes());
    out.extend_from_slice(b" fwd=\"");
    quote(out, asked.forwarded_for.as_bytes());
    out.extend_from_slice(b"\" dyno=");
    out.extend_from_slice(went.dyno.as_bytes());
    out.extend_from_slice(b" connect=");
    milliseconds(out, went.connect);
    out.extend_from_slice(b" service=");
    milliseconds(out, went.service);
    out.extend_from_slice(b" status=");
    number(out, u64::from(went.status));
    out.extend_from_slice(b" bytes=");
    if let Some(bytes) = went.bytes {
        number(out, bytes);
    }
    out.extend_from_slice(b" protocol=http");
}

fn write_failure(out: &mut Vec<u8>, failure: Failure) {
    if let Some(sock) = failure.sock() {
        out.extend_from_slice(b"sock=");
        out.extend_from_slice(sock.as_bytes());
        out.push(b' ');
    }
    for (key, value) in [("at=", failure.at()), (" code=", failure.code()), (" desc=\"", failure.desc())] {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'"');
    if let Some(cause) = failure.cause() {
        out.extend_from_slice(b" cause=\"");
        out.extend_from_slice(cause.as_bytes());
        out.push(b'"');
    }
}

/// A client's text cannot end its quotes, break the line or be anything but ASCII.
fn quote(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |byte: &u8| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\';
    if text.iter().all(plain) {
        return out.extend_from_slice(text);
    }
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x20..0x7f => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
}

fn milliseconds(out: &mut Vec<u8>, length: Option<Duration>) {
    if let Some(length) = length {
        number(out, u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
        out.extend_from_slice(b"ms");
    }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(failure: Option<Failure>, went: &Went<'_>) -> String {
        let asked = Asked {
            method: Method::GET,
            target: Some(PathAndQuery::from_static("/x?y=1")),
            host: "shop.localhost".into(),
            request_id: HeaderValue::from_static("8601b555-6a83-4c12-8269-97c8e32cdb22"),
            forwarded_for: HeaderValue::from_bytes(b"a\"\xff, 1.2.3.4").unwrap(),
        };
        let mut out = Vec::new();
        write(&mut out, failure, &asked, went);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn route_50_fixed_order_and_quoting() {
        let millis = |ms| Some(Duration::from_millis(ms));
        let went = Went { dyno: "web.1", connect: millis(1), service: millis(18), status: 200, bytes: Some(964) };
        assert_eq!(
            line(None, &went),
            "at=info method=GET path=\"/x?y=1\" host=shop.localhost \
             request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd=\"a\\\"\\xff, 1.2.3.4\" dyno=web.1 connect=1ms \
             service=18ms status=200 bytes=964 protocol=http"
        );
    }

    #[test]
    fn route_51_prefixes_and_empty_values() {
        let went = |status| Went { status, ..Went::default() };
        let none = line(Some(Failure::NoWebProcesses), &went(503));
        assert!(none.starts_with("at=error code=H14 desc=\"No web processes running\" method=GET path=\"/x"), "{none}");
        assert!(none.ends_with(" dyno= connect= service= status=503 bytes= protocol=http"), "{none}");
        assert!(line(Some(Failure::BlankApp), &went(502)).starts_with("at=info code=H81 desc=\"Blank app\" "));
        let gone = line(Some(Failure::ClientInterrupted), &went(499));
        assert!(gone.starts_with("sock=client at=warning code=H27 desc=\"Client Request Interrupted\" "), "{gone}");
        let bad = line(Some(Failure::UnsupportedExpect), &went(417));
        assert!(bad.starts_with("at=error code=H26 desc=\"Request Error\" cause=\"unsupported expect header value\" "));
    }
}
