//! The one thread that writes: everything waits in its queue, so that order, files and tails agree without locks.

use crate::drain::DrainSlot;
use crate::history::Snapshot;
use crate::segment::{self, Segment, Torn};
use crate::tail::Slot;
use crate::{LogsError, TAILS_LIMIT};
use model::id::AppId;
use model::log::{LogLine, LogSource};
use model::time::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Files that stay open. A thousand apps must not use up the process' file descriptors (often 1,024).
const OPEN_FILES_LIMIT: usize = 128;

/// What is collected before it is written: bounds memory, and what a file may exceed its size by.
const BATCH_LIMIT_BYTES: usize = 1024 * 1024;

/// Apps that were removed lately: their last dynos may still say something, which must not make the folder again.
const REMOVED_KEPT: usize = 1024;

/// Lines that a full disk did not take wait in memory for one that does: so many bytes of one app, what a few minutes bring…
const WAITING_LIMIT_BYTES: usize = 128 * 1024;

/// …and so many of all apps together. Beyond that lines are counted and lost.
const ALL_WAITING_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// What the writer is asked to do, in the order in which it was asked.
#[derive(Debug)]
pub(crate) enum Order {
    /// A line for an app.
    Append { app: AppId, line: LogLine },
    /// Answer when all of the above is in the files.
    Flush { written: oneshot::Sender<()> },
    /// The app's files as they are after all of the above.
    Snapshot { app: AppId, snapshot: oneshot::Sender<Result<Snapshot, LogsError>> },
    /// The same, and every later line into the slot.
    Tail { app: AppId, slot: Slot, snapshot: oneshot::Sender<Result<Snapshot, LogsError>> },
    /// Every later line of the app into this buffer, too.
    Drain { app: AppId, slot: DrainSlot },
    /// Delete the app's files and end its tails.
    Remove { app: AppId, removed: oneshot::Sender<()> },
}

/// What is known of one app; small, because most apps are silent.
#[derive(Debug, Default)]
struct AppLog {
    segment: Option<Segment>,
    /// The batch in which it spoke last.
    spoke: u64,
    tails: Vec<Slot>,
    drains: Vec<DrainSlot>,
    unwritten: Option<Box<Unwritten>>,
}

/// Lines that the disk did not take: the first of them wait, the later ones are only counted.
#[derive(Debug)]
struct Unwritten {
    waiting: String,
    waiting_lines: u32,
    lost: u64,
    since: Timestamp,
    why: String,
}

/// Lines of one app that are written together.
#[derive(Debug)]
struct Pending {
    text: String,
    lines: u32,
    first: Timestamp,
}

pub(crate) struct Writer {
    dir: PathBuf,
    apps: HashMap<AppId, AppLog>,
    removed: VecDeque<AppId>,
    open_files: usize,
    batch: u64,
    /// Of all apps, in bytes.
    waiting_bytes: usize,
}

