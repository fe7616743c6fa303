//! What a drain says of its own troubles: to the app's owner where its certificate is bad, to the operator where it fails.

use crate::drain::stream::ConnectError;
use crate::writer::Order;
use model::id::AppId;
use model::log::{LogLine, LogSource};
use model::world::World;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

/// An app learns so often that the certificate is bad: the line itself goes to the drain, too.
const L14_PAUSE: Duration = Duration::from_secs(600);

/// Which drain it is about.
#[derive(Debug)]
pub(crate) struct About {
    /// `log drain`, `telemetry drain`.
    pub(crate) what: &'static str,
    pub(crate) id: Uuid,
    pub(crate) app: AppId,
    /// Its address, without what may be secret.
    pub(crate) shown: String,
}

/// What has been said already.
pub(crate) struct Complaints {
    about: About,
    world: Arc<dyn World>,
    // Weak: a drain must not keep the log open.
    log: mpsc::WeakSender<Order>,
    said_l14: Option<Instant>,
    failing: bool,
}

impl Complaints {
    pub(crate) fn new(about: About, world: Arc<dyn World>, log: mpsc::WeakSender<Order>) -> Self {
        Self { about, world, log, said_l14: None, failing: false }
    }

    /// LOG-29: a bad certificate is for the app's owner to see.
    pub(crate) async fn note(&mut self, error: &ConnectError) {
        let ConnectError::Certificate(why) = error else { return };
        if self.said_l14.is_some_and(|said| said.elapsed() < L14_PAUSE) {
            return;
        }
        self.said_l14 = Some(Instant::now());
        let text = format!(
            "Error L14 (certificate validation): error=\"{}\" uri=\"{}\"",
            why.to_string().replace('"', "'"),
            self.about.shown
        );
        let line = LogLine { at: self.world.now(), source: LogSource::Platform, ps: "logplex".to_owned(), text };
        if let Some(log) = self.log.upgrade() {
            // The log's writer ends with the process only.
            let _ended = log.send(Order::Append { app: self.about.app, line }).await.is_err();
        }
    }

    /// It takes what it is sent.
    pub(crate) fn healthy(&mut self) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(drain.id = %self.about.id, "A {} takes again what it is sent", self.about.what);
        }
    }

    /// The operator learns once that it fails, and once that it does not any more.
    pub(crate) fn unhealthy(&mut self, why: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            let About { what, id, app, shown } = &self.about;
            tracing::info!(drain.id = %id, app.id = %app, why, "The {what} {shown} of {app} fails");
        }
    }
}
