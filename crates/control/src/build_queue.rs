//! Builds take turns: never more than a set number at once, and none while the machine is short of memory.

use async_trait::async_trait;
use model::build_queue::{Admission, MachineMemory, WAIT_LIMIT, WAITING_LIMIT, admit};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// How often a build whose turn it is looks for memory.
const MEMORY_PERIOD: Duration = Duration::from_secs(2);

/// Why a build got no turn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("{WAITING_LIMIT} builds wait already; push again when some of them are done")]
    Full,
    #[error("the build could not begin within {limit:?} ({last}); push again, or give the machine more memory")]
    TooLong { last: Admission, limit: Duration },
}

/// Who is told for what a build or a test run waits.
#[async_trait]
pub(crate) trait Listener: Send {
    /// One line.
    async fn line(&mut self, text: &str);
}

/// Who builds and who waits.
pub(crate) struct BuildQueue {
    at_once: usize,
    line: Mutex<Line>,
    moved: Notify,
}

#[derive(Default)]
struct Line {
    running: usize,
    /// Tickets of those who wait, the next one in front.
    waiting: VecDeque<u64>,
    next: u64,
}

/// A build's place in the queue, then its turn. It ends when this is dropped.
pub(crate) struct Turn<'q> {
    queue: &'q BuildQueue,
    /// None: it runs.
    ticket: Option<u64>,
}

impl BuildQueue {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), line: Mutex::default(), moved: Notify::new() }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, and says for what.
    pub(crate) async fn turn(&self, report: &mut dyn Listener) -> Result<Turn<'_>, QueueError> {
        let mut turn = self.enter()?;
        let mut last = Admission::Begin;
        let begun = async {
            loop {
                let moved = self.moved.notified();
                tokio::pin!(moved);
                // From here on no move is missed.
                moved.as_mut().enable();
                let admission = turn.advance(&machine_memory());
                if admission == Admission::Begin {
                    return;
                }
                if is_news(&last, &admission) {
                    report.line(&admission.to_string()).await;
                }
                last = admission;
                tokio::select! {
                    () = moved => {}
                    () = sleep(MEMORY_PERIOD) => {}
                }
            }
        };
        match timeout(WAIT_LIMIT, begun).await {
            Ok(()) => Ok(turn),
            Err(_) => Err(QueueError::TooLong { last, limit: WAIT_LIMIT }),
        }
    }

    fn enter(&self) -> Result<Turn<'_>, QueueError> {
        let mut line = self.line();
        if line.waiting.len() >= WAITING_LIMIT {
            return Err(QueueError::Full);
        }
        let ticket = line.next;
        line.next += 1;
        line.waiting.push_back(ticket);
        Ok(Turn { queue: self, ticket: Some(ticket) })
    }
}

impl Turn<'_> {
    /// Begins, if it may.
    fn advance(&mut self, memory: &MachineMemory) -> Admission {
        let mut line = self.queue.line();
        let place = line.waiting.iter().position(|ticket| Some(*ticket) == self.ticket).unwrap_or(0);
        let admission = admit(line.running, place, self.queue.at_once, memory);
        if admission == Admission::Begin {
            line.waiting.pop_front();
            line.running += 1;
            self.ticket = None;
            drop(line);
            self.queue.moved.notify_waiters();
        }
        admission
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        match self.ticket {
            Some(ticket) => line.waiting.retain(|known| *known != ticket),
            None => line.running -= 1,
        }
        drop(line);
        self.queue.moved.notify_waiters();
    }
}

/// Another place in the queue or another reason is; another number of megabytes is not.
fn is_news(before: &Admission, now: &Admission) -> bool {
    match (before, now) {
        (Admission::Short(_), Admission::Short(_)) => false,
        (before, now) => before != now,
    }
}

fn machine_memory() -> MachineMemory {
    // Either may be missing in a container.
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    MachineMemory::read(&read("/proc/meminfo"), &read("/proc/pressure/memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: MachineMemory = MachineMemory {
        total_bytes: Some(8 << 30),
        available_bytes: Some(4 << 30),
        some_avg10: None,
        full_avg10: None,
    };
    const FULL: MachineMemory = MachineMemory { available_bytes: Some(100 << 20), ..ROOMY };

    #[test]
    fn never_more_than_so_many_at_once_and_in_the_order_they_came() {
        let queue = BuildQueue::new(2);
        let mut turns: Vec<Turn<'_>> = (0..5).map(|_| queue.enter().unwrap()).collect();
        assert_eq!(turns[1].advance(&ROOMY), Admission::Behind(1), "the first has not begun");
        assert_eq!([0, 1].map(|n| turns[n].advance(&ROOMY)), [Admission::Begin; 2]);
        assert_eq!([2, 3, 4].map(|n| turns[n].advance(&ROOMY)), [2, 3, 4].map(Admission::Behind));
        drop(turns.remove(3));
        drop(turns.remove(0));
        let mut last = turns.pop().unwrap();
        assert_eq!(last.advance(&ROOMY), Admission::Behind(2), "one gave up in front of it, one still waits");
        assert_eq!(turns[1].advance(&ROOMY), Admission::Begin);
        assert_eq!(last.advance(&ROOMY), Admission::Behind(2));
        drop(turns);
        assert_eq!(last.advance(&ROOMY), Admission::Begin);
    }

    #[test]
    fn a_short_machine_begins_no_build_and_keeps_the_order() {
        let queue = BuildQueue::new(2);
        let (mut first, mut second) = (queue.enter().unwrap(), queue.enter().unwrap());
        let said = first.advance(&FULL).to_string();
        assert_eq!(said, "Waiting for memory: 100 MB are free, a build needs 512 MB");
        assert_eq!(second.advance(&ROOMY), Admission::Behind(1), "nobody overtakes");
        assert_eq!([first.advance(&ROOMY), second.advance(&ROOMY)], [Admission::Begin; 2]);
    }

    #[test]
    fn a_queue_that_is_full_refuses() {
        let queue = BuildQueue::new(1);
        let mut waiting: Vec<Turn<'_>> = (0..WAITING_LIMIT).map(|_| queue.enter().unwrap()).collect();
        assert!(matches!(queue.enter(), Err(QueueError::Full)));
        assert_eq!(waiting[0].advance(&ROOMY), Admission::Begin);
        assert!(queue.enter().is_ok(), "one left the queue");
    }
}
