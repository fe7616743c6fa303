//! The dyno's response head: read, judged, and made into the client's.

use crate::date;
use crate::failure::Failure;
use crate::field::{Kind, kind};
use crate::head::{VIA, line, write_number};
use crate::request::{number, tokens};
use httparse::{Header, ParserConfig, Status};
use std::mem::MaybeUninit;

/// A whole response head (ROUTE-31).
pub(crate) const HEAD_LIMIT_BYTES: usize = 512 * 1024;
/// ROUTE-31
const STATUS_LINE_LIMIT_BYTES: usize = 8192;
/// A cookie that an app sets (ROUTE-31).
const COOKIE_LIMIT_BYTES: usize = 8192;
/// More are refused: nobody sends them in earnest.
const HEADER_LIMIT: usize = 256;

pub(crate) const SWITCHING_PROTOCOLS: u16 = 101;

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes; often none.
    Length(u64),
    Chunked,
    /// Until the dyno closes.
    Close,
}

/// What the request was, as far as its response depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    /// A HEAD: the response has no body.
    pub(crate) bodyless: bool,
    pub(crate) http_1_0: bool,
}

/// A response without its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// The connection to the dyno may carry another request after the body.
    pub(crate) keep_alive: bool,
    /// The client knows the body's end only by the end of the connection.
    pub(crate) closes: bool,
    /// What the client gets, without the empty line at its end.
    pub(crate) head: Vec<u8>,
}

/// What a look at each header found.
#[derive(Default)]
struct Seen<'a> {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade: Option<&'a [u8]>,
    names_others: bool,
    via: bool,
    server: bool,
    date: bool,
}

/// The length of the head at the front of what was read; `None`: there is more to read. Bytes before `scanned` were
/// looked at. Apps may end their lines in a bare LF.
pub(crate) fn find_head(buffer: &[u8], scanned: &mut usize) -> Option<usize> {
    let start = scanned.saturating_sub(3);
    let end = memchr::memchr_iter(b'\n', &buffer[start..]).find_map(|at| {
        let rest = &buffer[start + at + 1..];
        let end = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        (end > 0).then_some(start + at + 1 + end)
    });
    *scanned = if end.is_some() { 0 } else { buffer.len() };
    end
}

/// Reads a head and writes the client's into `out`, which is empty. `date` is for an app that says none.
pub(crate) fn read(
    head: &[u8],
    mut out: Vec<u8>,
    asked: Asked,
    date: impl FnOnce() -> date::Text,
) -> Result<Answer, Failure> {
    let mut room = [const { MaybeUninit::uninit() }; HEADER_LIMIT];
    let mut parsed = httparse::Response::new(&mut []);
    let status = match ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, head, &mut room) {
        Ok(Status::Complete(_)) => parsed.code.filter(|code| *code >= 100).ok_or_else(malformed)?,
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Failure::ResponseRestriction("HTTP restriction: oversized header"));
        }
        Ok(Status::Partial) | Err(_) => return Err(malformed()),
    };
    let reason = parsed.reason.unwrap_or("");
    if reason.len() > STATUS_LINE_LIMIT_BYTES {
        return Err(Failure::ResponseRestriction("HTTP restriction: oversized status line"));
    }
    let mut kinds = [Kind::Other; HEADER_LIMIT];
    let seen = look(parsed.headers, &mut kinds)?;
    let framing = framing(&seen, status, asked.bodyless);
    let reusable = if parsed.version == Some(1) { !seen.close } else { seen.keep_alive };
    let keep_alive = reusable && framing != Framing::Close && status != SWITCHING_PROTOCOLS;
    out.extend_from_slice(if asked.http_1_0 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    write_number(&mut out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (header, kind) in parsed.headers.iter().zip(kinds) {
        if is_passed_on(kind) && !(seen.names_others && is_named(parsed.headers, header.name)) {
            line(&mut out, header.name.as_bytes(), header.value);
        }
    }
    write_own(&mut out, parsed.headers, &seen, date);
    if status == SWITCHING_PROTOCOLS {
        line(&mut out, b"connection", b"upgrade");
        line(&mut out, b"upgrade", seen.upgrade.unwrap_or_default());
    } else {
        write_framing(&mut out, &seen, framing, status, asked);
    }
    let closes = asked.http_1_0 && matches!(framing, Framing::Chunked | Framing::Close);
    Ok(Answer { status, framing, keep_alive, closes, head: out })
}

fn malformed() -> Failure {
    Failure::PoorlyFormattedResponse
}

/// Notes what concerns the router.
fn look<'a>(headers: &[Header<'a>], kinds: &mut [Kind; HEADER_LIMIT]) -> Result<Seen<'a>, Failure> {
    let mut seen = Seen::default();
    for (header, known) in headers.iter().zip(kinds) {
        *known = kind(header.name.as_bytes());
        match known {
            Kind::ContentLength => match (number(header.value), seen.length) {
                (Some(length), None) => seen.length = Some(length),
                (Some(length), Some(before)) if length == before => {}
                (Some(_) | None, _) => {
                    return Err(Failure::ResponseRestriction("HTTP restriction: invalid content length"));
                }
            },
            Kind::TransferEncoding if !seen.chunked && header.value.eq_ignore_ascii_case(b"chunked") => {
                seen.chunked = true;
            }
            // A coding that nobody here can take off, and that the client did not ask for.
            Kind::TransferEncoding => return Err(malformed()),
            Kind::Connection => note_connection(&mut seen, header.value),
            Kind::Upgrade => seen.upgrade = Some(header.value),
            Kind::Via => seen.via = true,
            Kind::Server => seen.server = true,
            Kind::Date => seen.date = true,
            Kind::SetCookie if header.value.len() > COOKIE_LIMIT_BYTES => {
                return Err(Failure::ResponseRestriction("HTTP restriction: oversized cookie"));
            }
            Kind::SetCookie
            | Kind::Host
            | Kind::Expect
            | Kind::Cookie
            | Kind::RequestId
            | Kind::ForwardedFor
            | Kind::Hop
            | Kind::Ours
            | Kind::Other => {}
        }
    }
    Ok(seen)
}

