//! Lines that wait for one drain: the newest ones, and how many older ones had no room (LOG-27, LOG-28).

use crate::drain::frame::BATCH_BYTES;
use model::log::{LogLine, LogSource};
use model::time::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Lines that wait for one drain (LOG-27).
pub const BUFFER_LINES: usize = 1024;

/// And their bytes: 1,024 lines of the full 10,000 bytes would be ten times as much, for each of thousands of drains.
pub const BUFFER_LIMIT_BYTES: usize = 1024 * 1024;

/// Between the writer and the task of one drain.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    waiting: Mutex<Waiting>,
    /// There are lines, or it is closed.
    ready: Notify,
    /// Nothing waits and nothing is under way, or it is closed.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Arc<LogLine>>,
    bytes: usize,
    lost: Option<Lost>,
    under_way: bool,
    closed: bool,
}

/// Lines that had no room.
#[derive(Debug, Clone, Copy)]
struct Lost {
    count: u64,
    since: Timestamp,
    last: Timestamp,
}

/// Which lines a drain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// Those of the router: the app's own must not push them out.
    Requests,
}

/// The writer's end; dropped with the app's log.
#[derive(Debug)]
pub(crate) struct DrainSlot {
    buffer: Arc<Buffer>,
    wanted: Wanted,
}

impl DrainSlot {
    pub(crate) fn of(buffer: Arc<Buffer>, wanted: Wanted) -> Self {
        Self { buffer, wanted }
    }

    /// Is nobody there any more?
    pub(crate) fn is_closed(&self) -> bool {
        self.buffer.waiting().closed
    }

    /// Never waits: the oldest lines make room.
    pub(crate) fn offer(&self, line: &Arc<LogLine>) {
        if self.wanted == Wanted::Requests && !(line.source == LogSource::Platform && line.ps == "router") {
            return;
        }
        let mut waiting = self.buffer.waiting();
        if waiting.closed {
            return;
        }
        waiting.lines.push_back(Arc::clone(line));
        waiting.bytes += line.text.len();
        while waiting.lines.len() > BUFFER_LINES || waiting.bytes > BUFFER_LIMIT_BYTES {
            let Some(oldest) = waiting.take() else { break };
            let lost = waiting.lost.get_or_insert(Lost { count: 0, since: oldest.at, last: oldest.at });
            (lost.count, lost.last) = (lost.count + 1, oldest.at);
        }
        drop(waiting);
        self.buffer.ready.notify_one();
    }
}

impl Drop for DrainSlot {
    fn drop(&mut self) {
        self.buffer.close();
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Arc<LogLine>> {
        let line = self.lines.pop_front()?;
        self.bytes = self.bytes.saturating_sub(line.text.len());
        Some(line)
    }

    fn is_settled(&self) -> bool {
        self.closed || (self.lines.is_empty() && !self.under_way)
    }
}

impl Buffer {
    /// A panic while it is held leaves nothing half done.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.lines = VecDeque::new();
        drop(waiting);
        self.ready.notify_waiters();
        self.ready.notify_one();
        self.settled.notify_waiters();
    }

    /// What goes out together, oldest first: as soon as there is a line. `None`: it is closed. The batch before is done with.
    pub(crate) async fn batch(&self) -> Option<Vec<Arc<LogLine>>> {
        loop {
            {
                let mut waiting = self.waiting();
                waiting.under_way = false;
                if waiting.closed {
                    return None;
                }
                if !waiting.lines.is_empty() {
                    return Some(take_batch(&mut waiting));
                }
            }
            self.settled.notify_waiters();
            self.ready.notified().await;
        }
    }

    /// Resolves when it is closed.
    pub(crate) async fn closed(&self) {
        // The permit of a line that came is not lost: lines are looked for before anybody waits for them.
        while !self.waiting().closed {
            self.ready.notified().await;
        }
    }

    /// Resolves when nothing waits and nothing is under way.
    pub(crate) async fn settled(&self) {
        loop {
            let change = self.settled.notified();
            if self.waiting().is_settled() {
                return;
            }
            change.await;
        }
    }
}

/// About [`BATCH_BYTES`] of lines. Where lines are missing, it is said first.
fn take_batch(waiting: &mut Waiting) -> Vec<Arc<LogLine>> {
    waiting.under_way = true;
    let mut batch: Vec<Arc<LogLine>> = waiting.lost.take().map(|lost| Arc::new(lost.notice())).into_iter().collect();
    let mut bytes = 0;
    while let Some(line) = waiting.lines.front() {
        if bytes > 0 && bytes + line.text.len() > BATCH_BYTES {
            break;
        }
        bytes += line.text.len();
        batch.extend(waiting.take());
    }
    batch
}

impl Lost {
    fn notice(self) -> LogLine {
        let since = self.since.log_time();
        let text = format!("Error L10 (output buffer overflow): {} messages dropped since {since}.", self.count);
        LogLine { at: self.last, source: LogSource::Platform, ps: "logplex".to_owned(), text }
    }
}
