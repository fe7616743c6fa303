//! Log drains: an app's lines on their way to somebody else's server.
//!
//! The writer puts each line into the buffer of each drain and never waits; a task per drain takes batches out of it. Whatever
//! a receiver does, it costs its own lines only.

mod buffer;
mod complaint;
mod delivery;
mod frame;
mod kept;
mod post;
mod stream;
mod trust;

pub use buffer::{BUFFER_LIMIT_BYTES, BUFFER_LINES};
pub(crate) use buffer::{Buffer, DrainSlot, Wanted};
pub(crate) use complaint::{About, Complaints};
pub use delivery::{RETRY_PAUSE, TRIES};
pub use frame::BATCH_BYTES;
pub(crate) use kept::{Answer, Kept, NoAnswer, basic};
pub(crate) use stream::Inside;
pub use trust::{Trust, TrustError};

use crate::Logs;
use crate::writer::Order;
use delivery::Delivery;
use model::id::LogDrainId;
use model::log_drain::LogDrain;
use model::world::World;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The drains whose tasks run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drains(Arc<Mutex<HashMap<LogDrainId, Arc<Buffer>>>>);

impl Drains {
    fn buffers(&self) -> MutexGuard<'_, HashMap<LogDrainId, Arc<Buffer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs {
    /// From now on the app's lines go to this drain, too. Needs a tokio runtime with I/O and time.
    pub async fn drain(&self, drain: LogDrain, trust: Arc<Trust>, world: Arc<dyn World>) {
        let buffer = Arc::new(Buffer::default());
        let (id, app, drains) = (drain.id, drain.app, self.drains.clone());
        if let Some(before) = drains.buffers().insert(id, Arc::clone(&buffer)) {
            before.close();
        }
        self.order(Order::Drain { app, slot: DrainSlot::of(Arc::clone(&buffer), Wanted::All) }).await;
        let delivery = Delivery::new(drain, trust, world, self.queue.downgrade());
        tokio::spawn(async move {
            delivery.run(&buffer).await;
            let mut buffers = drains.buffers();
            if buffers.get(&id).is_some_and(|present| Arc::ptr_eq(present, &buffer)) {
                buffers.remove(&id);
            }
        });
    }

    /// No further line goes there; what waits is dropped.
    pub fn undrain(&self, id: LogDrainId) {
        if let Some(buffer) = self.drains.buffers().remove(&id) {
            buffer.close();
        }
    }

    /// Waits until every drain has sent what waited for it, but not longer than `limit`.
    pub async fn settle_drains(&self, limit: Duration) {
        let mut buffers: Vec<Arc<Buffer>> = self.drains.buffers().values().cloned().collect();
        buffers.extend(self.exports.buffers());
        let all = async {
            for buffer in buffers {
                buffer.settled().await;
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("Some drains did not take the last lines in time");
        }
    }
}
