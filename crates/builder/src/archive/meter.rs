//! A reader that gives no more than it was allowed: it bounds what the tar reader keeps in memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Reads until its allowance is used up, then fails.
pub(crate) struct Meter<R> {
    inner: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Meter<R> {
    /// The reader, and the allowance to set before each use.
    pub(crate) fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let allowance = Rc::new(Cell::new(0));
        (Self { inner, allowance: Rc::clone(&allowance) }, allowance)
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.allowance.get()).unwrap_or(usize::MAX);
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry's name or header is too long"));
        }
        let end = buffer.len().min(left);
        let count = self.inner.read(&mut buffer[..end])?;
        self.allowance.set((left - count) as u64);
        Ok(count)
    }
}
