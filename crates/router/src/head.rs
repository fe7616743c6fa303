//! The request's head as the dyno gets it: what the router adds and takes away (sections 9.4 and 9.5 of the rules).
//!
//! It is written once, straight into the bytes that are sent. A second attempt sends the same bytes, and the log line
//! takes its facts from them, so that nothing of a request is copied twice.

use crate::failure::Failure;
use crate::worker::Worker;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Method, Version};
use model::time::Timestamp;
use std::ops::Range;

/// ROUTE-30: the request line, and each header line.
const LINE_LIMIT_BYTES: usize = 8192;
/// ROUTE-30
const NAME_LIMIT_BYTES: usize = 1000;
/// A client's own request id is kept within these lengths.
const REQUEST_ID_BYTES: std::ops::RangeInclusive<usize> = 20..=200;
/// What a head takes beside the client's own headers.
const OWN_BYTES: usize = 320;
/// What most headers fit in.
const HEADER_BYTES: usize = 48;

/// How the proxy names itself in `Via`.
pub(crate) const VIA: &[u8] = b"1.1 flowline";

/// A request's head, and where in it the log line's facts stand.
#[derive(Debug)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    method: Range<usize>,
    target: Range<usize>,
    request_id: Range<usize>,
    forwarded_for: Range<usize>,
    /// The client wants another protocol on this connection.
    pub(crate) upgrade: bool,
    /// The body is sent in chunks.
    pub(crate) chunked: bool,
    /// The response has no body.
    pub(crate) bodyless: bool,
    /// May it be sent again when the first sending may have reached the app (RFC 9110 9.2.2)?
    pub(crate) repeatable: bool,
}

impl Head {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn method(&self) -> &[u8] {
        &self.bytes[self.method.clone()]
    }

    pub(crate) fn target(&self) -> &[u8] {
        &self.bytes[self.target.clone()]
    }

    pub(crate) fn request_id(&self) -> &[u8] {
        &self.bytes[self.request_id.clone()]
    }

    pub(crate) fn forwarded_for(&self) -> &[u8] {
        &self.bytes[self.forwarded_for.clone()]
    }
}

/// What a look at each header found.
#[derive(Default)]
struct Seen {
    chunked: bool,
    forwarded_for: bool,
    via: bool,
    refused: Option<Failure>,
}

/// The dyno's head of a client's request; an error says why it must not be sent.
pub(crate) fn write(parts: &Parts, worker: &Worker, ip: &[u8], at: Timestamp) -> (Head, Result<(), Failure>) {
    let mut out = Vec::with_capacity(OWN_BYTES + HEADER_BYTES * (parts.headers.len() + 1));
    out.extend_from_slice(parts.method.as_str().as_bytes());
    let method = 0..out.len();
    out.push(b' ');
    let start = out.len();
    out.extend_from_slice(parts.uri.path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    let target = start..out.len();
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let named = named(&parts.headers);
    let mut seen = Seen::default();
    if out.len() > LINE_LIMIT_BYTES {
        seen.refused = Some(Failure::BadRequest("bad header"));
    }
    write_headers(&mut out, parts, &named, &mut seen);
    let request_id = write_request_id(&mut out, &parts.headers, worker);
    let forwarded_for = write_forwarded_for(&mut out, &parts.headers, ip, seen.forwarded_for);
    write_via(&mut out, &parts.headers, seen.via);
    out.extend_from_slice(&worker.fixed_headers);
    out.extend_from_slice(b"x-request-start: ");
    write_number(&mut out, u64::try_from(at.0 / 1000).unwrap_or(0));
    out.extend_from_slice(b"\r\n");
    if seen.chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    let upgrade = write_upgrade(&mut out, parts, &named);
    out.extend_from_slice(b"\r\n");
    let bodyless = parts.method == Method::HEAD;
    let (chunked, repeatable) = (seen.chunked, parts.method.is_idempotent());
    let head = Head { bytes: out, method, target, request_id, forwarded_for, upgrade, chunked, bodyless, repeatable };
    (head, seen.refused.map_or(Ok(()), Err))
}

/// What `Connection` names beside the usual words: headers that concern this connection only (ROUTE-36).
fn named(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(CONNECTION).iter();
    let usual = |token: &&str| {
        !token.is_empty() && !token.eq_ignore_ascii_case("keep-alive") && !token.eq_ignore_ascii_case("close")
    };
    values.flat_map(tokens).filter(usual).collect()
}

/// The items of a comma-separated header.
pub(crate) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim)
}

