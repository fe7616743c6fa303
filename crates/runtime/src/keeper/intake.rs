//! The dyno's output on its way in: from the pipe, through the splitter, into the buffer.

use super::buffer::Buffer;
use super::clock::{monotonic_ms, realtime_us};
use super::link::STALL_LIMIT_MS;
use super::split::Splitter;
use std::os::fd::OwnedFd;

/// How much output is read at once. Small: these pages stay in each keeper's memory.
const READ_BYTES: usize = 8 * 1024;

/// Takes lines in, and holds them.
pub(super) struct Intake {
    pipe: Option<OwnedFd>,
    splitter: Splitter,
    pub(super) buffer: Buffer,
    /// Since when the buffer is full.
    full_since: Option<u64>,
}

impl Intake {
    pub(super) fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe, splitter: Splitter::default(), buffer: Buffer::default(), full_since: None }
    }

    /// What to wait for. Nobody reads: always the pipe; the oldest lines go. Somebody reads: what does not fit waits in
    /// the pipe, and the dyno with it, but not for ever.
    pub(super) fn source(&self, has_reader: bool) -> Option<&OwnedFd> {
        self.pipe.as_ref().filter(|_| !has_reader || !self.buffer.is_full() || self.is_stalled())
    }

    /// When waiting for the reader ends.
    pub(super) fn patience_ends_at(&self) -> Option<u64> {
        self.full_since.filter(|_| !self.is_stalled()).map(|since| since + STALL_LIMIT_MS)
    }

    /// Takes one piece from the pipe, if there is room for it.
    pub(super) fn read(&mut self, has_reader: bool) {
        if self.source(has_reader).is_some() {
            self.read_piece();
        }
        if !has_reader || self.is_stalled() {
            self.buffer.drop_oldest();
        }
        if !self.buffer.is_full() {
            self.full_since = None;
        } else if self.full_since.is_none() {
            self.full_since = Some(monotonic_ms());
        }
    }

    /// The reader lives: its patience starts anew.
    pub(super) fn reader_moved(&mut self) {
        self.full_since = None;
    }

    /// All processes are gone: takes what is left in the pipe, and the line that has no end.
    pub(super) fn finish(&mut self, has_reader: bool) {
        while self.read_piece() {
            if !has_reader {
                self.buffer.drop_oldest();
            }
        }
        let at = realtime_us();
        self.splitter.finish(|line| self.buffer.push(at, line));
        self.pipe = None;
    }

    /// `false`: there is no more now.
    fn read_piece(&mut self) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let mut bytes = [0; READ_BYTES];
        match rustix::io::read(pipe, &mut bytes) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                let at = realtime_us();
                self.splitter.push(bytes.get(..count).unwrap_or_default(), |line| self.buffer.push(at, line));
                return true;
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_broken) => self.pipe = None,
        }
        false
    }

    fn is_stalled(&self) -> bool {
        self.full_since.is_some_and(|since| monotonic_ms() >= since + STALL_LIMIT_MS)
    }
}
