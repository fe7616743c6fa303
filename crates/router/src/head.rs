//! The request's head as the dyno gets it: what the router adds and takes away (sections 9.4 and 9.5 of the rules).
//!
//! It is written once, straight into the bytes that are sent. A second attempt sends the same bytes, and the log line
//! takes its facts from them, so that nothing of a request is copied twice.

use crate::field::Kind;
use crate::request::{Length, Request};
use crate::worker::Worker;
use model::time::Timestamp;
use std::ops::Range;

/// A client's own request id is kept within these lengths.
const REQUEST_ID_BYTES: std::ops::RangeInclusive<usize> = 20..=200;

/// How the proxy names itself in `Via`.
pub(crate) const VIA: &[u8] = b"1.1 flowline";

/// RFC 9110 9.2.2: a second sending changes no more than the first.
const IDEMPOTENT: [&[u8]; 6] = [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"];

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
    /// May it be sent again when the first sending may have reached the app?
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

    /// Its room, to be used again.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// The dyno's head of a client's request. That of one that is refused serves the log line only.
pub(crate) fn write(request: &Request<'_>, worker: &Worker, ip: &[u8], at: Timestamp) -> Head {
    let mut out = worker.buffers.take_written();
    out.extend_from_slice(request.method);
    let method = 0..out.len();
    out.push(b' ');
    let start = out.len();
    out.extend_from_slice(request.target);
    let target = start..out.len();
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(&mut out, request);
    let request_id = write_request_id(&mut out, request, worker);
    let forwarded_for = write_chain(&mut out, b"x-forwarded-for: ", request, Kind::ForwardedFor, ip);
    write_chain(&mut out, b"via: ", request, Kind::Via, VIA);
    out.extend_from_slice(&worker.fixed_headers);
    out.extend_from_slice(b"x-request-start: ");
    write_number(&mut out, u64::try_from(at.0 / 1000).unwrap_or(0));
    out.extend_from_slice(b"\r\n");
    if request.length == Length::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if let Some(protocol) = request.upgrade {
        line(&mut out, b"connection", b"upgrade");
        line(&mut out, b"upgrade", protocol);
    }
    out.extend_from_slice(b"\r\n");
    let repeatable = IDEMPOTENT.contains(&request.method);
    Head { bytes: out, method, target, request_id, forwarded_for, upgrade: request.upgrade.is_some(), repeatable }
}

/// The client's headers that reach the dyno, each with its name in lower case.
fn write_fields(out: &mut Vec<u8>, request: &Request<'_>) {
    let mut length = Some(request.length);
    for field in &request.fields {
        match field.kind {
            Kind::Host => line(out, b"host", request.value(field)),
            Kind::ContentLength => {
                // Said twice, it is said once from here on.
                if let Some(Length::Bytes(bytes)) = length.take() {
                    out.extend_from_slice(b"content-length: ");
                    write_number(out, bytes);
                    out.extend_from_slice(b"\r\n");
                }
            }
            Kind::TransferEncoding
            | Kind::Connection
            | Kind::Expect
            | Kind::Upgrade
            | Kind::Via
            | Kind::RequestId
            | Kind::ForwardedFor
            | Kind::Hop
            | Kind::Ours => {}
            Kind::Cookie | Kind::Server | Kind::Date | Kind::SetCookie | Kind::Other => {
                let name = request.name(field);
                if !request.is_named(name) {
                    let start = out.len();
                    out.extend_from_slice(name);
                    out[start..].make_ascii_lowercase();
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(request.value(field));
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
    }
}

/// A header line.
pub(crate) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The client's own id when it is sane, a new one otherwise.
fn write_request_id(out: &mut Vec<u8>, request: &Request<'_>, worker: &Worker) -> Range<usize> {
    out.extend_from_slice(b"x-request-id: ");
    let start = out.len();
    match request.values(Kind::RequestId).next().filter(|id| is_sane(id)) {
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

/// The values that came with the request, and ours behind them: of the client's address, only that entry is
/// trustworthy. Returns where the chain stands.
fn write_chain(out: &mut Vec<u8>, name: &[u8], request: &Request<'_>, kind: Kind, ours: &[u8]) -> Range<usize> {
    out.extend_from_slice(name);
    let start = out.len();
    for value in request.values(kind) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(ours);
    let chain = start..out.len();
    out.extend_from_slice(b"\r\n");
    chain
}

/// The digits of a number.
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A chunk's size.
pub(crate) fn write_hex(out: &mut Vec<u8>, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(number >> (4 * digit) & 0xf) as usize]));
}
