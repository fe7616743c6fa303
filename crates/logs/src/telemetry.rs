//! Telemetry drains: an app's log, requests and figures on their way to an OpenTelemetry receiver (LOG-31).
//!
//! All of it comes from what is there anyway: the lines of the log, those of the router among them, and what dynos were last
//! seen to use. As with log drains the writer never waits, and a task for each drain takes batches.

mod exporter;
mod meter;
mod otlp;
mod record;
mod sender;

use crate::Logs;
use crate::drain::{Buffer, DrainSlot, Trust, Wanted};
use crate::writer::Order;
use exporter::Exporter;
use model::id::{AppId, TelemetryDrainId};
use model::sample::Measured;
use model::telemetry_drain::{Signal, TelemetryDrain};
use model::world::World;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a drain needs beside its settings.
pub struct Telemetry {
    /// The app's name, as receivers show it.
    pub service: String,
    /// How often figures are sent.
    pub every: Duration,
    /// Who is believed to be the receiver.
    pub trust: Arc<Trust>,
    /// Time and chance.
    pub world: Arc<dyn World>,
}

/// What dynos were last seen to use; only the last look counts.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Vec<Measured>>);

impl Latest {
    fn set(&self, measured: &[Measured]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = measured.to_vec();
    }

    pub(crate) fn take(&self) -> Vec<Measured> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Export {
    app: AppId,
    figures: bool,
    buffer: Arc<Buffer>,
    latest: Arc<Latest>,
}

/// The telemetry drains whose tasks run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exports(Arc<Mutex<HashMap<TelemetryDrainId, Export>>>);

impl Exports {
    fn all(&self) -> MutexGuard<'_, HashMap<TelemetryDrainId, Export>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn buffers(&self) -> Vec<Arc<Buffer>> {
        self.all().values().map(|export| Arc::clone(&export.buffer)).collect()
    }
}

impl Logs {
    /// From now on the app's telemetry goes to this drain; one with the same id ends. Needs a tokio runtime with I/O and time.
    pub async fn export(&self, drain: TelemetryDrain, telemetry: Telemetry) {
        let (buffer, latest) = (Arc::new(Buffer::default()), Arc::new(Latest::default()));
        let (id, app, exports) = (drain.id, drain.app, self.exports.clone());
        let wanted = if drain.signals.has(Signal::Logs) { Wanted::All } else { Wanted::Requests };
        let export = Export {
            app,
            figures: drain.signals.has(Signal::Metrics),
            buffer: Arc::clone(&buffer),
            latest: Arc::clone(&latest),
        };
        if let Some(before) = exports.all().insert(id, export) {
            before.buffer.close();
        }
        self.order(Order::Drain { app, slot: DrainSlot::of(Arc::clone(&buffer), wanted) }).await;
        let exporter = Exporter::new(drain, telemetry, self.queue.downgrade());
        tokio::spawn(async move {
            exporter.run(&buffer, &latest).await;
            let mut exports = exports.all();
            if exports.get(&id).is_some_and(|present| Arc::ptr_eq(&present.buffer, &buffer)) {
                exports.remove(&id);
            }
        });
    }

    /// Nothing more goes there; what waits is dropped.
    pub fn unexport(&self, id: TelemetryDrainId) {
        if let Some(export) = self.exports.all().remove(&id) {
            export.buffer.close();
        }
    }

    /// Does a drain want figures of this app?
    #[must_use]
    pub fn wants_figures(&self, app: AppId) -> bool {
        self.exports.all().values().any(|export| export.app == app && export.figures)
    }

    /// What the app's dynos use now, for the drains that want figures.
    pub fn measured(&self, app: AppId, measured: &[Measured]) {
        for export in self.exports.all().values().filter(|export| export.app == app && export.figures) {
            export.latest.set(measured);
        }
    }
}
