//! Log lines on their way to the control plane: gathered per thread, bounded while nobody reads them.

use model::id::AppId;
use model::time::Timestamp;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A batch this big is handed on at once.
const BATCH_BYTES: usize = 64 * 1024;

/// A smaller one after this: what a live tail lags behind at most.
const BATCH_AGE: Duration = Duration::from_millis(20);

/// Before each line: its app (16 bytes), its moment (8, microseconds), its length (4).
pub(crate) const LINE_HEAD_BYTES: usize = 28;

/// Lines in the form of the wire.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    lines: u64,
}

impl Batch {
    /// Lines that another process wrote; `None`: they are malformed.
    pub(crate) fn of(bytes: Vec<u8>) -> Option<Self> {
        let lines = heads(&bytes).try_fold(0, |count, head| head.map(|_| count + 1))?;
        Some(Self { bytes, lines })
    }
}

/// Batches of all threads, until the control connection takes them.
#[derive(Debug)]
pub(crate) struct Outbox {
    kept: Mutex<Kept>,
    limit_bytes: usize,
    ready: Notify,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    batches: VecDeque<Batch>,
    bytes: usize,
    dropped: u64,
}

/// What the control connection sends next.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// That many lines are lost, from before what follows.
    Dropped(u64),
    /// Lines.
    Lines(Batch),
}

impl Outbox {
    pub(crate) fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), limit_bytes, ready: Notify::new(), closed: AtomicBool::new(false) })
    }

    pub(crate) fn put(&self, batch: Batch) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += batch.bytes.len();
        kept.batches.push_back(batch);
        while kept.bytes > self.limit_bytes {
            let Some(oldest) = kept.batches.pop_front() else { break };
            kept.bytes -= oldest.bytes.len();
            kept.dropped += oldest.lines;
        }
        drop(kept);
        self.ready.notify_one();
    }

    /// The next thing to send; waits for one. `None`: there will be none. Cancelling loses nothing.
    pub(crate) async fn next(&self) -> Option<Outgoing> {
        loop {
            let next = self.try_next();
            if next.is_some() || self.closed.load(Ordering::Acquire) {
                return next;
            }
            self.ready.notified().await;
        }
    }

    /// No more lines come.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ready.notify_one();
    }

    /// A batch that was taken did not reach its reader.
    pub(crate) fn lose(&self, batch: &Batch) {
        self.lost(batch.lines);
    }

    /// Lines that never came here.
    pub(crate) fn lost(&self, count: u64) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).dropped += count;
        self.ready.notify_one();
    }

    /// The next thing to send, if there is one.
    pub(crate) fn try_next(&self) -> Option<Outgoing> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.dropped > 0 {
            return Some(Outgoing::Dropped(std::mem::take(&mut kept.dropped)));
        }
        let batch = kept.batches.pop_front()?;
        kept.bytes -= batch.bytes.len();
        Some(Outgoing::Lines(batch))
    }
}

/// A thread's own lines, until there are enough or they are old enough.
#[derive(Debug)]
pub(crate) struct Lines {
    batch: RefCell<Batch>,
    first: Notify,
    outbox: Arc<Outbox>,
}

impl Lines {
    pub(crate) fn new(outbox: Arc<Outbox>) -> Self {
        Self { batch: RefCell::default(), first: Notify::new(), outbox }
    }

    /// Appends the line that `write` writes.
    pub(crate) fn say(&self, app: AppId, at: Timestamp, write: impl FnOnce(&mut Vec<u8>)) {
        let mut batch = self.batch.borrow_mut();
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(app.0.as_bytes());
        batch.bytes.extend_from_slice(&at.0.to_be_bytes());
        batch.bytes.extend_from_slice(&[0; 4]);
        write(&mut batch.bytes);
        let length = u32::try_from(batch.bytes.len() - start - LINE_HEAD_BYTES).unwrap_or(0);
        batch.bytes[start + 24..start + LINE_HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
        batch.lines += 1;
        let full = batch.bytes.len() >= BATCH_BYTES;
        drop(batch);
        if full {
            self.flush();
        } else if start == 0 {
            self.first.notify_one();
        }
    }

    /// Hands on what there is.
    pub(crate) fn flush(&self) {
        let batch = self.batch.take();
        if batch.lines > 0 {
            self.outbox.put(batch);
        }
    }

    /// Hands on every batch in time; never ends.
    pub(crate) async fn keep_flushing(&self) {
        loop {
            self.first.notified().await;
            tokio::time::sleep(BATCH_AGE).await;
            self.flush();
        }
    }
}

/// Each line of a batch: its app, its moment and its text. Ends with a `None` where it is malformed.
fn heads(mut bytes: &[u8]) -> impl Iterator<Item = Option<(AppId, Timestamp, &[u8])>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let line = line(bytes);
        bytes = line.map_or(&[], |(_, _, text)| &bytes[LINE_HEAD_BYTES + text.len()..]);
        Some(line)
    })
}

fn line(bytes: &[u8]) -> Option<(AppId, Timestamp, &[u8])> {
    let app: [u8; 16] = bytes.get(..16)?.try_into().ok()?;
    let at: [u8; 8] = bytes.get(16..24)?.try_into().ok()?;
    let length: [u8; 4] = bytes.get(24..LINE_HEAD_BYTES)?.try_into().ok()?;
    let end = LINE_HEAD_BYTES + usize::try_from(u32::from_be_bytes(length)).ok()?;
    let text = bytes.get(LINE_HEAD_BYTES..end)?;
    Some((AppId(uuid::Uuid::from_bytes(app)), Timestamp(i64::from_be_bytes(at)), text))
}

/// Reads a batch back: every line's app, moment and text. `None`: it is malformed.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<(AppId, Timestamp, String)>> {
    let texts =
        heads(bytes).map(|line| line.map(|(app, at, text)| (app, at, String::from_utf8_lossy(text).into_owned())));
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: AppId = AppId(uuid::Uuid::from_u128(7));

    #[test]
    fn the_oldest_lines_are_dropped_and_counted() {
        let outbox = Outbox::new(100);
        let lines = Lines::new(Arc::clone(&outbox));
        for text in ["one", "two", "three", "four"] {
            lines.say(APP, Timestamp(5), |out| out.extend_from_slice(text.as_bytes()));
            lines.flush();
        }
        assert!(matches!(outbox.try_next(), Some(Outgoing::Dropped(1))));
        let Some(Outgoing::Lines(batch)) = outbox.try_next() else { panic!("no lines") };
        assert_eq!(read(&batch.bytes), Some(vec![(APP, Timestamp(5), "two".to_owned())]));
    }

    #[test]
    fn a_malformed_batch_is_no_batch() {
        assert_eq!(read(b"short"), None);
        assert!(Batch::of(b"short".to_vec()).is_none());
        let mut bytes = vec![0; LINE_HEAD_BYTES];
        bytes[27] = 9;
        assert_eq!(read(&bytes), None);
    }
}
