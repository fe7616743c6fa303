//! The lines that nobody has acknowledged yet: bounded, oldest first.

use crate::wire::Line;
use std::collections::VecDeque;

/// As many lines as an app's log shows at least twice over.
pub(crate) const BUFFER_LINES: usize = 4_000;

/// The memory that one dyno's output may take while `serve` is away.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Lines with consecutive numbers.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    lines: VecDeque<Line>,
    bytes: usize,
    last_seq: u64,
    acked: u64,
}

impl Buffer {
    /// Adds a line; it is dropped with the oldest ones later, if nobody comes for it.
    pub(super) fn push(&mut self, at: i64, text: &[u8]) {
        self.last_seq += 1;
        self.bytes += text.len();
        self.lines.push_back(Line { seq: self.last_seq, at, text: text.into() });
    }

    /// Makes room by dropping the oldest lines. The gap in the numbers tells how many.
    pub(super) fn drop_oldest(&mut self) {
        while self.lines.len() > BUFFER_LINES || self.bytes > BUFFER_BYTES {
            self.pop();
        }
    }

    /// Is there no room for more?
    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= BUFFER_LINES || self.bytes >= BUFFER_BYTES
    }

    /// Lines up to this one are safe elsewhere.
    pub(super) fn ack(&mut self, seq: u64) {
        self.acked = self.acked.max(seq.min(self.last_seq));
        while self.lines.front().is_some_and(|line| line.seq <= seq) {
            self.pop();
        }
        if self.lines.is_empty() {
            // Give the memory back: most dynos are quiet most of the time.
            self.lines = VecDeque::new();
        }
    }

    /// The first line behind number `seq`.
    pub(super) fn after(&self, seq: u64) -> Option<&Line> {
        let first = self.lines.front()?.seq;
        self.lines.get(usize::try_from((seq + 1).saturating_sub(first)).ok()?)
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    fn pop(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_drops_the_oldest_and_numbers_show_it() {
        let mut buffer = Buffer::default();
        for _ in 0..BUFFER_LINES + 10 {
            buffer.push(0, b"x");
        }
        assert!(buffer.is_full());
        buffer.drop_oldest();
        assert_eq!(buffer.after(0).map(|line| line.seq), Some(11));
        buffer.ack(20);
        assert_eq!(buffer.after(buffer.acked()).map(|line| line.seq), Some(21));
        buffer.ack(u64::MAX);
        assert_eq!((buffer.acked(), buffer.after(5)), (BUFFER_LINES as u64 + 10, None));
    }

    #[test]
    fn few_long_lines_fill_it_too() {
        let mut buffer = Buffer::default();
        for _ in 0..200 {
            buffer.push(0, &[b'x'; 10_000]);
        }
        buffer.drop_oldest();
        assert_eq!(buffer.lines().count(), 104);
    }
}
