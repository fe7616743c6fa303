//! An answer that comes bit by bit: log lines, build output.

use crate::error::{CliError, root_cause};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;

/// A log line has at most 10,000 bytes (LOG-3); what is longer than this is handed out in pieces.
const LINE_LIMIT_BYTES: usize = 1024 * 1024;

/// An open stream.
pub(crate) struct Stream {
    body: Incoming,
    url: String,
    events: bool,
    buffer: BytesMut,
    over: bool,
}

impl Stream {
    pub(crate) fn new(answer: Response<Incoming>, url: String) -> Self {
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let events = kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        Self { body: answer.into_body(), url, events, buffer: BytesMut::new(), over: false }
    }

    /// The next bytes, or `None` at the end. Loses nothing when the call is given up.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, CliError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(CliError::Unreachable { url: self.url.clone(), why: root_cause(&error) });
                }
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// The next line; of server-sent events the next line of their data (LOG-12: an event may hold several).
    /// Loses nothing when the call is given up.
    pub(crate) async fn line(&mut self) -> Result<Option<String>, CliError> {
        loop {
            while let Some(line) = cut(&mut self.buffer, self.over) {
                if !self.events {
                    return Ok(Some(line));
                }
                if let Some(data) = line.strip_prefix("data:") {
                    return Ok(Some(data.strip_prefix(' ').unwrap_or(data).to_owned()));
                }
            }
            if self.over {
                return Ok(None);
            }
            match self.chunk().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => self.over = true,
            }
        }
    }
}

/// Takes one line off the front; at the end of the stream also one without a line break.
fn cut(buffer: &mut BytesMut, over: bool) -> Option<String> {
    let end = buffer.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (end, 1),
        None if buffer.len() >= LINE_LIMIT_BYTES => (LINE_LIMIT_BYTES, 0),
        None if over && !buffer.is_empty() => (buffer.len(), 0),
        None => return None,
    };
    let line = buffer.split_to(line);
    buffer.advance(rest);
    let line = line.strip_suffix(b"\r").unwrap_or(&line);
    Some(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_breaks_and_at_the_end() {
        let mut buffer = BytesMut::from(&b"one\r\ntwo\nthr"[..]);
        assert_eq!(cut(&mut buffer, false).as_deref(), Some("one"));
        assert_eq!(cut(&mut buffer, false).as_deref(), Some("two"));
        assert_eq!(cut(&mut buffer, false), None);
        assert_eq!(cut(&mut buffer, true).as_deref(), Some("thr"));
        assert_eq!(cut(&mut buffer, true), None);
    }

    #[test]
    fn an_endless_line_is_handed_out_in_pieces() {
        let mut buffer = BytesMut::from(vec![b'x'; LINE_LIMIT_BYTES + 1].as_slice());
        assert_eq!(cut(&mut buffer, false).map(|line| line.len()), Some(LINE_LIMIT_BYTES));
        assert_eq!(buffer.len(), 1);
    }
}
