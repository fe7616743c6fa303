//! The hash of what is read, taken while it is read.

use aws_lc_rs::digest::{Context, SHA256};
use std::io::{self, Read};

/// Hashes what is read through it.
pub(crate) struct Hashed<R> {
    inner: R,
    context: Context,
}

impl<R: Read> Hashed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, context: Context::new(&SHA256) }
    }

    /// Of all bytes up to the end, also those that nobody wanted.
    pub(crate) fn finish(mut self) -> io::Result<Context> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.context)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(&buffer[..count]);
        Ok(count)
    }
}
