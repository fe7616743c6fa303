//! The head on its way through: what the router adds and takes away (sections 9.4 and 9.5 of the behaviour rules).

use crate::failure::Failure;
use crate::worker::Worker;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, SERVER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Uri, Version};
use model::time::Timestamp;
use std::fmt::Write;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

const HTTP: HeaderValue = HeaderValue::from_static("http");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");
const UPGRADES: HeaderValue = HeaderValue::from_static("upgrade");
const VIA_US: HeaderValue = HeaderValue::from_static("1.1 flowline");
const SERVED_BY_US: HeaderValue = HeaderValue::from_static("Flowline");

/// ROUTE-30: the request line, and each header line.
const LINE_LIMIT_BYTES: usize = 8192;
/// ROUTE-30
const NAME_LIMIT_BYTES: usize = 1000;
/// A cookie that an app sets (ROUTE-31).
const COOKIE_LIMIT_BYTES: usize = 8192;
/// A client's own request id is kept within these lengths.
const REQUEST_ID_BYTES: std::ops::RangeInclusive<usize> = 20..=200;

/// What the log line needs of a request that is on its way.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) request_id: HeaderValue,
    pub(crate) forwarded_for: HeaderValue,
    /// The client wants another protocol on this connection.
    pub(crate) upgrade: bool,
}

/// What a look over the headers found.
#[derive(Default)]
struct Seen {
    forwarded_for: usize,
    via: bool,
    hop: bool,
    upgrade: bool,
    chunked: bool,
    expect: bool,
    request_id: Option<HeaderValue>,
    broken: Option<&'static str>,
}

/// Makes the client's request head into the dyno's.
pub(crate) fn request(
    parts: &mut Parts,
    worker: &Worker,
    ip: &HeaderValue,
    at: Timestamp,
) -> (Passed, Result<(), Failure>) {
    let seen = look_over(&parts.headers);
    let headers = &mut parts.headers;
    let mut verdict = check(&parts.uri, &seen, headers);
    let upgrade = seen.upgrade && parts.version == Version::HTTP_11 && verdict.is_ok() && keep_upgrade(headers);
    if seen.hop {
        strip_hop_by_hop(headers, upgrade);
    }
    if seen.chunked {
        // Said explicitly: hyper otherwise takes a GET without a length for one without a body.
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, CHUNKED);
    }
    let forwarded_for = forwarded_for(headers, &seen, ip);
    let request_id = seen.request_id.unwrap_or_else(|| worker.values.copy(&worker.chance.uuid()));
    headers.insert(X_FORWARDED_FOR, forwarded_for.clone());
    headers.insert(X_REQUEST_ID, request_id.clone());
    headers.insert(X_FORWARDED_PROTO, HTTP);
    headers.insert(X_FORWARDED_PORT, worker.port.clone());
    headers.insert(X_REQUEST_START, worker.values.number(at.0 / 1000));
    if seen.via {
        let joined = join(headers, VIA, b"1.1 flowline");
        headers.insert(VIA, joined);
    } else {
        headers.insert(VIA, VIA_US);
    }
    parts.version = Version::HTTP_11;
    if parts.uri.authority().is_some() {
        verdict = verdict.and(to_origin_form(&mut parts.uri, headers, worker));
    }
    (Passed { request_id, forwarded_for, upgrade }, verdict)
}

fn look_over(headers: &HeaderMap) -> Seen {
    let mut seen = Seen::default();
    for (name, value) in headers {
        let name = name.as_str();
        if name.len() > NAME_LIMIT_BYTES || name.len() + value.len() + 2 > LINE_LIMIT_BYTES {
            seen.broken = Some("bad header");
        }
        match name {
            "x-forwarded-for" => seen.forwarded_for += 1,
            "via" => seen.via = true,
            "x-request-id" if is_sane_id(value.as_bytes()) => seen.request_id = Some(value.clone()),
            "expect" => (seen.expect, seen.hop) = (true, true),
            "upgrade" => (seen.upgrade, seen.hop) = (true, true),
            "transfer-encoding" => {
                // hyper made sure that `chunked` comes last; another coding before it would be lost on the way.
                if seen.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    seen.broken = Some("bad header");
                }
                seen.chunked = true;
            }
            "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "http2-settings" => seen.hop = true,
            _ => {}
        }
    }
    seen
}

fn check(uri: &Uri, seen: &Seen, headers: &HeaderMap) -> Result<(), Failure> {
    let target = uri.path_and_query().map_or(1, |target| target.as_str().len());
    if let Some(cause) = seen.broken {
        return Err(Failure::BadRequest(cause));
    }
    if target > LINE_LIMIT_BYTES {
        return Err(Failure::BadRequest("bad header"));
    }
    let expects_more = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if seen.expect && headers.get_all(EXPECT).iter().any(expects_more) {
        return Err(Failure::UnsupportedExpect);
    }
    Ok(())
}

/// Is it an upgrade to pass on? `Connection` must name it; HTTP/2 over an upgrade is for the next hop only (RFC 9113).
fn keep_upgrade(headers: &HeaderMap) -> bool {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case("upgrade")));
    named && !headers.get_all(UPGRADE).iter().any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case("h2c")))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim)
}

