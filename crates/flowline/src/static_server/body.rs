//! A response body: a short text, or a piece of a file as it is read.

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::Take;

/// Read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is sent after the headers.
#[derive(Debug)]
pub(super) enum FileBody {
    /// Here already; `None` when sent.
    Text(Option<Bytes>),
    /// The rest of a file, up to the limit that the headers promise.
    File(Take<tokio::fs::File>),
}

impl FileBody {
    pub(super) fn empty() -> Self {
        Self::Text(None)
    }

    pub(super) fn text(text: &'static str) -> Self {
        Self::Text(Some(Bytes::from_static(text.as_bytes())).filter(|text| !text.is_empty()))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::File(file) if file.limit() == 0 => Poll::Ready(None),
            Self::File(file) => {
                let size = usize::try_from(file.limit()).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
                let mut chunk = BytesMut::with_capacity(size);
                match ready!(tokio_util::io::poll_read_buf(Pin::new(file), cx, &mut chunk))? {
                    // The headers promised more: the connection must not go on as if this were all.
                    0 => Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                    _ => Poll::Ready(Some(Ok(Frame::data(chunk.freeze())))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            Self::File(file) => file.limit(),
        })
    }
}