/// The client's headers that reach the dyno as they are.
fn write_headers(out: &mut Vec<u8>, parts: &Parts, named: &[&str], seen: &mut Seen) {
    for (name, value) in &parts.headers {
        let name = name.as_str();
        let value = value.as_bytes();
        if name.len() > NAME_LIMIT_BYTES || name.len() + value.len() + 2 > LINE_LIMIT_BYTES {
            seen.refused = Some(Failure::BadRequest("bad header"));
        }
        match name {
            // An absolute target's host is the request's (RFC 9112 3.2.2).
            "host" => line(out, name, parts.uri.authority().map_or(value, |authority| authority.as_str().as_bytes())),
            "content-length" => line(out, name, value),
            "transfer-encoding" => {
                // hyper made sure that `chunked` comes last; another coding before it would be lost on the way.
                if seen.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    seen.refused = Some(Failure::BadRequest("bad header"));
                }
                seen.chunked = true;
            }
            "expect" if !value.eq_ignore_ascii_case(b"100-continue") => seen.refused = Some(Failure::UnsupportedExpect),
            "x-forwarded-for" => seen.forwarded_for = true,
            "via" => seen.via = true,
            "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "upgrade" | "http2-settings"
            | "expect" | "x-request-id" | "x-forwarded-proto" | "x-forwarded-port" | "x-request-start" => {}
            other if named.iter().any(|named| named.eq_ignore_ascii_case(other)) => {}
            other => line(out, other, value),
        }
    }
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The client's own id when it is sane, a new one otherwise.
fn write_request_id(out: &mut Vec<u8>, headers: &HeaderMap, worker: &Worker) -> Range<usize> {
    out.extend_from_slice(b"x-request-id: ");
    let start = out.len();
    match headers.get("x-request-id").map(HeaderValue::as_bytes).filter(|id| is_sane(id)) {
        Some(id) => out.extend_from_slice(id),
        None => out.extend_from_slice(&worker.chance.uuid()),
    }
    let id = start..out.len();
    out.extend_from_slice(b"\r\n");
    id
}

fn is_sane(id: &[u8]) -> bool {
    REQUEST_ID_BYTES.contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-".contains(byte))
}

/// The incoming chain with the client's address at its end: only that entry is trustworthy.
fn write_forwarded_for(out: &mut Vec<u8>, headers: &HeaderMap, ip: &[u8], some: bool) -> Range<usize> {
    out.extend_from_slice(b"x-forwarded-for: ");
    let start = out.len();
    if some {
        write_chain(out, headers, "x-forwarded-for");
    }
    out.extend_from_slice(ip);
    let chain = start..out.len();
    out.extend_from_slice(b"\r\n");
    chain
}

fn write_via(out: &mut Vec<u8>, headers: &HeaderMap, some: bool) {
    out.extend_from_slice(b"via: ");
    if some {
        write_chain(out, headers, "via");
    }
    out.extend_from_slice(VIA);
    out.extend_from_slice(b"\r\n");
}

/// The values of a header that may come more than once, each with a comma after it.
pub(crate) fn write_chain(out: &mut Vec<u8>, headers: &HeaderMap, name: &str) {
    for value in headers.get_all(name) {
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b", ");
    }
}

/// Passes the wish for another protocol on: `Connection` must name it, and HTTP/2 is for the next hop only (RFC 9113).
fn write_upgrade(out: &mut Vec<u8>, parts: &Parts, named: &[&str]) -> bool {
    if parts.version != Version::HTTP_11 || !named.iter().any(|named| named.eq_ignore_ascii_case("upgrade")) {
        return false;
    }
    let mut values = parts.headers.get_all(UPGRADE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    if tokens(value).any(|token| token.eq_ignore_ascii_case("h2c")) {
        return false;
    }
    line(out, "connection", b"upgrade");
    line(out, "upgrade", value.as_bytes());
    true
}

/// The digits of a number.
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