/// Takes away what concerns one connection only (ROUTE-36), also what `Connection` names.
fn strip_hop_by_hop(headers: &mut HeaderMap, upgrade: bool) {
    while let Some(connection) = headers.remove(CONNECTION) {
        for token in tokens(&connection) {
            let keep = token.is_empty() || token.eq_ignore_ascii_case("upgrade") || is_framing(token);
            if !keep {
                headers.remove(token);
            }
        }
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, EXPECT, HTTP2_SETTINGS] {
        headers.remove(name);
    }
    if upgrade {
        headers.insert(CONNECTION, UPGRADES);
    } else {
        headers.remove(UPGRADE);
    }
}

/// A client must not be able to have these taken away: they say whose the request is and where it ends.
fn is_framing(token: &str) -> bool {
    ["host", "content-length", "transfer-encoding", "x-forwarded-for"]
        .iter()
        .any(|name| token.eq_ignore_ascii_case(name))
}

/// The incoming chain with the client's address at its end: only that entry is trustworthy.
fn forwarded_for(headers: &HeaderMap, seen: &Seen, ip: &HeaderValue) -> HeaderValue {
    if seen.forwarded_for == 0 { ip.clone() } else { join(headers, X_FORWARDED_FOR, ip.as_bytes()) }
}

fn join(headers: &HeaderMap, name: HeaderName, last: &[u8]) -> HeaderValue {
    let mut joined = Vec::with_capacity(64);
    for value in headers.get_all(name) {
        joined.extend_from_slice(value.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(last);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).unwrap_or(VIA_US)
}

fn is_sane_id(id: &[u8]) -> bool {
    REQUEST_ID_BYTES.contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-".contains(byte))
}

/// `http://host/path` becomes `/path`, and its host the `Host` (RFC 9112 3.2.2): a dyno is no proxy.
fn to_origin_form(uri: &mut Uri, headers: &mut HeaderMap, worker: &Worker) -> Result<(), Failure> {
    let authority = uri.authority().map_or("", Authority::as_str);
    headers.insert(HOST, worker.values.copy(authority.as_bytes()));
    let mut parts = hyper::http::uri::Parts::default();
    parts.path_and_query = uri.path_and_query().cloned();
    *uri = Uri::from_parts(parts).map_err(|_| Failure::BadRequest("bad header"))?;
    Ok(())
}

/// Makes the dyno's response head into the client's. The size is that of its header lines.
pub(crate) fn response(parts: &mut hyper::http::response::Parts, upgrade: bool) -> Result<usize, Failure> {
    let headers = &mut parts.headers;
    let (mut hop, mut via, mut server) = (false, false, false);
    // `HTTP/1.1 200 ` and two line ends; the reason's length is not worth a look.
    let mut size_bytes = 20;
    for (name, value) in &*headers {
        size_bytes += name.as_str().len() + value.len() + 4;
        match name.as_str() {
            "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade" => {
                hop = true
            }
            "via" => via = true,
            "server" => server = true,
            "set-cookie" if value.len() > COOKIE_LIMIT_BYTES => {
                return Err(Failure::ResponseRestriction("HTTP restriction: oversized cookie"));
            }
            _ => {}
        }
    }
    if hop {
        strip_hop_by_hop(headers, upgrade);
        headers.remove(TRANSFER_ENCODING);
    }
    if via {
        let joined = join(headers, VIA, b"1.1 flowline");
        headers.insert(VIA, joined);
    } else {
        headers.insert(VIA, VIA_US);
    }
    if !server {
        headers.insert(SERVER, SERVED_BY_US);
    }
    parts.version = Version::HTTP_11;
    Ok(size_bytes)
}

/// May it be sent again when the first sending may have reached the app (RFC 9110 9.2.2)?
pub(crate) fn is_repeatable(method: &Method) -> bool {
    method.is_idempotent()
}

/// Header values made for one request, cut from a buffer that many requests share.
#[derive(Debug, Default)]
pub(crate) struct Values(std::cell::RefCell<bytes::BytesMut>);

/// Room for about 80 requests' values; a long request keeps its whole piece alive.
const PIECE_BYTES: usize = 4096;

impl Values {
    pub(crate) fn copy(&self, value: &[u8]) -> HeaderValue {
        let mut piece = self.0.borrow_mut();
        if piece.capacity() < value.len() {
            *piece = bytes::BytesMut::with_capacity(PIECE_BYTES.max(value.len()));
        }
        piece.extend_from_slice(value);
        HeaderValue::from_maybe_shared(piece.split().freeze()).unwrap_or(VIA_US)
    }

    pub(crate) fn number(&self, number: i64) -> HeaderValue {
        let mut text = Digits::default();
        // Twenty bytes hold every i64.
        let _ = write!(text, "{number}");
        self.copy(text.as_bytes())
    }
}

#[derive(Default)]
struct Digits {
    text: [u8; 20],
    length: usize,
}

impl Digits {
    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

impl Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.text.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
