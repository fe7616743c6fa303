//! What reads bytes of clients, dynos and the other side of a socket here, called with any bytes at all: for the targets
//! in `fuzz/`.

use crate::chunks::{Chunks, Malformed};
use crate::date;
use crate::entry::Entry;
use crate::handover::Offer;
use crate::request::{self, Found, Request, Scan};
use crate::response::{self, Answer, Asked, Framing, SWITCHING_PROTOCOLS};
use crate::wire::{self, Frame, Notice, Order};
use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What the control plane, the router and its successor say to each other, and the table on disk.
pub fn messages(bytes: &[u8]) {
    stream::<Order>(bytes);
    stream::<Notice>(bytes);
    same_again::<Offer>(bytes);
    same_again::<Vec<Entry>>(bytes);
    let lines = crate::outbox::read(bytes);
    assert!(lines.is_none_or(|lines| lines.len() <= bytes.len()));
}

fn stream<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let head = rest.first_chunk::<5>().copied();
        let before = rest.len();
        match now(wire::read::<T>(&mut rest)) {
            Ok(Some(Frame::Json(message))) => {
                let payload = head.and_then(wire::json_bytes);
                assert_eq!(payload, Some(before - rest.len() - 5), "both readers see the same length");
                written_again(&message);
            }
            Ok(Some(Frame::Lines(lines))) => {
                let mut written = Vec::new();
                assert!(now(wire::write_lines(&mut written, &lines)).is_ok());
                assert_eq!(bytes[bytes.len() - before..bytes.len() - rest.len()], written);
            }
            Ok(None) | Err(_) => return,
        }
    }
}

fn same_again<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<T>(bytes) {
        written_again(&message);
    }
}

/// Read, written, read and written: the same text.
fn written_again<T: Serialize + DeserializeOwned>(message: &T) {
    let text = serde_json::to_string(message).unwrap_or_default();
    let again = serde_json::from_str::<T>(&text).ok().and_then(|message| serde_json::to_string(&message).ok());
    assert_eq!(again, Some(text));
}

/// Bytes in memory are always there, so nothing waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

/// A client's request head: it ends in one place however it is cut. One that is passed on is not read in another way by
/// another reader, and written again it says the same.
pub fn request_head(bytes: &[u8]) {
    let found = Scan::default().look(bytes);
    for step in [1, 5] {
        assert_eq!(scanned(bytes, step), found, "cut into {step}");
    }
    let head = if let Found::Head(length) = found { &bytes[..length] } else { bytes };
    let request = request::read(head, Vec::new());
    for field in &request.fields {
        let (name, value) = (request.name(field), request.value(field));
        assert!(!name.is_empty() && !value.iter().any(|byte| b"\r\n\0".contains(byte)), "a field out of its line");
    }
    if !matches!(found, Found::Head(_)) || request.refused.is_some() {
        return;
    }
    read_by_another(head, &request);
    let mut written =
        [request.method, b" ", request.target, b" HTTP/1.", if request.http_1_0 { b"0" } else { b"1" }].concat();
    written.extend_from_slice(b"\r\n");
    for field in &request.fields {
        written.extend([request.name(field), b": ", request.value(field), b"\r\n"].concat());
    }
    written.extend_from_slice(b"\r\n");
    // A space more behind a colon may be one too many.
    if Scan::default().look(&written) != Found::Head(written.len()) {
        return assert!(written.len() > head.len());
    }
    let again = request::read(&written, Vec::new());
    if again.refused.is_none() || written.len() <= head.len() {
        assert_eq!(meaning(&again), meaning(&request));
    }
}

fn scanned(bytes: &[u8], step: usize) -> Found {
    let mut scan = Scan::default();
    let ends = (0..bytes.len()).step_by(step).skip(1).chain([bytes.len()]);
    ends.map(|end| scan.look(&bytes[..end])).find(|found| *found != Found::More).unwrap_or(Found::More)
}

/// Everything that decides what is done with a request.
fn meaning<'a>(request: &'a Request<'_>) -> impl PartialEq + std::fmt::Debug + use<'a> {
    let fields: Vec<_> = request.fields.iter().map(|field| (request.name(field), request.value(field))).collect();
    let line = (request.method, request.target, request.host, request.http_1_0, request.refused);
    (line, request.length, request.keep_alive, request.expects, request.upgrade, fields)
}

/// httparse understands the same, where it understands it at all.
fn read_by_another(head: &[u8], request: &Request<'_>) {
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut other = httparse::Request::new(&mut room);
    let Ok(parsed) = other.parse(head) else { return };
    assert_eq!(parsed, httparse::Status::Complete(head.len()), "it ends in two places");
    assert_eq!(other.method.map(str::as_bytes), Some(request.method));
    let theirs: Vec<_> = other.headers.iter().map(|header| (header.name.as_bytes(), header.value)).collect();
    let ours: Vec<_> = request.fields.iter().map(|field| (request.name(field), request.value(field))).collect();
    assert_eq!(theirs, ours);
}

/// A chunked body of a client or a dyno: what comes out says the same in one way only, however it is cut and whenever it
/// is taken out, and nothing behind it is taken.
pub fn chunked_body(bytes: &[u8]) {
    let framed = canonical(bytes, bytes.len().max(1), true, false);
    for (step, taken) in [(1, false), (1, true), (7, true)] {
        let cut = canonical(bytes, step, true, taken);
        assert_eq!(cut.is_ok(), framed.is_ok(), "cut into {step}");
        assert!(cut == framed || framed.is_err(), "cut into {step}");
    }
    let Ok((text, done, left)) = framed else { return };
    let plain = canonical(bytes, bytes.len().max(1), false, false).ok().map(|(body, ..)| body);
    if done {
        assert_eq!(plainly(bytes), plain.clone().map(|body| (body, left)), "another reader");
        assert_eq!(plainly(&text), plain.map(|body| (body, 0)), "what comes out");
    }
    assert_eq!(canonical(&text, text.len().max(1), true, false), Ok((text, done, 0)), "it stays as it is");
}

