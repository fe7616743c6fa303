//! From a keeper to the log: a line is acknowledged only when it is on disk, so that none is lost when the server dies.

use crate::{Control, journal};
use model::dyno::Dyno;
use model::time::Timestamp;
use runtime::DynoControl;
use std::time::Duration;
use tokio::time::Instant;

/// Lines are acknowledged together: at the latest after this time…
const ACK_DELAY: Duration = Duration::from_millis(50);

/// …or when so many wait. The keeper holds 4,000.
const ACK_LINES: u32 = 1000;

/// The lines of one dyno.
pub(crate) struct Lines {
    handle: DynoControl,
    last: Option<u64>,
    waiting: u32,
    due: Instant,
}

impl Lines {
    pub(crate) fn of(handle: DynoControl) -> Self {
        Self { handle, last: None, waiting: 0, due: Instant::now() }
    }

    /// Puts a line into the app's log.
    pub(crate) async fn keep(&mut self, control: &Control, dyno: &Dyno, seq: u64, at: Timestamp, text: String) {
        journal::printed(control, dyno.app, &dyno.name, at, text).await;
        if self.last.is_none() {
            self.due = Instant::now() + ACK_DELAY;
        }
        self.last = Some(seq);
        self.waiting += 1;
        if self.waiting >= ACK_LINES {
            self.acknowledge(control).await;
        }
    }

    /// Waits until an acknowledgement is due; forever when there is nothing to acknowledge.
    pub(crate) async fn due(&self) {
        match self.last {
            Some(_) => tokio::time::sleep_until(self.due).await,
            None => std::future::pending().await,
        }
    }

    /// Makes sure that the lines are on disk, then lets the keeper forget them.
    pub(crate) async fn acknowledge(&mut self, control: &Control) {
        if let Some(seq) = self.last.take() {
            control.logs.flush().await;
            self.handle.ack(seq).await;
        }
        self.waiting = 0;
    }

    /// The end was noted too: the keeper may go.
    pub(crate) async fn finish(mut self, control: &Control) {
        self.acknowledge(control).await;
        if let Err(error) = self.handle.finish().await {
            tracing::warn!(%error, "A dyno's folder was not removed");
        }
    }
}
