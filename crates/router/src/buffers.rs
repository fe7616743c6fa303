//! A thread's spare buffers: what idle connections need not keep.

use bytes::BytesMut;
use std::cell::RefCell;

/// What is read at once at first; most requests and responses fit.
pub(crate) const READ_BYTES: usize = 8 * 1024;

/// Kept per thread and kind: as many as are in use at one moment of an ordinary load.
const SPARE: usize = 64;

/// A bigger one served a big body, and is given back to the machine.
const SPARE_LIMIT_BYTES: usize = 2 * READ_BYTES;

/// Buffers that nobody uses now; all are empty.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    read: RefCell<Vec<BytesMut>>,
    written: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// One to read into.
    pub(crate) fn take_read(&self) -> BytesMut {
        self.read.borrow_mut().pop().unwrap_or_else(|| BytesMut::with_capacity(READ_BYTES))
    }

    pub(crate) fn give_read(&self, mut buffer: BytesMut) {
        buffer.clear();
        let mut spare = self.read.borrow_mut();
        // What was used up at its front is had back by this; without room for that it is left to the allocator.
        if spare.len() < SPARE && buffer.try_reclaim(READ_BYTES) && buffer.capacity() <= SPARE_LIMIT_BYTES {
            spare.push(buffer);
        }
    }

    /// One to write a head into.
    pub(crate) fn take_written(&self) -> Vec<u8> {
        self.written.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(1024))
    }

    pub(crate) fn give_written(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spare = self.written.borrow_mut();
        if spare.len() < SPARE && (1..=SPARE_LIMIT_BYTES).contains(&buffer.capacity()) {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    #[test]
    fn a_buffer_comes_back_whole_and_empty() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take_read();
        buffer.extend_from_slice(&[1; READ_BYTES]);
        let place = buffer.as_ptr();
        buffer.advance(5000);
        buffers.give_read(buffer);
        let again = buffers.take_read();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, READ_BYTES));
        buffers.give_read(BytesMut::with_capacity(1024 * 1024));
        buffers.give_read(BytesMut::new());
        assert!(buffers.read.borrow().is_empty());
    }
}
