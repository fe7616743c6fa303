//! One log line per request, in the fixed order of ROUTE-50.

use crate::failure::Failure;
use crate::head::{Head, write_number};
use std::time::Duration;

/// What the line says beside what the request's head says. `None` is printed as `key=`.
#[derive(Debug, Default)]
pub(crate) struct Went<'a> {
    pub(crate) host: &'a str,
    pub(crate) dyno: &'a str,
    pub(crate) connect: Option<Duration>,
    pub(crate) service: Option<Duration>,
    pub(crate) status: u16,
    pub(crate) bytes: Option<u64>,
}

/// Appends the line to `out`, without a line end; always ASCII.
pub(crate) fn write(out: &mut Vec<u8>, failure: Option<Failure>, head: &Head, went: &Went<'_>) {
    match failure {
        None => out.extend_from_slice(b"at=info"),
        Some(failure) => write_failure(out, failure),
    }
    out.extend_from_slice(b" method=");
    out.extend_from_slice(head.method());
    out.extend_from_slice(b" path=\"");
    quote(out, head.target());
    out.extend_from_slice(b"\" host=");
    out.extend_from_slice(went.host.as_bytes());
    out.extend_from_slice(b" request_id=");
    out.extend_from_slice(head.request_id());
    out.extend_from_slice(b" fwd=\"");
    quote(out, head.forwarded_for());
    out.extend_from_slice(b"\" dyno=");
    out.extend_from_slice(went.dyno.as_bytes());
    out.extend_from_slice(b" connect=");
    milliseconds(out, went.connect);
    out.extend_from_slice(b" service=");
    milliseconds(out, went.service);
    out.extend_from_slice(b" status=");
    write_number(out, u64::from(went.status));
    out.extend_from_slice(b" bytes=");
    if let Some(bytes) = went.bytes {
        write_number(out, bytes);
    }
    out.extend_from_slice(b" protocol=http");
}

fn write_failure(out: &mut Vec<u8>, failure: Failure) {
    let facts = failure.facts();
    if let Some(sock) = facts.sock {
        out.extend_from_slice(b"sock=");
        out.extend_from_slice(sock.as_bytes());
        out.push(b' ');
    }
    for (key, value) in [("at=", facts.grade.word()), (" code=", facts.code), (" desc=\"", facts.desc)] {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'"');
    if let Some(cause) = facts.cause {
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
        write_number(out, u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
        out.extend_from_slice(b"ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_text_stays_in_its_quotes() {
        let mut out = Vec::new();
        quote(&mut out, b"a\"b\\c\xff\t, 1.2.3.4");
        assert_eq!(String::from_utf8(out).unwrap(), "a\\\"b\\\\c\\xff\\x09, 1.2.3.4");
    }

    #[test]
    fn route_51_how_a_line_of_a_failure_begins() {
        for (failure, expected) in [
            (Failure::NoWebProcesses, "at=error code=H14 desc=\"No web processes running\""),
            (Failure::BlankApp, "at=info code=H81 desc=\"Blank app\""),
            (Failure::ClientInterrupted, "sock=client at=warning code=H27 desc=\"Client Request Interrupted\""),
            (Failure::ServerInterrupted, "sock=backend at=error code=H18 desc=\"Server Request Interrupted\""),
            (
                Failure::UnsupportedExpect,
                "at=error code=H26 desc=\"Request Error\" cause=\"unsupported expect header value\"",
            ),
        ] {
            let mut out = Vec::new();
            write_failure(&mut out, failure);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
