//! The connection to whoever reads this dyno: `serve`, or nobody.

use super::buffer::{BUFFER_LINES, Buffer};
use crate::wire::{Frames, FromKeeper, ToKeeper, write_line};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// What waits to be written at most; more lines stay in the buffer.
const OUTGOING_BYTES: usize = 64 * 1024;

/// One connected reader.
pub(super) struct Link {
    stream: UnixStream,
    incoming: Frames,
    outgoing: Vec<u8>,
    /// The last line that was put into `outgoing`.
    sent: u64,
    greeted: bool,
    told_end: bool,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (incoming, outgoing) = (Frames::default(), Vec::new());
        Ok(Self { stream, incoming, outgoing, sent: 0, greeted: false, told_end: false })
    }

    /// Says the first word, if it has not been said; delivery starts behind the last acknowledged line.
    pub(super) fn greet(&mut self, message: &FromKeeper, acked: u64) {
        if !self.greeted {
            self.greeted = true;
            self.sent = acked;
            message.write(&mut self.outgoing);
        }
    }

    /// Queues what fits of the lines. `true`: the reader has been given all of them.
    pub(super) fn queue(&mut self, buffer: &Buffer) -> bool {
        while self.greeted && self.outgoing.len() < OUTGOING_BYTES {
            let Some(line) = buffer.after(self.sent) else { return true };
            // The reader holds in memory what it has not acknowledged: that has a limit too.
            if self.sent > buffer.acked() && line.seq > buffer.acked() + BUFFER_LINES as u64 {
                return false;
            }
            write_line(line, &mut self.outgoing);
            self.sent = line.seq;
        }
        false
    }

    /// Says the last word, once.
    pub(super) fn tell_end(&mut self, message: &FromKeeper) {
        if !self.told_end {
            self.told_end = true;
            message.write(&mut self.outgoing);
        }
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Writes what the socket takes now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the reader asks for now. An error also when it has gone.
    pub(super) fn receive(&mut self) -> io::Result<Vec<ToKeeper>> {
        let mut bytes = [0; 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.incoming.push(bytes.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        let mut messages = Vec::new();
        while let Some(frame) = self.incoming.next().map_err(io::Error::other)? {
            messages.push(ToKeeper::read(frame).map_err(io::Error::other)?);
        }
        Ok(messages)
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
