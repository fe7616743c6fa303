//! A client's request head: where it ends, what it says, and whether it can be read in one way only.
//!
//! Whatever two servers could read differently is refused (RFC 9112 11.2): a line that does not end in CRLF, a folded
//! line, two lengths, a length beside chunks, a name with space around it. What is passed on is written anew from what
//! was understood here, never copied as it came.

use crate::field::{Field, Kind, Span, is_token, is_value, kind, trimmed};

/// A whole head. ROUTE-30 alone would allow 8 MB.
pub(crate) const HEAD_LIMIT_BYTES: usize = 128 * 1024;
/// ROUTE-30: the request line, and each header line.
const LINE_LIMIT_BYTES: usize = 8192;
/// ROUTE-30
const NAME_LIMIT_BYTES: usize = 1000;
/// ROUTE-30
const HEADER_LIMIT: usize = 1000;

/// How far the end of a head was looked for.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    looked_at: usize,
    line: usize,
}

/// What a look at the bytes found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The head has this many bytes.
    Head(usize),
    /// Its end is still to come.
    More,
    /// It is none: too long, or a line ends in something else than CRLF.
    Nonsense,
}

impl Scan {
    /// Looks on in `bytes`, which begin with the head and are the same as before, or more.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Found {
        let start = self.looked_at;
        for at in memchr::memchr_iter(b'\n', &bytes[start..]).map(|at| start + at) {
            if at == 0 || bytes[at - 1] != b'\r' {
                return Found::Nonsense;
            }
            if at - 1 == self.line {
                return if at < HEAD_LIMIT_BYTES { Found::Head(at + 1) } else { Found::Nonsense };
            }
            self.line = at + 1;
        }
        self.looked_at = bytes.len();
        if bytes.len() < HEAD_LIMIT_BYTES { Found::More } else { Found::Nonsense }
    }
}

/// Why a request is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 400
    Malformed,
    /// 405: `CONNECT` (ROUTE-33).
    Method,
    /// 417 (ROUTE-34)
    Expectation,
}

/// How the end of a request's body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// This many bytes; 0 where nothing is said.
    Bytes(u64),
    Chunked,
}

/// What the lines of a head say together.
#[derive(Debug, Default)]
struct Seen {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
    host: Span,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    names_others: bool,
    upgrades: usize,
    upgrade_to: Span,
    expects: bool,
    bad_expect: bool,
    malformed: bool,
}

