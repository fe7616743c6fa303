//! Putting apps to sleep and waking them: first frozen, after a longer time stopped. The router's requests are the clock.
//!
//! The order makes sure that no request meets a frozen dyno: the router holds new requests first, then what was under way
//! is waited for, and only then the processes are frozen. On the way back they are thawed first.

use crate::routing::{self, SyncError, backends};
use crate::{Control, journal};
use model::dyno::{Dyno, DynoRole, DynoState};
use model::id::{AppId, DynoId};
use model::idle::{self, Asleep, Depth, Quiet, is_due};
use model::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::StoreError;
use tokio::sync::{Mutex as Turn, Notify, OwnedMutexGuard};

/// How often it is looked whether an app has become idle: short against minutes, and one order to the router.
const PERIOD: Duration = Duration::from_secs(2);

/// What was under way when the router began to hold an app's requests; where it takes longer, the app is not idle.
const QUIET_LIMIT: Duration = Duration::from_millis(200);

/// What the app loops and the doors share.
#[derive(Default)]
pub(crate) struct Slumber {
    /// One at a time puts an app to sleep or wakes it.
    turns: Mutex<HashMap<AppId, Arc<Turn<()>>>>,
    /// Somebody set another time.
    pub(crate) changed: Notify,
}

impl Slumber {
    async fn turn(&self, app: AppId) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(app).or_default());
        turn.lock_owned().await
    }

    /// The app is gone.
    pub(crate) fn forget(&self, app: AppId) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(&app);
    }
}

/// Looks for idle apps, for as long as the server lives.
pub(crate) fn watch(control: &Control) {
    let control = control.clone();
    tokio::spawn(async move {
        loop {
            if let Err(error) = look(&control).await {
                tracing::error!(%error, "Idle apps could not be looked for");
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = control.slumber.changed.notified() => {}
            }
        }
    });
}

async fn look(control: &Control) -> Result<(), SyncError> {
    for (app, asleep) in control.registry.sleepers() {
        let frozen_for = control.now().since(asleep.since);
        if asleep.depth == Depth::Frozen && frozen_for >= control.settings.stop_frozen_after {
            lay_down(control, app, Depth::Stopped).await?;
        }
    }
    let sleepers = store::idle::sleepers(control.store.db()).await?;
    if sleepers.is_empty() {
        return Ok(());
    }
    let activity = control.router.activity().await?;
    for (app, after) in sleepers {
        let Some(seen) = activity.get(&app).filter(|_| control.registry.asleep(app).is_none()) else { continue };
        let dynos = control.registry.of_app(app);
        let idle = Duration::from_millis(seen.idle_ms);
        if is_due(Quiet { dynos: &dynos, in_flight: seen.in_flight, idle }, after, control.now()) {
            lay_down(control, app, Depth::Frozen).await?;
        }
    }
    Ok(())
}

/// Puts an app to sleep, or lets it sleep more deeply. `false`: requests were under way, it stays awake.
pub(crate) async fn lay_down(control: &Control, app: AppId, depth: Depth) -> Result<bool, SyncError> {
    let _turn = control.slumber.turn(app).await;
    let now = control.now();
    if control.registry.asleep(app).is_none() && !freeze(control, app, now).await? {
        return Ok(false);
    }
    if depth == Depth::Stopped {
        control.registry.set_asleep(app, Some(Asleep { since: now, depth }));
        // The app's own loop stops the dynos.
        control.supervisor.wake(app);
    }
    keep(control, app, Some(now)).await?;
    Ok(true)
}

/// The dynos of the formation that run as they should.
fn formation(control: &Control, app: AppId, state: DynoState) -> Vec<Dyno> {
    let mut dynos = control.registry.of_app(app);
    dynos.retain(|dyno| dyno.role == DynoRole::Formation && dyno.state == state);
    dynos
}

async fn freeze(control: &Control, app: AppId, now: Timestamp) -> Result<bool, SyncError> {
    let Some(known) = crate::app::by_id(control, app).await? else { return Ok(false) };
    let serving: Vec<DynoId> = match control.registry.routed(app) {
        Some(routed) => backends(&routed.entry.route.web).iter().map(|backend| backend.dyno).collect(),
        None => Vec::new(),
    };
    if serving.is_empty() {
        return Ok(false);
    }
    control.registry.set_asleep(app, Some(Asleep { since: now, depth: Depth::Frozen }));
    let wanted = crate::supervisor::wanted(control, app).await?;
    routing::publish(control, &known, wanted.as_ref()).await?;
    let drained = control.router.drain(serving, QUIET_LIMIT).await;
    let quiet = drained.as_ref().is_ok_and(|drained| drained.left == 0);
    if !quiet || !frozen(control, app, now).await {
        rouse(control, app).await?;
        drained?;
        return Ok(false);
    }
    Ok(true)
}

