//! Bodies on their way through: they note progress for the limits and carry the exchange to its end.

use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::pool::Line;
use crate::watch::{Turn, Watch};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// The client's body, passed to the dyno.
pub(crate) enum RequestBody {
    None,
    Stream {
        body: Incoming,
        watch: Rc<Watch>,
        /// All of it was passed on.
        passed: Rc<Cell<bool>>,
    },
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, watch: &Rc<Watch>) -> Self {
        if body.is_end_stream() {
            Self::None
        } else {
            Self::Stream { body, watch: Rc::clone(watch), passed: Rc::default() }
        }
    }

    /// Becomes true when all of it was passed on; `None`: there is nothing to pass on.
    pub(crate) fn passed(&self) -> Option<Rc<Cell<bool>>> {
        match self {
            Self::None => None,
            Self::Stream { passed, .. } => Some(Rc::clone(passed)),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self::Stream { body, watch, passed } = self.get_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || body.is_end_stream() {
            passed.set(true);
        }
        let uploading = matches!(watch.turn(), Turn::ClientBody | Turn::DynoHead);
        match &polled {
            Poll::Pending if uploading => watch.wait_for(Turn::ClientBody),
            Poll::Ready(Some(Ok(_)) | None) if uploading => watch.pass(Turn::DynoHead, Instant::now()),
            Poll::Ready(Some(Err(error))) => watch.break_body(broken(error)),
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_)) | None) => watch.touch(Instant::now()),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Stream { body, .. } => body.size_hint(),
        }
    }
}

/// A body that cannot be read: malformed chunks are H26, a connection that went away is H27.
fn broken(error: &hyper::Error) -> Failure {
    let malformed = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).is_some_and(|source| {
        matches!(source.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData)
    });
    if malformed { Failure::BadRequest("bad chunk") } else { Failure::ClientInterrupted }
}

/// What a client is answered with.
pub(crate) enum Reply {
    /// A page of the router's own, or nothing.
    Page(Option<Bytes>),
    /// The dyno's body.
    Stream(Box<ResponseBody>),
}

impl Reply {
    pub(crate) fn page(text: Bytes) -> Self {
        Self::Page(Some(text))
    }

    pub(crate) fn empty() -> Self {
        Self::Page(None)
    }

    /// The rest of `exchange`: its body, its log line, and the way of `line` back into the pool.
    pub(crate) fn stream(body: Incoming, mut exchange: Exchange, line: Line) -> Self {
        if body.is_end_stream() {
            exchange.take_back(line);
            exchange.succeed();
            return Self::empty();
        }
        exchange.watch().pass(Turn::DynoBody, Instant::now());
        Self::Stream(Box::new(ResponseBody { body, exchange, line: Some(line) }))
    }
}

/// Why a response broke off; hyper closes the client's connection on it.
#[derive(Debug, thiserror::Error)]
#[error("the response broke off")]
pub(crate) struct BrokenOff;

impl Body for Reply {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Page(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Stream(stream) => stream.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page(text) => text.is_none(),
            Self::Stream(stream) => stream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Stream(stream) => stream.body.size_hint(),
        }
    }
}

/// The dyno's body on its way to the client. Dropped before its end: the client went away.
pub(crate) struct ResponseBody {
    body: Incoming,
    exchange: Exchange,
    line: Option<Line>,
}

impl ResponseBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled {
            Poll::Pending => {
                self.exchange.watch().wait_for(Turn::DynoBody);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.exchange.sent(frame.data_ref().map_or(0, Bytes::len));
                if frame.is_trailers() || self.body.is_end_stream() {
                    self.end();
                } else {
                    self.exchange.watch().pass(Turn::ClientRead, Instant::now());
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => {
                self.exchange.fail(Failure::ServerInterrupted);
                Poll::Ready(Some(Err(BrokenOff)))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
        }
    }

    fn end(&mut self) {
        if let Some(line) = self.line.take() {
            self.exchange.take_back(line);
        }
        self.exchange.succeed();
    }
}
