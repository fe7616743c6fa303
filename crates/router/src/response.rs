//! The dyno's response head: read, judged, and made into the client's.

use crate::failure::Failure;
use crate::head;
use bytes::{Bytes, BytesMut};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SERVER, UPGRADE, VIA};
use hyper::{Response, StatusCode};
use std::mem::MaybeUninit;

/// A whole response head (ROUTE-31).
pub(crate) const HEAD_LIMIT_BYTES: usize = 512 * 1024;
/// ROUTE-31
const STATUS_LINE_LIMIT_BYTES: usize = 8192;
/// A cookie that an app sets (ROUTE-31).
const COOKIE_LIMIT_BYTES: usize = 8192;
/// More are refused: nobody sends them in earnest.
const HEADER_LIMIT: usize = 256;

const VIA_US: HeaderValue = HeaderValue::from_static("1.1 flowline");
const SERVED_BY_US: HeaderValue = HeaderValue::from_static("Flowline");
const UPGRADES: HeaderValue = HeaderValue::from_static("upgrade");

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes; often none.
    Length(u64),
    Chunked,
    /// Until the dyno closes.
    Close,
}

/// A response without its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<()>,
    pub(crate) framing: Framing,
    /// The connection may carry another request after the body.
    pub(crate) keep_alive: bool,
    /// The size of the head as the dyno sent it.
    pub(crate) head_bytes: usize,
}

/// What a look at each header found.
#[derive(Default)]
struct Seen<'a> {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade: Option<Bytes>,
    named: Vec<&'a str>,
    via: bool,
    server: bool,
}

/// Takes a complete head out of what was read; `None`: there is more to read. Bytes before `scanned` were looked at.
pub(crate) fn take_head(buffer: &mut BytesMut, scanned: &mut usize) -> Option<Bytes> {
    let start = scanned.saturating_sub(3);
    let end = memchr::memchr_iter(b'\n', &buffer[start..]).find_map(|at| {
        let rest = &buffer[start + at + 1..];
        let end = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        (end > 0).then_some(start + at + 1 + end)
    });
    *scanned = if end.is_some() { 0 } else { buffer.len() };
    end.map(|end| buffer.split_to(end).freeze())
}

/// Reads a head. `headers` is an empty map whose room is used again; `bodyless`: it answers a HEAD.
pub(crate) fn read(head: &Bytes, mut headers: HeaderMap, bodyless: bool) -> Result<Answer, Failure> {
    let mut room = [const { MaybeUninit::uninit() }; HEADER_LIMIT];
    let mut parsed = httparse::Response::new(&mut []);
    let status = match ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, head, &mut room) {
        Ok(Status::Complete(_)) => StatusCode::from_u16(parsed.code.unwrap_or(0)).map_err(|_| malformed())?,
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Failure::ResponseRestriction("HTTP restriction: oversized header"));
        }
        Ok(Status::Partial) | Err(_) => return Err(malformed()),
    };
    let reason = parsed.reason.unwrap_or("");
    if reason.len() > STATUS_LINE_LIMIT_BYTES {
        return Err(Failure::ResponseRestriction("HTTP restriction: oversized status line"));
    }
    let seen = read_headers(head, parsed.headers, &mut headers)?;
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let framing = framing(&seen, status, bodyless);
    let reusable = if parsed.version == Some(1) { !seen.close } else { seen.keep_alive };
    let keep_alive = reusable && framing != Framing::Close && !switches;
    finish_headers(&mut headers, &seen, switches);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if status.canonical_reason() != Some(reason)
        && let Ok(reason) = ReasonPhrase::try_from(head.slice_ref(reason.as_bytes()))
    {
        response.extensions_mut().insert(reason);
    }
    Ok(Answer { response, framing, keep_alive, head_bytes: head.len() })
}

fn malformed() -> Failure {
    Failure::PoorlyFormattedResponse
}

/// Keeps what reaches the client as it is, and notes the rest.
fn read_headers<'a>(
    head: &Bytes,
    parsed: &[httparse::Header<'a>],
    headers: &mut HeaderMap,
) -> Result<Seen<'a>, Failure> {
    let mut seen = Seen::default();
    headers.reserve(parsed.len() + 2);
    for header in parsed {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| malformed())?;
        match name.as_str() {
            "content-length" => match (length(header.value), seen.length) {
                (Some(length), None) => seen.length = Some(length),
                (Some(length), Some(before)) if length == before => continue,
                (Some(_) | None, _) => {
                    return Err(Failure::ResponseRestriction("HTTP restriction: invalid content length"));
                }
            },
            "transfer-encoding" if !seen.chunked && header.value.eq_ignore_ascii_case(b"chunked") => {
                seen.chunked = true;
                continue;
            }
            // A coding that nobody here can take off, and that the client did not ask for.
            "transfer-encoding" => return Err(malformed()),
            "connection" => {
                note_connection(&mut seen, header.value)?;
                continue;
            }
            "upgrade" => {
                seen.upgrade = Some(head.slice_ref(header.value));
                continue;
            }
            "keep-alive" | "proxy-connection" | "te" | "trailer" => continue,
            "via" => seen.via = true,
            "server" => seen.server = true,
            "set-cookie" if header.value.len() > COOKIE_LIMIT_BYTES => {
                return Err(Failure::ResponseRestriction("HTTP restriction: oversized cookie"));
            }
            _ => {}
        }
        headers.append(name, value(head.slice_ref(header.value))?);
    }
    Ok(seen)
}

fn value(bytes: Bytes) -> Result<HeaderValue, Failure> {
    HeaderValue::from_maybe_shared(bytes).map_err(|_| malformed())
}

/// Digits only: a sign or a list would be read differently by others.
fn length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit) && !value.is_empty();
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

fn note_connection<'a>(seen: &mut Seen<'a>, value: &'a [u8]) -> Result<(), Failure> {
    let value = std::str::from_utf8(value).map_err(|_| malformed())?;
    for token in value.split(',').map(str::trim) {
        if token.eq_ignore_ascii_case("close") {
            seen.close = true;
        } else if token.eq_ignore_ascii_case("keep-alive") {
            seen.keep_alive = true;
        } else if !token.is_empty() {
            seen.named.push(token);
        }
    }
    Ok(())
}

/// RFC 9112 6.3: chunked wins over a length.
fn framing(seen: &Seen<'_>, status: StatusCode, bodyless: bool) -> Framing {
    let none =
        bodyless || status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match seen.length {
        _ if none => Framing::Length(0),
        _ if seen.chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    }
}

fn finish_headers(headers: &mut HeaderMap, seen: &Seen<'_>, switches: bool) {
    for named in &seen.named {
        headers.remove(*named);
    }
    if seen.chunked {
        headers.remove(CONTENT_LENGTH);
    }
    if switches && let Some(Ok(upgrade)) = seen.upgrade.clone().map(HeaderValue::from_maybe_shared) {
        headers.insert(hyper::header::CONNECTION, UPGRADES);
        headers.insert(UPGRADE, upgrade);
    }
    if seen.via {
        let mut chain = Vec::new();
        head::write_chain(&mut chain, headers, "via");
        chain.extend_from_slice(head::VIA);
        headers.insert(VIA, HeaderValue::from_maybe_shared(Bytes::from(chain)).unwrap_or(VIA_US));
    } else {
        headers.append(VIA, VIA_US);
    }
    if !seen.server {
        headers.append(SERVER, SERVED_BY_US);
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod response_tests;
