//! Readers that follow a log: what is there, then what comes; a slow one loses lines and is told so (LOG-15).

use model::log::{LogFilter, LogLine, LogSource};
use model::time::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};

/// Lines that wait for one reader; more are dropped. As many as Heroku's log router holds for a drain (LOG-27).
pub const TAIL_BUFFER_LINES: usize = 1024;

/// Lines that a reader was too slow for.
#[derive(Debug)]
struct Overflow {
    count: u64,
    since: Timestamp,
    last: Timestamp,
}

/// Set by the writer when the buffer is full, taken by the reader when it has read the buffer empty. Until then
/// everything is dropped, so that the notice stands exactly where the lines are missing.
type Dropped = Arc<Mutex<Option<Overflow>>>;

/// The writer's end of a tail.
#[derive(Debug)]
pub(crate) struct Slot {
    filter: LogFilter,
    lines: mpsc::Sender<Arc<LogLine>>,
    dropped: Dropped,
}

/// A reader's end: the backlog, then live lines.
#[derive(Debug)]
pub struct Tail {
    backlog: VecDeque<LogLine>,
    lines: mpsc::Receiver<Arc<LogLine>>,
    dropped: Dropped,
}

pub(crate) fn channel(filter: LogFilter) -> (Slot, Tail) {
    let (sender, lines) = mpsc::channel(TAIL_BUFFER_LINES);
    let dropped = Dropped::default();
    let tail = Tail { backlog: VecDeque::new(), lines, dropped: dropped.clone() };
    (Slot { filter, lines: sender, dropped }, tail)
}

/// A panic while it is held leaves nothing half done.
fn lock(dropped: &Dropped) -> MutexGuard<'_, Option<Overflow>> {
    dropped.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// Has the reader gone?
    pub(crate) fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }

    /// Never waits: a slow reader holds up nobody.
    pub(crate) fn offer(&self, line: &Arc<LogLine>) {
        if !self.filter.wants(line) {
            return;
        }
        let mut dropped = lock(&self.dropped);
        match &mut *dropped {
            Some(overflow) => {
                overflow.count += 1;
                overflow.last = line.at;
            }
            none => match self.lines.try_send(line.clone()) {
                Err(TrySendError::Full(_)) => *none = Some(Overflow { count: 1, since: line.at, last: line.at }),
                Ok(()) | Err(TrySendError::Closed(_)) => {}
            },
        }
    }
}

impl Tail {
    pub(crate) fn after(mut self, history: Vec<LogLine>) -> Self {
        self.backlog = history.into();
        self
    }

    /// The next line; `None` when the app's log is removed or the process ends. Cancel-safe.
    pub async fn next(&mut self) -> Option<LogLine> {
        if let Some(line) = self.next_now() {
            return Some(line);
        }
        self.lines.recv().await.map(Arc::unwrap_or_clone)
    }

    /// A line that is there already: lets a reader send many at once.
    pub fn next_now(&mut self) -> Option<LogLine> {
        if let Some(line) = self.backlog.pop_front() {
            return Some(line);
        }
        match self.lines.try_recv() {
            Ok(line) => Some(Arc::unwrap_or_clone(line)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                self.backlog.shrink_to(0);
                self.overflow()
            }
        }
    }

    /// The buffer was empty a moment ago. What came in between goes first: the notice stands where lines are missing.
    fn overflow(&mut self) -> Option<LogLine> {
        let mut dropped = lock(&self.dropped);
        dropped.as_ref()?;
        match self.lines.try_recv() {
            Ok(line) => Some(Arc::unwrap_or_clone(line)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => dropped.take().map(notice),
        }
    }
}

fn notice(overflow: Overflow) -> LogLine {
    let Overflow { count, since, last } = overflow;
    let since = since.log_time();
    let text = format!("Error L11 (Tail buffer overflow) -> This tail session dropped {count} messages since {since}.");
    LogLine { at: last, source: LogSource::Platform, ps: "logplex".to_owned(), text }
}
