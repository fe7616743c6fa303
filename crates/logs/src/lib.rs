//! Lines in, history and tails out: two text files per app, one thread that writes them all.
//!
//! Lines of one app keep the order in which they were appended (LOG-4). Files are not synced: a power cut may cost the
//! last seconds, the end of serve costs nothing that was flushed.

mod drain;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod piece;
mod segment;
mod tail;
mod telemetry;
mod writer;

pub use drain::{BATCH_BYTES, BUFFER_LIMIT_BYTES, BUFFER_LINES, RETRY_PAUSE, TRIES, Trust, TrustError};
pub use segment::KEPT_LINES;
pub use tail::{TAIL_BUFFER_LINES, Tail};
pub use telemetry::Telemetry;

use model::id::AppId;
use model::log::{LogFilter, LogLine};
use std::io;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};
use writer::{Order, Writer};

/// Lines that wait for the writer, over all apps. At 10,000 bytes a line (LOG-3) 10 MB at worst.
const QUEUE_LINES: usize = 1024;

/// Readers of one app's log at once.
const TAILS_LIMIT: usize = 100;

/// What could not be done with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The folder of the logs could not be made, or the writer could not be started.
    #[error("the logs in {} cannot be written: check its owner, its mode and the free space", dir.display())]
    Open {
        /// Which folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An app's files could not be read.
    #[error("the log of app {app} cannot be read: check the owner and the mode of its files")]
    Read {
        /// Whose log.
        app: AppId,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// [`TAILS_LIMIT`] readers follow this app already.
    #[error("{TAILS_LIMIT} readers follow this log already: close one of them")]
    TooManyTails,
}

/// The logs of all apps. Cheap to clone; when the last clone is dropped, what is queued is still written.
#[derive(Debug, Clone)]
pub struct Logs {
    queue: mpsc::Sender<Order>,
    drains: drain::Drains,
    exports: telemetry::Exports,
}

impl Logs {
    /// Opens the logs in a folder, `<app id>/` each, and starts their writer.
    ///
    /// # Errors
    /// When the folder cannot be made or no thread can be started.
    pub fn open(dir: PathBuf) -> Result<Self, LogsError> {
        let failed = |source| LogsError::Open { dir: dir.clone(), source };
        std::fs::create_dir_all(&dir).map_err(failed)?;
        let (queue, orders) = mpsc::channel(QUEUE_LINES);
        let writer = Writer::new(dir.clone());
        let thread = std::thread::Builder::new().name("logs".to_owned()).spawn(move || writer.run(orders));
        thread.map_err(failed)?;
        Ok(Self { queue, drains: drain::Drains::default(), exports: telemetry::Exports::default() })
    }

    /// Puts a line into the app's log; waits while the queue is full. Text over 10,000 bytes or with line breaks becomes
    /// several lines (LOG-3). Written soon, certainly after [`Logs::flush`].
    pub async fn append(&self, app: AppId, line: LogLine) {
        for line in piece::pieces(line) {
            self.order(Order::Append { app, line }).await;
        }
    }

    /// As [`Logs::append`], returns when the line is in the file. (When the disk is full: when it was tried.)
    pub async fn append_written(&self, app: AppId, line: LogLine) {
        self.append(app, line).await;
        self.flush().await;
    }

    /// Returns when every line whose append returned before is in its file. (When the disk is full: when it was tried;
    /// the app's log then says how many lines are missing.)
    pub async fn flush(&self) {
        let (written, wait) = oneshot::channel();
        self.order(Order::Flush { written }).await;
        // The writer answers every order; only a process that ends does not wait for it.
        let _ended = wait.await;
    }

    /// The last `count` lines that the filter wants, oldest first (LOG-13: filter first, then count).
    ///
    /// # Errors
    /// When the files cannot be read.
    pub async fn history(&self, app: AppId, filter: &LogFilter, count: usize) -> Result<Vec<LogLine>, LogsError> {
        let (snapshot, wait) = oneshot::channel();
        self.order(Order::Snapshot { app, snapshot }).await;
        read(app, wait, filter.clone(), count).await
    }

    /// The last `backlog` lines that the filter wants, then every new one: none twice, none missing between the two.
    ///
    /// # Errors
    /// When the files cannot be read, or too many readers are there already.
    pub async fn tail(&self, app: AppId, filter: LogFilter, backlog: usize) -> Result<Tail, LogsError> {
        let (slot, tail) = tail::channel(filter.clone());
        let (snapshot, wait) = oneshot::channel();
        self.order(Order::Tail { app, slot, snapshot }).await;
        let history = read(app, wait, filter, backlog).await?;
        Ok(tail.after(history))
    }

    /// Deletes the app's log and ends its tails. Lines that come later are dropped.
    pub async fn remove(&self, app: AppId) {
        let (removed, wait) = oneshot::channel();
        self.order(Order::Remove { app, removed }).await;
        let _ended = wait.await;
    }

    async fn order(&self, order: Order) {
        if self.queue.send(order).await.is_err() {
            tracing::error!("The writer of the logs is gone: lines are lost until Flowline is restarted");
        }
    }
}

/// Reads a snapshot away from the async threads and from the writer.
async fn read(
    app: AppId,
    snapshot: oneshot::Receiver<Result<history::Snapshot, LogsError>>,
    filter: LogFilter,
    count: usize,
) -> Result<Vec<LogLine>, LogsError> {
    let gone = || LogsError::Read { app, source: io::Error::other("the writer of the logs is gone") };
    let snapshot = snapshot.await.map_err(|_| gone())??;
    let read = tokio::task::spawn_blocking(move || snapshot.last(&filter, count));
    read.await.map_err(|_| gone())?.map_err(|source| LogsError::Read { app, source })
}