/// A head that was read. Of one that is refused everything that could be understood is here, for the log line.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    bytes: &'a [u8],
    pub(crate) method: &'a [u8],
    /// Path and query, or `*`.
    pub(crate) target: &'a [u8],
    /// The only `Host`; empty where there is none or more than one.
    pub(crate) host: &'a [u8],
    pub(crate) http_1_0: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) refused: Option<Refused>,
    pub(crate) length: Length,
    /// The client keeps the connection after the response.
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue`.
    pub(crate) expects: bool,
    /// `Connection` names headers that end here (ROUTE-36).
    pub(crate) names_others: bool,
    /// The other protocol that the client wants.
    pub(crate) upgrade: Option<&'a [u8]>,
}

/// Reads a head, or as much of one as there is. `fields` is an empty vector whose room is used again.
pub(crate) fn read(bytes: &[u8], fields: Vec<Field>) -> Request<'_> {
    let mut request = Request {
        bytes,
        method: b"",
        target: b"",
        host: b"",
        http_1_0: false,
        fields,
        refused: None,
        length: Length::Bytes(0),
        keep_alive: false,
        expects: false,
        names_others: false,
        upgrade: None,
    };
    let mut seen = Seen::default();
    let mut ends = memchr::memchr_iter(b'\n', bytes);
    let first = ends.next().unwrap_or(bytes.len());
    let authority = request.read_line(line(bytes, 0, first), &mut seen);
    let mut start = first + 1;
    for end in ends {
        let line = line(bytes, start, end);
        if line.is_empty() {
            break;
        }
        request.read_field(line, start, &mut seen);
        start = end + 1;
    }
    request.judge(&seen, authority);
    request
}

/// The line without its end. A bare CR stays in it, where no rule allows it.
fn line(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    let line = &bytes[start..end];
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl<'a> Request<'a> {
    /// The method, the target and the version; returns the host that an absolute target names.
    fn read_line(&mut self, line: &'a [u8], seen: &mut Seen) -> Option<&'a [u8]> {
        let mut parts = line.split(|byte| *byte == b' ');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(method), Some(target), Some(version), None) = parts else {
            seen.malformed = true;
            return None;
        };
        self.http_1_0 = version == b"HTTP/1.0";
        let good = (self.http_1_0 || version == b"HTTP/1.1")
            && is_token(method)
            && line.len() <= LINE_LIMIT_BYTES
            && target.iter().all(|byte| is_target(*byte));
        if is_token(method) {
            self.method = method;
        }
        let (authority, path) = match target {
            [b'/', ..] => (None, Some(target)),
            b"*" => (None, Some(target).filter(|_| method == b"OPTIONS")),
            other => absolute(other, method == b"OPTIONS"),
        };
        self.target = path.unwrap_or_default();
        if method == b"CONNECT" && good {
            self.refused = Some(Refused::Method);
        } else if !good || path.is_none() {
            seen.malformed = true;
        }
        authority
    }

    fn read_field(&mut self, line: &'a [u8], start: usize, seen: &mut Seen) {
        let Some(colon) = memchr::memchr(b':', line) else {
            seen.malformed = true;
            return;
        };
        let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
        let too_much = self.fields.len() >= HEADER_LIMIT;
        if too_much || line.len() > LINE_LIMIT_BYTES || name.len() > NAME_LIMIT_BYTES {
            seen.malformed = true;
        }
        if too_much || !is_token(name) || !is_value(value) {
            seen.malformed = true;
            return;
        }
        let kind = kind(name);
        let name = Span::new(start, colon);
        let value_at = Span::new(start + colon + 1 + leading(&line[colon + 1..]), value.len());
        note(seen, kind, value, value_at);
        self.fields.push(Field { kind, name, value: value_at });
    }

    /// What the lines say together.
    fn judge(&mut self, seen: &Seen, authority: Option<&[u8]>) {
        let bytes = self.bytes;
        if seen.hosts == 1 {
            self.host = seen.host.of(bytes);
        }
        let conflict = seen.chunked && (seen.length.is_some() || self.http_1_0);
        // RFC 9112 3.2.2 lets an absolute target win over another host; whoever stands before us may not know that.
        let elsewhere = authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(self.host));
        if seen.malformed || conflict || elsewhere || !is_host(self.host) {
            self.refused = Some(Refused::Malformed);
        } else if seen.bad_expect && !self.http_1_0 && self.refused.is_none() {
            self.refused = Some(Refused::Expectation);
        }
        self.length = if seen.chunked { Length::Chunked } else { Length::Bytes(seen.length.unwrap_or(0)) };
        self.keep_alive = !seen.close && (!self.http_1_0 || seen.keep_alive);
        self.names_others = seen.names_others;
        self.expects = seen.expects && !self.http_1_0 && self.length != Length::Bytes(0);
        let wants = seen.upgrade && seen.upgrades == 1 && !self.http_1_0 && self.length == Length::Bytes(0);
        let protocol = seen.upgrade_to.of(bytes);
        // HTTP/2 is for the next hop only (RFC 9113).
        let is_h2 = tokens(protocol).any(|token| token.eq_ignore_ascii_case(b"h2c"));
        self.upgrade = Some(protocol).filter(|_| wants && !is_h2);
    }

    pub(crate) fn name(&self, field: &Field) -> &'a [u8] {
        field.name.of(self.bytes)
    }

    pub(crate) fn value(&self, field: &Field) -> &'a [u8] {
        field.value.of(self.bytes)
    }

    /// The values of all headers of a kind.
    pub(crate) fn values(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |field| field.kind == kind).map(|field| self.value(field))
    }

    /// Does `Connection` name this header?
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.names_others
            && self.values(Kind::Connection).any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case(name)))
    }
}

/// Takes from a header what concerns this router.
fn note(seen: &mut Seen, kind: Kind, value: &[u8], at: Span) {
    match kind {
        Kind::Host => {
            seen.hosts += 1;
            seen.host = at;
        }
        Kind::ContentLength => match (number(value), seen.length) {
            (Some(length), None) => seen.length = Some(length),
            (Some(length), Some(before)) if length == before => {}
            (Some(_) | None, _) => seen.malformed = true,
        },
        // Another coding would be lost on the way, and a second `chunked` would be a body in a body.
        Kind::TransferEncoding => match value.eq_ignore_ascii_case(b"chunked") && !seen.chunked {
            true => seen.chunked = true,
            false => seen.malformed = true,
        },
        Kind::Connection => note_connection(seen, value),
        Kind::Expect => match value.eq_ignore_ascii_case(b"100-continue") {
            true => seen.expects = true,
            false => seen.bad_expect = true,
        },
        Kind::Upgrade => {
            seen.upgrades += 1;
            seen.upgrade_to = at;
        }
        Kind::Via
        | Kind::Cookie
        | Kind::RequestId
        | Kind::ForwardedFor
        | Kind::Hop
        | Kind::Ours
        | Kind::Server
        | Kind::Date
        | Kind::SetCookie
        | Kind::Other => {}
    }
}

fn note_connection(seen: &mut Seen, value: &[u8]) {
    for token in tokens(value) {
        if token.eq_ignore_ascii_case(b"close") {
            seen.close = true;
        } else if token.eq_ignore_ascii_case(b"keep-alive") {
            seen.keep_alive = true;
        } else if token.eq_ignore_ascii_case(b"upgrade") {
            seen.upgrade = true;
        } else if !token.is_empty() {
            seen.names_others = true;
        }
    }
}

/// The items of a comma-separated header.
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trimmed)
}

/// Digits only: a sign, a space or a list would be read differently by others.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit) && !value.is_empty();
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

fn leading(value: &[u8]) -> usize {
    value.iter().take_while(|byte| b" \t".contains(byte)).count()
}

/// What no target may contain: space, control characters, and the mark of a fragment, which never travels.
fn is_target(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && byte != b'#'
}

/// The authority of an absolute target, and its path: `/` where there is none, or `*` for `OPTIONS` (RFC 9112 3.2.4).
fn absolute(target: &[u8], options: bool) -> (Option<&[u8]>, Option<&[u8]>) {
    let after = |scheme: &[u8]| {
        let start = target.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &target[scheme.len()..])
    };
    let Some(rest) = after(b"http://").or_else(|| after(b"https://")) else { return (None, None) };
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path: Option<&[u8]> = match path {
        [] if options => Some(b"*"),
        [] => Some(b"/"),
        [b'/', ..] => Some(path),
        // A query without a path: nobody sends it, and it cannot be written down without a change.
        _ => None,
    };
    (Some(authority), path)
}

/// A host, and a port if there is one (RFC 3986 3.2.2), without a user.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
