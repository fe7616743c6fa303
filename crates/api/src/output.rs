//! Text that grows while it is read: plain and chunked to its end, or as server-sent events (RELPH-40, RELPH-41).

use crate::error::ApiError;
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes, BytesMut};
use control::output::OutputReader;
use futures_util::stream::{self, Stream, StreamExt};
use std::io;
use std::time::Duration;

/// Text as it comes.
pub(crate) type Chunk = io::Result<Bytes>;

/// A comment is sent after so much silence: proxies and clients give up on quieter streams after 30 to 60 s.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A line without an end is sent after so many bytes; a program may print a progress bar for ever.
const LINE_LIMIT_BYTES: usize = 64 * 1024;

const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// RFC 8673: what stands for the end of what still grows. The largest number that JavaScript has exactly.
const ENDLESS: u64 = (1 << 53) - 1;

/// What a build or a release command prints, from its beginning to its end, or the part that `Range` asks for: also of what
/// still grows, so that a client that was cut off goes on where it was (RELPH-41).
///
/// # Errors
/// 416 for a part that is not there and never will be.
pub(crate) fn follow(headers: &HeaderMap, mut reader: OutputReader) -> Result<Response, ApiError> {
    let broken = |error: io::Error| ApiError::internal(&error);
    let complete_bytes = reader.complete_bytes().map_err(broken)?;
    let part = if wants_events(headers) { None } else { bytes(headers, complete_bytes) };
    let Some((first, last)) = part else {
        let mut response = stream_of(headers, reader);
        response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        return Ok(response);
    };
    let (last, size) = match complete_bytes {
        Some(size) if first >= size => return Err(ApiError::beyond(size)),
        Some(size) => (last.map_or(size - 1, |last| last.min(size - 1)), size.to_string()),
        None => (last.unwrap_or(ENDLESS), "*".to_owned()),
    };
    reader.only(first, Some(last)).map_err(broken)?;
    let mut response = stream_of(headers, reader);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    if let Ok(range) = HeaderValue::from_str(&format!("bytes {first}-{last}/{size}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    Ok(response)
}

/// `bytes=10-`, `bytes=10-19`, and of what is complete `bytes=-10`. What is written otherwise is passed over, as HTTP allows.
fn bytes(headers: &HeaderMap, complete_bytes: Option<u64>) -> Option<(u64, Option<u64>)> {
    let range = headers.get(RANGE)?.to_str().ok()?.trim().strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    if first.is_empty() {
        let wanted: u64 = last.parse().ok()?;
        return Some((complete_bytes?.saturating_sub(wanted), None));
    }
    let first: u64 = first.parse().ok()?;
    if last.is_empty() {
        return Some((first, None));
    }
    let last: u64 = last.parse().ok()?;
    (first <= last && last <= ENDLESS).then_some((first, Some(last)))
}

fn stream_of(headers: &HeaderMap, reader: OutputReader) -> Response {
    let chunks = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(chunk) => chunk.map(|chunk| (Ok(chunk), Some(reader))),
            Err(error) => Some((Err(error), None)),
        }
    });
    respond(headers, chunks, true)
}

/// Answers with text in the form that the client asks for. `resumable`: the same text comes again at the next request, so
/// that a client which lost its connection can go on where it was.
pub(crate) fn respond(
    headers: &HeaderMap,
    chunks: impl Stream<Item = Chunk> + Send + 'static,
    resumable: bool,
) -> Response {
    let mut response = if wants_events(headers) {
        let skip = if resumable { last_event(headers) } else { 0 };
        let events = Events { chunks: chunks.boxed(), held: BytesMut::new(), offset: 0, skip, resumable, over: false };
        let events = stream::unfold(events, |mut events| async move { Some((events.next().await?, events)) });
        Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
    } else {
        let mut response = Response::new(Body::from_stream(chunks));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies of the nginx kind hold answers back otherwise.
    response.headers_mut().insert(NO_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| String::from_utf8_lossy(accept.as_bytes()).contains("text/event-stream"))
}

/// A client that lost its connection names the last event it got: the bytes up to its end.
fn last_event(headers: &HeaderMap) -> usize {
    headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Whole lines as events; an event's id is the number of bytes up to its end.
struct Events<S> {
    chunks: S,
    /// The beginning of a line.
    held: BytesMut,
    /// Bytes that came, without those held.
    offset: usize,
    skip: usize,
    /// Do events carry ids, so that a client can go on after the last one?
    resumable: bool,
    over: bool,
}

impl<S: Stream<Item = Chunk> + Unpin> Events<S> {
    async fn next(&mut self) -> Option<io::Result<Event>> {
        while !self.over {
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.held.extend_from_slice(&chunk),
                Some(Err(error)) => {
                    self.over = true;
                    return Some(Err(error));
                }
                None => self.over = true,
            }
            if let Some(event) = self.take() {
                return Some(Ok(event));
            }
        }
        None
    }

    /// The whole lines that are held, as one event.
    fn take(&mut self) -> Option<Event> {
        let whole = self.held.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let all = self.over || self.held.len() > LINE_LIMIT_BYTES;
        let mut text = self.held.split_to(if all { self.held.len() } else { whole? });
        let begin = self.offset;
        self.offset += text.len();
        text.advance(self.skip.saturating_sub(begin).min(text.len()));
        if text.is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(&text);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        // A carriage return would end a field of the event.
        let event = if self.resumable { Event::default().id(self.offset.to_string()) } else { Event::default() };
        Some(event.data(text.replace('\r', "")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn text(headers: &[(&'static str, &'static str)], chunks: &[&'static str]) -> String {
        let headers = headers.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
        let chunks: Vec<Chunk> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        let body = respond(&headers, stream::iter(chunks), true).into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn relph_40_plain_text_is_passed_as_it_comes() {
        assert_eq!(text(&[], &["one\nt", "wo\r\n"]).await, "one\ntwo\r\n");
    }

    #[tokio::test]
    async fn log_12_events_hold_whole_lines() {
        let sse = ("accept", "text/event-stream");
        let got = text(&[sse], &["one\ntwo\nth", "ree\r\n", "", "four"]).await;
        assert_eq!(got, "id: 8\ndata: one\ndata: two\n\nid: 15\ndata: three\n\nid: 19\ndata: four\n\n");
    }

    #[test]
    fn relph_41_ranges_of_bytes() {
        let read =
            |text: &'static str, size| bytes(&[(RANGE, HeaderValue::from_static(text))].into_iter().collect(), size);
        assert_eq!(read("bytes=10-", None), Some((10, None)));
        assert_eq!(read("bytes=10-19", Some(5)), Some((10, Some(19))));
        assert_eq!(read("bytes=-10", Some(25)), Some((15, None)));
        assert_eq!(read("bytes=-10", None), None, "what grows has no end to count from");
        for passed_over in ["bytes=20-10", "bytes=a-", "bytes=1-2,4-5", "lines=1-", "bytes=-", "version ..; max=10"] {
            assert_eq!(read(passed_over, Some(30)), None, "{passed_over}");
        }
    }

    #[tokio::test]
    async fn relph_41_a_client_goes_on_where_it_was_cut_off() {
        let headers = [("accept", "text/event-stream"), ("last-event-id", "4")];
        assert_eq!(text(&headers, &["one\ntw", "o\n"]).await, "id: 8\ndata: two\n\n");
    }
}
