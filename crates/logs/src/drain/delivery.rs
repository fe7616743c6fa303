//! The task of one drain: batch by batch, with tries, until the drain is removed.

use crate::drain::buffer::Buffer;
use crate::drain::complaint::{About, Complaints};
use crate::drain::frame::{Dialect, frames};
use crate::drain::kept::{Kept, NoAnswer};
use crate::drain::post::{Parcel, post};
use crate::drain::stream::{self, ConnectError, Inside, Wire};
use crate::drain::trust::Trust;
use crate::writer::Order;
use model::log::LogLine;
use model::log_drain::{LogDrain, Transport};
use model::world::World;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Each POST is tried so often (LOG-27).
pub const TRIES: u32 = 3;

/// Before the second try; twice as long before the third.
pub const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A syslog connection that broke is made again after this time, each time twice as long…
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// …up to this. Meanwhile the buffer keeps the newest lines.
const RECONNECT_PAUSE_LIMIT: Duration = Duration::from_secs(60);

/// What a batch meets.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Refused,
    Again,
}

/// One drain, its connection, and what it has been told.
pub(crate) struct Delivery {
    drain: LogDrain,
    trust: Arc<Trust>,
    world: Arc<dyn World>,
    kept: Kept,
    wire: Option<Wire>,
    complaints: Complaints,
}

impl Delivery {
    pub(crate) fn new(drain: LogDrain, trust: Arc<Trust>, world: Arc<dyn World>, log: mpsc::WeakSender<Order>) -> Self {
        let about = About { what: "log drain", id: drain.id.0, app: drain.app, shown: drain.url.shown() };
        let complaints = Complaints::new(about, Arc::clone(&world), log);
        Self { drain, trust, world, kept: Kept::default(), wire: None, complaints }
    }

    /// Until the drain is removed.
    pub(crate) async fn run(mut self, buffer: &Buffer) {
        while let Some(batch) = buffer.batch().await {
            tokio::select! {
                () = buffer.closed() => return,
                () = self.deliver(&batch) => {}
            }
        }
    }

    async fn deliver(&mut self, batch: &[Arc<LogLine>]) {
        match self.drain.url.transport() {
            Transport::Syslog | Transport::SyslogTls => self.write(batch).await,
            Transport::Http | Transport::Https => self.post(batch).await,
        }
    }

    /// LOG-27: three tries with the same id; then the next batch has its turn.
    async fn post(&mut self, batch: &[Arc<LogLine>]) {
        let id: Uuid = self.world.new_id();
        let frames = frames(batch, Dialect::Post).into();
        let parcel = Parcel { id: id.hyphenated().to_string(), messages: batch.len(), frames };
        for tried in 1..=TRIES {
            let outcome = match post(&mut self.kept, &self.drain, &self.trust, &parcel).await {
                Ok(status) if status.is_success() => Outcome::Delivered,
                Ok(status) if status.is_client_error() && status.as_u16() != 429 => Outcome::Refused,
                Ok(_) => Outcome::Again,
                Err(error) => {
                    if let NoAnswer::Connect(error) = &error {
                        self.complaints.note(error).await;
                    }
                    Outcome::Again
                }
            };
            match outcome {
                Outcome::Delivered => return self.complaints.healthy(),
                Outcome::Refused => return self.complaints.unhealthy("it refuses what it is sent"),
                Outcome::Again if tried < TRIES => tokio::time::sleep(RETRY_PAUSE * tried).await,
                Outcome::Again => self.complaints.unhealthy("it did not take a batch in three tries"),
            }
        }
    }

    /// Until it is written: what comes meanwhile waits in the buffer, the newest of it.
    async fn write(&mut self, batch: &[Arc<LogLine>]) {
        let frames = frames(batch, Dialect::Syslog { token: &self.drain.token });
        let mut pause = RECONNECT_PAUSE;
        loop {
            match self.write_once(&frames).await {
                Ok(()) => return self.complaints.healthy(),
                Err(error) => {
                    self.wire = None;
                    self.complaints.note(&error).await;
                    self.complaints.unhealthy(&error.to_string());
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_LIMIT);
        }
    }

    async fn write_once(&mut self, frames: &[u8]) -> Result<(), ConnectError> {
        if let Some(wire) = &mut self.wire
            && stream::write(wire, frames).await.is_ok()
        {
            return Ok(());
        }
        let wire = self.wire.insert(stream::connect(&self.drain.url, &self.trust, Inside::Anything).await?);
        Ok(stream::write(wire, frames).await?)
    }
}