/// Freezes what runs of the formation; `false` when the machine refuses.
async fn frozen(control: &Control, app: AppId, now: Timestamp) -> bool {
    for dyno in formation(control, app, DynoState::Up) {
        let Some(handle) = control.registry.control(dyno.id) else { continue };
        journal::dyno(control, app, &dyno.name, "Idling").await;
        if let Err(error) = handle.freeze().await {
            tracing::warn!(app.id = %app, dyno = %dyno.name, %error, "A dyno cannot be frozen; its app stays awake");
            return false;
        }
        if control.registry.frozen(dyno.id, now) {
            journal::dyno(control, app, &dyno.name, "State changed from up to idle").await;
        }
    }
    true
}

/// Wakes an app; nothing happens to one that is awake.
pub(crate) async fn wake(control: &Control, app: AppId) -> Result<(), SyncError> {
    let _turn = control.slumber.turn(app).await;
    if control.registry.asleep(app).is_none() {
        return Ok(());
    }
    rouse(control, app).await?;
    keep(control, app, None).await?;
    Ok(())
}

/// Thaws what is frozen and tells the router; what is missing is started by the app's own loop.
async fn rouse(control: &Control, app: AppId) -> Result<(), SyncError> {
    control.registry.set_asleep(app, None);
    let mut woken = Vec::new();
    for dyno in formation(control, app, DynoState::Idle) {
        let Some(handle) = control.registry.control(dyno.id) else { continue };
        if let Err(error) = handle.thaw().await {
            tracing::error!(app.id = %app, dyno = %dyno.name, %error, "A dyno cannot be thawed; it is replaced");
            crate::life::kill(&handle);
            continue;
        }
        if control.registry.thawed(dyno.id, control.now()) {
            woken.push(dyno);
        }
    }
    if let Some(known) = crate::app::by_id(control, app).await? {
        let wanted = crate::supervisor::wanted(control, app).await?;
        routing::publish(control, &known, wanted.as_ref()).await?;
    }
    control.supervisor.wake(app);
    for dyno in &woken {
        journal::dyno(control, app, &dyno.name, "Unidling").await;
        journal::dyno(control, app, &dyno.name, "State changed from idle to up").await;
    }
    Ok(())
}

/// Notes for the next life of the server that the app sleeps, or that it does not.
async fn keep(control: &Control, app: AppId, since: Option<Timestamp>) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    store::idle::set_asleep(&mut tx, app, since).await?;
    tx.commit().await
}

/// Requests wait for an app that sleeps.
pub(crate) fn wanted(control: &Control, app: AppId) {
    let control = control.clone();
    tokio::spawn(async move {
        if let Err(error) = wake(&control, app).await {
            tracing::error!(app.id = %app, %error, "An app could not be woken; the router asks again");
        }
    });
}

/// At the start, after the dynos were adopted: apps that slept sleep on, and what is frozen of one that is awake is thawed.
pub(crate) async fn restore(control: &Control) -> Result<(), StoreError> {
    let noted: HashMap<AppId, Timestamp> = store::idle::asleep(control.store.db()).await?.into_iter().collect();
    for app in store::app::list(control.store.db()).await? {
        let noted = noted.get(&app.id).copied();
        if let Some(asleep) = noted.and_then(|since| idle::found(since, &control.registry.of_app(app.id))) {
            control.registry.set_asleep(app.id, Some(asleep));
            continue;
        }
        for dyno in formation(control, app.id, DynoState::Idle) {
            if let Some(handle) = control.registry.control(dyno.id)
                && let Err(error) = handle.thaw().await
            {
                tracing::error!(app.id = %app.id, dyno = %dyno.name, %error, "A dyno cannot be thawed");
                crate::life::kill(&handle);
            }
            control.registry.thawed(dyno.id, control.now());
        }
        if noted.is_some() {
            keep(control, app.id, None).await?;
        }
    }
    Ok(())
}