fn note_connection(seen: &mut Seen<'_>, value: &[u8]) {
    for token in tokens(value) {
        if token.eq_ignore_ascii_case(b"close") {
            seen.close = true;
        } else if token.eq_ignore_ascii_case(b"keep-alive") {
            seen.keep_alive = true;
        } else if !token.is_empty() {
            seen.names_others = true;
        }
    }
}

/// Reaches the client as the dyno said it, unless `Connection` names it.
fn is_passed_on(kind: Kind) -> bool {
    match kind {
        Kind::ContentLength | Kind::TransferEncoding | Kind::Connection | Kind::Upgrade | Kind::Via | Kind::Hop => {
            false
        }
        Kind::Host
        | Kind::Expect
        | Kind::Cookie
        | Kind::RequestId
        | Kind::ForwardedFor
        | Kind::Server
        | Kind::Date
        | Kind::SetCookie
        | Kind::Ours
        | Kind::Other => true,
    }
}

fn is_named(headers: &[Header<'_>], name: &str) -> bool {
    let connections = headers.iter().filter(|header| kind(header.name.as_bytes()) == Kind::Connection);
    let mut named = connections.flat_map(|header| tokens(header.value));
    named.any(|token| token.eq_ignore_ascii_case(name.as_bytes()))
}

/// What the router adds (section 9.5).
fn write_own(out: &mut Vec<u8>, headers: &[Header<'_>], seen: &Seen<'_>, date: impl FnOnce() -> date::Text) {
    out.extend_from_slice(b"via: ");
    if seen.via {
        for header in headers.iter().filter(|header| kind(header.name.as_bytes()) == Kind::Via) {
            out.extend_from_slice(header.value);
            out.extend_from_slice(b", ");
        }
    }
    out.extend_from_slice(VIA);
    out.extend_from_slice(b"\r\n");
    if !seen.server {
        line(out, b"server", b"Flowline");
    }
    if !seen.date {
        line(out, b"date", &date());
    }
}

fn write_framing(out: &mut Vec<u8>, seen: &Seen<'_>, framing: Framing, status: u16, asked: Asked) {
    let length = seen.length.filter(|_| !seen.chunked && status != 204 && status >= 200);
    match framing {
        // What a HEAD or a 304 says of a length is said of another response.
        Framing::Length(_) => {
            if let Some(length) = length {
                out.extend_from_slice(b"content-length: ");
                write_number(out, length);
                out.extend_from_slice(b"\r\n");
            }
        }
        Framing::Chunked | Framing::Close if asked.http_1_0 => {}
        Framing::Chunked | Framing::Close => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
}

/// RFC 9112 6.3: chunked wins over a length.
fn framing(seen: &Seen<'_>, status: u16, bodyless: bool) -> Framing {
    match seen.length {
        _ if bodyless || status < 200 || matches!(status, 204 | 304) => Framing::Length(0),
        _ if seen.chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod response_tests;
