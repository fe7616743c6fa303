//! What a client is answered with: a page of the router's own, or the dyno's body as it comes.

use crate::decode::Decoder;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::line::Line;
use crate::response::Framing;
use crate::watch::Turn;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// A response's body.
pub(crate) enum Reply {
    /// All of it, or nothing.
    Whole(Option<Bytes>),
    /// The dyno's.
    Stream(Box<Stream>),
}

/// The dyno's body on its way to the client. Dropped before its end: the client went away.
pub(crate) struct Stream {
    decoder: Decoder,
    exchange: Exchange,
    line: Option<Line>,
    keep_alive: bool,
    broken: bool,
}

/// Why a response broke off; hyper closes the client's connection on it.
#[derive(Debug, thiserror::Error)]
#[error("the response broke off")]
pub(crate) struct BrokenOff;

impl Reply {
    pub(crate) fn page(text: Bytes) -> Self {
        Self::Whole(Some(text))
    }

    pub(crate) fn empty() -> Self {
        Self::Whole(None)
    }

    /// The rest of `exchange`: its body, its log line, and the way of `line` back into the pool.
    pub(crate) fn from_dyno(mut exchange: Exchange, mut line: Line, framing: Framing, keep_alive: bool) -> Self {
        if let Framing::Length(length) = framing
            && let Ok(length) = usize::try_from(length)
            && length <= line.buffer.len()
        {
            // It is all here: the dyno is done with it.
            let body = (length > 0).then(|| line.buffer.split_to(length).freeze());
            exchange.sent(length);
            exchange.succeed(Some(line), keep_alive);
            return Self::Whole(body);
        }
        exchange.watch().pass(Turn::DynoBody, Instant::now());
        let decoder = Decoder::new(framing);
        Self::Stream(Box::new(Stream { decoder, exchange, line: Some(line), keep_alive, broken: false }))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Stream(stream) => stream.poll(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(text) => text.is_none(),
            Self::Stream(stream) => stream.decoder.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Stream(stream) => stream.decoder.left().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if self.broken {
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        let Some(line) = &mut self.line else { return Poll::Ready(None) };
        loop {
            match self.decoder.next(&mut line.buffer) {
                Ok(Some(piece)) => {
                    self.exchange.sent(piece.len());
                    self.exchange.watch().pass(Turn::ClientRead, Instant::now());
                    if self.decoder.is_done() {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(piece)));
                }
                Ok(None) if self.decoder.is_done() => {
                    self.end();
                    return Poll::Ready(None);
                }
                Ok(None) => {}
                Err(_) => return self.break_off(cx),
            }
            self.exchange.watch().wait_for(Turn::DynoBody);
            match ready!(line.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) if self.decoder == Decoder::Close => {
                    self.keep_alive = false;
                    self.end();
                    return Poll::Ready(None);
                }
                Ok(0) | Err(_) => return self.break_off(cx),
            }
        }
    }

    fn end(&mut self) {
        self.exchange.succeed(self.line.take(), self.keep_alive);
    }

    /// Ends badly. hyper drops what it has not sent at an error, so it gets a turn to send it first.
    fn break_off<T>(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        self.line = None;
        self.broken = true;
        self.exchange.fail(Failure::ServerInterrupted);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