impl Writer {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, apps: HashMap::new(), removed: VecDeque::new(), open_files: 0, batch: 0, waiting_bytes: 0 }
    }

    /// Until the last [`crate::Logs`] is dropped and the queue is empty.
    pub(crate) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(first) = orders.blocking_recv() {
            let (mut batch, mut flushes, mut bytes) = (HashMap::new(), Vec::new(), 0);
            let mut next = Some(first);
            while let Some(order) = next {
                match order {
                    Order::Append { app, line } => bytes += self.collect(&mut batch, app, line),
                    Order::Flush { written } => flushes.push(written),
                    Order::Snapshot { app, snapshot } => {
                        self.write(&mut batch);
                        self.retry();
                        answer(snapshot, self.snapshot(app));
                    }
                    Order::Tail { app, slot, snapshot } => {
                        self.write(&mut batch);
                        answer(snapshot, self.tail(app, slot));
                    }
                    Order::Drain { app, slot } => self.drain(app, slot),
                    Order::Remove { app, removed } => {
                        self.write(&mut batch);
                        self.remove(app);
                        answer(removed, ());
                    }
                }
                next = if bytes < BATCH_LIMIT_BYTES { orders.try_recv().ok() } else { None };
            }
            self.write(&mut batch);
            if !flushes.is_empty() {
                self.retry();
            }
            for written in flushes {
                answer(written, ());
            }
        }
    }

    /// Puts a line beside the others of its app and hands it to the tails; its size.
    fn collect(&mut self, batch: &mut HashMap<AppId, Pending>, app: AppId, line: LogLine) -> usize {
        let Some(log) = self.log(app) else { return 0 };
        let first = line.at;
        let pending = batch.entry(app).or_insert_with(|| Pending { text: String::new(), lines: 0, first });
        let before = pending.text.len();
        // Writing to a String cannot fail.
        let _ok = writeln!(pending.text, "{line}");
        pending.lines += 1;
        let bytes = pending.text.len() - before;
        if !log.tails.is_empty() || !log.drains.is_empty() {
            let line = Arc::new(line);
            log.tails.iter().for_each(|slot| slot.offer(&line));
            log.drains.iter().for_each(|slot| slot.offer(&line));
        }
        bytes
    }

    /// What is known of the app; `None` when it was removed.
    fn log(&mut self, app: AppId) -> Option<&mut AppLog> {
        if !self.apps.contains_key(&app) && self.removed.contains(&app) {
            return None;
        }
        Some(self.apps.entry(app).or_default())
    }

    fn write(&mut self, batch: &mut HashMap<AppId, Pending>) {
        self.batch += 1;
        for (app, pending) in batch.drain() {
            self.write_app(app, &pending);
        }
    }

    /// Tries the lines again that the disk did not take, of apps that have said nothing since.
    fn retry(&mut self) {
        if self.waiting_bytes == 0 {
            return;
        }
        let waits = |(app, log): (&AppId, &AppLog)| log.unwritten.as_ref().map(|missing| (*app, missing.since));
        let waiting: Vec<(AppId, Timestamp)> = self.apps.iter().filter_map(waits).collect();
        for (app, first) in waiting {
            self.write_app(app, &Pending { text: String::new(), lines: 0, first });
        }
    }

    /// A disk that takes nothing costs lines at worst, never the log: it goes on and says later what is missing.
    fn write_app(&mut self, app: AppId, pending: &Pending) {
        let (dir, batch) = (self.dir.join(app.to_string()), self.batch);
        let room = ALL_WAITING_LIMIT_BYTES.saturating_sub(self.waiting_bytes);
        let Some(log) = self.log(app) else { return };
        log.spoke = batch;
        let was_open = log.segment.as_ref().is_some_and(Segment::is_open);
        let before = log.unwritten.as_ref().map_or(0, |missing| missing.waiting.len());
        let late = log.unwritten.as_ref().map(|missing| late(missing, pending));
        let (text, lines) = late.as_ref().map_or((&pending.text, pending.lines), |(text, lines)| (text, *lines));
        match append(&mut log.segment, &dir, text.as_bytes(), lines) {
            Ok(()) => {
                if let Some(missing) = log.unwritten.take() {
                    tracing::info!(app.id = %app, log.missing = missing.lost, "The log of {app} can be written again");
                }
            }
            Err(why) => {
                if log.unwritten.is_none() {
                    tracing::warn!(app.id = %app, error = %why, "The log of {app} cannot be written: lines wait, then are lost");
                }
                let new = || Box::new(Unwritten::because(&why, pending.first));
                log.unwritten.get_or_insert_with(new).keep(pending, room);
            }
        }
        let after = log.unwritten.as_ref().map_or(0, |missing| missing.waiting.len());
        self.waiting_bytes = self.waiting_bytes.saturating_sub(before) + after;
        if !was_open {
            self.open_files += 1;
            self.close_some();
        }
    }

    /// Closes the files of the apps that have been silent longest, many at once so that this is rare.
    fn close_some(&mut self) {
        let is_open = |log: &&mut AppLog| log.segment.as_ref().is_some_and(Segment::is_open);
        if self.open_files <= OPEN_FILES_LIMIT {
            return;
        }
        let mut open: Vec<_> = self.apps.values_mut().filter(is_open).collect();
        open.sort_unstable_by_key(|log| log.spoke);
        let surplus = open.len().saturating_sub(OPEN_FILES_LIMIT / 2);
        self.open_files = open.len() - surplus;
        open.into_iter().take(surplus).filter_map(|log| log.segment.as_mut()).for_each(Segment::close);
    }

    fn snapshot(&mut self, app: AppId) -> Result<Snapshot, LogsError> {
        let dir = self.dir.join(app.to_string());
        // An app that was silent since the start: a line that a crash tore off is cut away before it is read.
        if let Some(log) = self.log(app)
            && log.segment.is_none()
            && dir.is_dir()
        {
            log.segment = Segment::open(&dir).ok();
            log.segment.iter_mut().for_each(Segment::close);
        }
        segment::snapshot(&dir).map_err(|source| LogsError::Read { app, source })
    }

    fn tail(&mut self, app: AppId, slot: Slot) -> Result<Snapshot, LogsError> {
        let snapshot = self.snapshot(app)?;
        // The tail of a removed app ends after its (empty) backlog: the slot is dropped.
        if let Some(log) = self.log(app) {
            log.tails.retain(|slot| !slot.is_closed());
            if log.tails.len() >= TAILS_LIMIT {
                return Err(LogsError::TooManyTails);
            }
            log.tails.push(slot);
        }
        Ok(snapshot)
    }

    /// The drain of a removed app ends at once: its slot is dropped.
    fn drain(&mut self, app: AppId, slot: DrainSlot) {
        if let Some(log) = self.log(app) {
            log.drains.retain(|slot| !slot.is_closed());
            log.drains.push(slot);
        }
    }

    fn remove(&mut self, app: AppId) {
        let waited = self.apps.remove(&app).and_then(|log| log.unwritten).map_or(0, |missing| missing.waiting.len());
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waited);
        self.removed.push_back(app);
        if self.removed.len() > REMOVED_KEPT {
            self.removed.pop_front();
        }
        let dir = self.dir.join(app.to_string());
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, app.id = %app, "{} could not be deleted: delete it by hand", dir.display());
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Whoever asked may have stopped waiting.
fn answer<T>(to: oneshot::Sender<T>, what: T) {
    drop(to.send(what));
}

