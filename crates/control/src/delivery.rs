//! Deliveries: what is in the outbox goes to the webhooks' addresses, at least once. One at a time and in order for each
//! webhook, many webhooks side by side: a receiver that hangs keeps nobody else waiting.

use crate::Control;
use crate::event::{Notification, RETRY};
use crate::gate::Authorized;
use crate::notify::Notifier;
use model::app::App;
use model::delivery::{Attempt, Delivery, DeliveryState};
use model::id::{AttemptId, DeliveryId, WebhookId};
use model::time::Timestamp;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::StoreError;
use tokio::sync::Semaphore;

/// Attempts at the same time over all apps: each has a connection, and may have a thread that looks a name up.
const AT_ONCE: usize = 128;

/// Without any signal the outbox is looked at this often.
const PERIOD: Duration = Duration::from_secs(60);

/// Why a delivery is not found.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No such delivery, or one that is not kept any more.
    #[error("Couldn't find that delivery.")]
    NoSuchDelivery,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The deliveries of an app's events, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<Delivery>, DeliveryError> {
    Ok(store::delivery::list(control.store.db(), app.id).await?)
}

/// One of them.
///
/// # Errors
/// [`DeliveryError::NoSuchDelivery`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<Delivery, DeliveryError> {
    let id: DeliveryId = which.parse().map_err(|_| DeliveryError::NoSuchDelivery)?;
    let found = store::delivery::by_id(control.store.db(), app.id, id).await?;
    found.ok_or(DeliveryError::NoSuchDelivery)
}

/// What is being attempted, and with what.
struct Courier {
    control: Control,
    notifier: Notifier,
    room: Arc<Semaphore>,
    busy: Mutex<HashSet<WebhookId>>,
}

/// Begins to deliver, also what the last server left.
pub(crate) fn begin(control: &Control, notifier: Notifier) {
    let courier = Arc::new(Courier {
        control: control.clone(),
        notifier,
        room: Arc::new(Semaphore::new(AT_ONCE)),
        busy: Mutex::default(),
    });
    tokio::spawn(async move {
        loop {
            let pause = courier.look().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "The outbox cannot be read; trying again");
                RETRY
            });
            tokio::select! {
                () = courier.control.store.outbox().notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

impl Courier {
    fn busy(&self) -> MutexGuard<'_, HashSet<WebhookId>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins every attempt that is due and has room; how long until the next one is due.
    async fn look(self: &Arc<Self>) -> Result<Duration, StoreError> {
        let mut pause = PERIOD;
        // Before the outbox is read: whose attempt ends meanwhile may be shown with what is over, and rings again.
        let busy = self.busy().clone();
        for delivery in store::delivery::heads(self.control.store.db()).await? {
            if busy.contains(&delivery.webhook) {
                continue;
            }
            let wait = due(&delivery).since(self.control.now());
            if !wait.is_zero() {
                pause = pause.min(wait);
                continue;
            }
            // Whoever ends makes room and rings.
            let Ok(turn) = Arc::clone(&self.room).try_acquire_owned() else { break };
            self.busy().insert(delivery.webhook);
            let courier = Arc::clone(self);
            tokio::spawn(async move {
                let webhook = delivery.webhook;
                if let Err(error) = courier.attempt(delivery).await {
                    // What was sent is sent again: the receiver knows it by its id.
                    tracing::warn!(webhook.id = %webhook, %error, "An attempt at a delivery could not be noted; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                courier.busy().remove(&webhook);
                drop(turn);
                courier.control.store.outbox().notify_one();
            });
        }
        Ok(pause)
    }

    async fn attempt(&self, delivery: Delivery) -> Result<(), StoreError> {
        let control = &self.control;
        let event = store::event::by_own_id(control.store.db(), delivery.event).await?;
        let webhook = store::webhook::by_id(control.store.db(), delivery.webhook).await?;
        let keys = store::webhook::keys(&control.store, delivery.webhook).await?;
        // Removed meanwhile.
        let (Some(event), Some(webhook), Some(keys)) = (event, webhook, keys) else { return Ok(()) };
        let (id, created_at): (AttemptId, Timestamp) = (control.world.new_id(), control.now());
        let notification = Notification { event: &event, webhook: &webhook, delivery: &delivery, attempt: id };
        let body = (control.wire.body)(&notification);
        let outcome = self.notifier.send(webhook.url.as_str(), &keys, body).await;
        let attempt = Attempt { id, outcome, created_at, updated_at: control.now() };
        let delivery_id = delivery.id;
        let Ok(next) = delivery.on(attempt) else { return Ok(()) };
        let mut tx = control.store.begin().await?;
        store::delivery::note(&mut tx, &next, attempt).await?;
        tx.commit().await?;
        tracing::debug!(webhook.id = %webhook.id, delivery.id = %delivery_id, state = %next.state, ?outcome, "Tried to deliver");
        Ok(())
    }
}

fn due(delivery: &Delivery) -> Timestamp {
    match delivery.state {
        DeliveryState::Retrying { at } => at,
        DeliveryState::Pending | DeliveryState::Succeeded | DeliveryState::Failed => delivery.created_at,
    }
}