/// What comes out, whether it is all, and how many bytes are left behind it. `taken`: what is ready goes out at once.
fn canonical(bytes: &[u8], step: usize, framed: bool, taken: bool) -> Result<(Vec<u8>, bool, usize), Malformed> {
    let (mut chunks, mut buffer, mut ready, mut out) = (Chunks::new(framed), BytesMut::new(), 0, Vec::new());
    for piece in bytes.chunks(step) {
        buffer.extend_from_slice(piece);
        ready = chunks.read(&mut buffer, ready)?;
        if taken {
            out.extend_from_slice(&buffer.split_to(ready));
            ready = 0;
        }
    }
    out.extend_from_slice(&buffer.split_to(ready));
    Ok((out, chunks.is_done(), if chunks.is_done() { buffer.len() } else { 0 }))
}

/// A body as httparse and the letter of RFC 9112 7.1 have it; `None`: it is none.
fn plainly(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut rest, mut body) = (bytes, Vec::new());
    loop {
        let httparse::Status::Complete((begin, size)) = httparse::parse_chunk_size(rest).ok()? else { return None };
        rest = rest.get(begin..)?;
        if size == 0 {
            break;
        }
        let (chunk, behind) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        body.extend_from_slice(chunk);
        rest = behind.strip_prefix(b"\r\n")?;
    }
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        rest = &rest[end + 2..];
        if end == 0 {
            return Some((body, rest.len()));
        }
    }
}

/// A dyno's response: its head ends where it is found to end, however it is cut, and what reaches the client is one head
/// that leaves no doubt about where the body ends.
pub fn response_head(bytes: &[u8]) {
    let found = response::find_head(bytes, &mut 0);
    for step in [1, 3] {
        let mut scanned = 0;
        let ends = (0..bytes.len()).step_by(step).skip(1).chain([bytes.len()]);
        let mut looks = ends.map(|end| response::find_head(&bytes[..end], &mut scanned));
        assert_eq!(looks.find(Option::is_some).flatten(), found, "cut into {step}");
    }
    let Some(length) = found else { return };
    for (bodyless, http_1_0) in [(false, false), (true, false), (false, true)] {
        let asked = Asked { bodyless, http_1_0 };
        if let Ok(answer) = response::read(&bytes[..length], Vec::new(), asked, || DATE) {
            judge(&bytes[..length], &answer, asked);
        }
    }
}

const DATE: date::Text = *b"Sun, 06 Nov 1994 08:49:37 GMT";

fn judge(head: &[u8], answer: &Answer, asked: Asked) {
    parsed(head, |_| ());
    let text = [answer.head.as_slice(), b"\r\n"].concat();
    assert_eq!(response::find_head(&text, &mut 0), Some(text.len()), "the client's head ends in two places");
    parsed(&text, |client| {
        assert_eq!((client.code, client.version), (Some(answer.status), Some(u8::from(!asked.http_1_0))));
        let named = |name: &str| -> Vec<&[u8]> {
            let all = client.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            all.map(|header| header.value).collect()
        };
        assert!(["keep-alive", "proxy-connection", "te", "trailer"].iter().all(|name| named(name).is_empty()));
        let switches = answer.status == SWITCHING_PROTOCOLS;
        assert_eq!(named("connection"), if switches { vec![&b"upgrade"[..]] } else { vec![] });
        let (lengths, codings) = (named("content-length"), named("transfer-encoding"));
        let has_chunks = matches!(answer.framing, Framing::Chunked | Framing::Close) && !asked.http_1_0;
        assert_eq!(codings, if has_chunks { vec![&b"chunked"[..]] } else { vec![] });
        let length = lengths.first().map(|length| crate::request::number(length));
        assert!(lengths.len() <= 1 && length != Some(None), "{lengths:?}");
        let has_none = asked.bodyless || matches!(answer.status, 100..=199 | 204 | 304);
        match answer.framing {
            Framing::Length(_) if has_none => assert!(length.is_none() || answer.status >= 200 && answer.status != 204),
            Framing::Length(framed) => assert_eq!(length, Some(Some(framed))),
            Framing::Chunked | Framing::Close => assert_eq!(length, None),
        }
        assert_eq!(answer.closes, asked.http_1_0 && !matches!(answer.framing, Framing::Length(_)));
    });
    assert!(!answer.keep_alive || answer.framing != Framing::Close);
}

/// One response head and nothing else, as httparse reads it.
fn parsed(head: &[u8], look: impl Fn(&httparse::Response<'_, '_>)) {
    // Three more than the dyno may have: the router's own.
    let mut room = [httparse::EMPTY_HEADER; 256 + 3];
    let mut response = httparse::Response::new(&mut room);
    assert_eq!(response.parse(head), Ok(httparse::Status::Complete(head.len())), "it ends in two places");
    look(&response);
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay;

    #[test]
    fn the_corpora_hold() {
        replay::each("router_messages", super::messages);
        replay::each("request_head", super::request_head);
        replay::each("chunked_body", super::chunked_body);
        replay::each("response_head", super::response_head);
    }
}
