//! The connection to whoever reads this dyno: `serve`, or nobody.

use super::buffer::{BUFFER_LINES, Buffer};
use super::clock::monotonic_ms;
use crate::wire::{Ended, Frames, FromKeeper, Frost, ToKeeper, write_line};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A reader that acknowledges nothing for this long holds neither the dyno's output nor the news of its end up any
/// longer: lines are dropped.
pub(super) const STALL_LIMIT_MS: u64 = 5_000;

/// What waits to be written at most; more lines stay in the buffer.
const OUTGOING_BYTES: usize = 64 * 1024;

/// One connected reader.
pub(super) struct Link {
    stream: UnixStream,
    incoming: Frames,
    outgoing: Vec<u8>,
    /// The last line that was put into `outgoing`.
    sent: u64,
    /// Since when lines wait because none were acknowledged.
    blocked_since: Option<u64>,
    greeted: bool,
    told_over: bool,
    told_end: bool,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (incoming, outgoing) = (Frames::default(), Vec::new());
        Ok(Self {
            stream,
            incoming,
            outgoing,
            sent: 0,
            blocked_since: None,
            greeted: false,
            told_over: false,
            told_end: false,
        })
    }

    /// Says the first word, if it has not been said; delivery starts behind the last acknowledged line.
    pub(super) fn greet(&mut self, message: &FromKeeper, acked: u64) {
        if !self.greeted {
            self.greeted = true;
            self.sent = acked;
            message.write(&mut self.outgoing);
        }
    }

    /// Queues what fits of the lines. `true`: the reader has been given all that it will get.
    pub(super) fn queue(&mut self, buffer: &Buffer) -> bool {
        while self.greeted && self.outgoing.len() < OUTGOING_BYTES {
            let Some(line) = buffer.after(self.sent) else { return true };
            // The reader holds in memory what it has not acknowledged: that has a limit too.
            if self.sent > buffer.acked() && line.seq > buffer.acked() + BUFFER_LINES as u64 {
                let since = *self.blocked_since.get_or_insert_with(monotonic_ms);
                return monotonic_ms() >= since + STALL_LIMIT_MS;
            }
            self.blocked_since = None;
            write_line(line, &mut self.outgoing);
            self.sent = line.seq;
        }
        false
    }

    /// Answers a wish to freeze or thaw.
    pub(super) fn tell_frost(&mut self, frost: Frost) {
        FromKeeper::Frost(frost).write(&mut self.outgoing);
    }

    /// Says that the dyno has ended, once.
    pub(super) fn tell_over(&mut self, ended: Ended) {
        if !self.told_over {
            self.told_over = true;
            FromKeeper::Over(ended).write(&mut self.outgoing);
        }
    }

    /// Says the last word, once.
    pub(super) fn tell_end(&mut self, ended: Ended) {
        if !self.told_end {
            self.told_end = true;
            FromKeeper::Ended(ended).write(&mut self.outgoing);
        }
    }

    /// When its patience with a reader that acknowledges nothing ends.
    pub(super) fn patience_ends_at(&self) -> Option<u64> {
        self.blocked_since.filter(|_| !self.told_end).map(|since| since + STALL_LIMIT_MS)
    }

    /// The reader has acknowledged something.
    pub(super) fn reader_moved(&mut self) {
        self.blocked_since = None;
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

    /// All that the reader asks for until now, also with its last breath; and whether it is still there.
    pub(super) fn receive(&mut self) -> (Vec<ToKeeper>, bool) {
        let mut messages = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return (messages, false),
                Ok(count) => self.incoming.push(bytes.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (messages, true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_broken) => return (messages, false),
            }
            loop {
                match self.incoming.next().and_then(|frame| frame.map(ToKeeper::read).transpose()) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(_not_ours) => return (messages, false),
                }
            }
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