/// One write, and a new file after it when it is time.
fn append(place: &mut Option<Segment>, dir: &Path, text: &[u8], lines: u32) -> io::Result<()> {
    let segment = match place {
        Some(segment) => segment,
        None => place.insert(Segment::open(dir)?),
    };
    if let Err(Torn { healed, why }) = segment.append(dir, text, lines) {
        if !healed {
            *place = None;
        }
        return Err(why);
    }
    if segment.is_full() {
        // Should it fail, the lines are in the file that stays, and the next batch tries again.
        if let Err(error) = segment::rotate(dir) {
            tracing::warn!(%error, "{} could not be rotated", dir.display());
        }
        *place = None;
    }
    Ok(())
}

impl Unwritten {
    fn because(why: &io::Error, since: Timestamp) -> Self {
        Self { waiting: String::new(), waiting_lines: 0, lost: 0, since, why: why.to_string() }
    }

    /// Keeps what there is room for. After the first line that is lost all later ones are, so that there is one gap.
    fn keep(&mut self, pending: &Pending, room: usize) {
        let room = if self.lost > 0 { 0 } else { room.min(WAITING_LIMIT_BYTES.saturating_sub(self.waiting.len())) };
        let mut kept = 0;
        for line in pending.text.split_inclusive('\n') {
            if kept + line.len() > room {
                break;
            }
            kept += line.len();
            self.waiting_lines += 1;
        }
        let (waits, lost) = pending.text.split_at(kept);
        self.waiting.push_str(waits);
        self.lost += lost.lines().count() as u64;
    }
}

/// What is written when the disk takes lines again: those that waited, how many are missing, then the new ones.
fn late(missing: &Unwritten, pending: &Pending) -> (String, u32) {
    let mut text = missing.waiting.clone();
    if missing.lost > 0 {
        // Writing to a String cannot fail.
        let _ok = writeln!(text, "{}", notice(missing, pending.first));
    }
    text.push_str(&pending.text);
    (text, missing.waiting_lines + u32::from(missing.lost > 0) + pending.lines)
}

fn notice(missing: &Unwritten, at: Timestamp) -> LogLine {
    let Unwritten { lost, since, why, .. } = missing;
    let text = format!("Error: {lost} messages since {} could not be stored: {why}.", since.log_time());
    LogLine { at, source: LogSource::Platform, ps: "logplex".to_owned(), text }
}
