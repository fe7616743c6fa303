//! Autoscaling: looks from time to time at how fast the apps with a monitor answer, and scales what is decided in
//! `model::autoscale`. Response times are in memory only: after a start nothing is scaled before there are enough again.

use crate::audit::{self, AuditError};
use crate::event::{self, Change as Changed, Resource};
use crate::{Control, formation, journal, slumber};
use model::app::App;
use model::audit::Change;
use model::autoscale::{ACTOR, Decision, Recent, Scaled, Seen, because, decide};
use model::dyno::{Dyno, DynoRole, DynoState};
use model::formation::Formation;
use model::id::AppId;
use model::monitor::Monitor;
use model::time::Timestamp;
use model::traffic::Request;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{StoreError, Tx};
use tokio::sync::Notify;

/// So many looks in a window.
const LOOKS_PER_WINDOW: u32 = 6;

/// Between two looks at least, however short the window is: each asks the database a few questions for every app.
const PAUSE_LEAST: Duration = Duration::from_millis(200);

/// What is known of an app with an active monitor: some kibibytes for each of them.
struct Watched {
    recent: Recent,
    /// When it was said that the maximum is not enough, while it is not.
    said_at: Option<Timestamp>,
}

/// Response times of the apps that are scaled.
#[derive(Default)]
pub(crate) struct Autoscaler {
    watched: Mutex<HashMap<AppId, Watched>>,
    /// Somebody changed a monitor.
    changed: Notify,
}

impl Autoscaler {
    fn watched(&self) -> MutexGuard<'_, HashMap<AppId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is over.
    pub(crate) fn note(&self, app: AppId, at: Timestamp, request: Request) {
        if let (Some(watched), Some(took_ms)) = (self.watched().get_mut(&app), request.latency_ms()) {
            watched.recent.note(at, took_ms);
        }
    }

    /// A monitor was changed: it is looked at soon.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// These apps, and no others.
    fn follow(&self, apps: &HashSet<AppId>, window: Duration, now: Timestamp) {
        let mut watched = self.watched();
        watched.retain(|app, _| apps.contains(app));
        for app in apps {
            watched.entry(*app).or_insert_with(|| Watched { recent: Recent::new(window, now), said_at: None });
        }
    }

    /// Is it to be said now that the maximum is not enough?
    fn says_maximum(&self, monitor: &Monitor, now: Timestamp) -> bool {
        let mut watched = self.watched();
        let Some(watched) = watched.get_mut(&monitor.app) else { return false };
        let due = match (watched.said_at, monitor.reminds_after()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(said_at), Some(after)) => now.since(said_at) >= after,
        };
        if due {
            watched.said_at = Some(now);
        }
        due
    }

    fn maximum_is_enough(&self, app: AppId) {
        if let Some(watched) = self.watched().get_mut(&app) {
            watched.said_at = None;
        }
    }
}

/// Looks at every app with an active monitor, for as long as the server lives.
pub(crate) fn begin(control: &Control) {
    let control = control.clone();
    let pause = (control.settings.autoscale_window / LOOKS_PER_WINDOW).max(PAUSE_LEAST);
    tokio::spawn(async move {
        loop {
            if let Err(error) = look(&control).await {
                tracing::error!(%error, "Which apps to scale could not be looked for");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = control.counters.autoscaler.changed.notified() => {}
            }
        }
    });
}

async fn look(control: &Control) -> Result<(), StoreError> {
    let monitors = store::monitor::active(control.store.db()).await?;
    let apps = monitors.iter().map(|monitor| monitor.app).collect();
    control.counters.autoscaler.follow(&apps, control.settings.autoscale_window, control.now());
    if monitors.is_empty() {
        return Ok(());
    }
    let pending = store::release::pending(control.store.db()).await?;
    let deploying: HashSet<AppId> = pending.into_iter().map(|release| release.app).collect();
    for monitor in monitors.iter().filter(|monitor| !deploying.contains(&monitor.app)) {
        if let Err(error) = look_at(control, monitor).await {
            tracing::error!(app.id = %monitor.app, %error, "An app could not be scaled");
        }
    }
    Ok(())
}

async fn look_at(control: &Control, monitor: &Monitor) -> Result<(), AuditError> {
    let db = control.store.db();
    let Some(app) = store::app::by_id(db, monitor.app).await? else { return Ok(()) };
    let formation = store::formation::list(db, app.id).await?;
    let Some(entry) = formation.into_iter().find(|entry| entry.process_type == monitor.process_type) else {
        return Ok(());
    };
    let is_settled = is_settled(control, &app, &entry).await?;
    let (seen, window) = (seen(control, &entry, is_settled), control.settings.autoscale_window);
    let decision = decide(monitor, window, &seen);
    if decision != Decision::AtMaximum && seen.p95_ms.is_some_and(|took_ms| took_ms < u64::from(monitor.p95_ms)) {
        control.counters.autoscaler.maximum_is_enough(app.id);
    }
    match decision {
        Decision::Stay => {}
        Decision::AtMaximum if control.counters.autoscaler.says_maximum(monitor, control.now()) => {
            let took_ms = seen.p95_ms.unwrap_or_default();
            let text = format!(
                "{} stays at its maximum of {}, and is too slow: p95 of {took_ms} ms is not below {} ms",
                entry.process_type, monitor.max_quantity, monitor.p95_ms
            );
            journal::autoscale(control, app.id, text).await;
        }
        Decision::AtMaximum => {}
        Decision::Scale { to, why } => {
            scale(control, monitor, &app, &entry, to, &because(monitor, window, why)).await?
        }
    }
    Ok(())
}

fn seen(control: &Control, entry: &Formation, is_settled: bool) -> Seen {
    let now = control.now();
    let (latency, watched) = match control.counters.autoscaler.watched().get_mut(&entry.app) {
        Some(watched) => (watched.recent.seen(now), watched.recent.watched(now)),
        None => Default::default(),
    };
    Seen {
        p95_ms: latency.percentile_ms(95),
        requests: latency.count(),
        quantity: entry.quantity,
        is_settled,
        unchanged: now.since(entry.updated_at),
        watched,
    }
}

/// Nothing is deployed, maintained or asleep. A dyno that starts will change how fast the app is, so it is waited for; one that
/// crashes again and again is not.
async fn is_settled(control: &Control, app: &App, entry: &Formation) -> Result<bool, StoreError> {
    if app.maintenance || control.registry.asleep(app.id).is_some() {
        return Ok(false);
    }
    let Some(release) = store::release::current(control.store.db(), app.id).await? else { return Ok(false) };
    let ours = |dyno: &Dyno| dyno.role == DynoRole::Formation && dyno.name.process_type == entry.process_type;
    let moves = |dyno: &Dyno| dyno.state == DynoState::Starting || dyno.release != release.id || dyno.retired;
    Ok(!control.registry.of_app(app.id).iter().any(|dyno| ours(dyno) && moves(dyno)))
}

/// Scales as `ps:scale` does: with a record in the audit log before, and an event.
async fn scale(
    control: &Control,
    monitor: &Monitor,
    app: &App,
    entry: &Formation,
    to: u32,
    why: &str,
) -> Result<(), AuditError> {
    let asked = Change {
        actor_id: monitor.id.to_string(),
        actor: ACTOR.to_owned(),
        address: String::new(),
        request_id: control.world.secret::<16>(),
        action: "PATCH /apps/{app}/formation/{type}".to_owned(),
        path: format!("/apps/{}/formation/{}", app.name, entry.process_type),
        app: Some(app.id),
    };
    let from = entry.quantity;
    let content = Scaled { from, to, why }.json();
    audit::ask(control, &asked, content.clone()).await?;
    let mut tx = control.store.begin().await?;
    let done = step(control, &mut tx, monitor, entry, to).await?;
    tx.commit().await?;
    if done {
        let text = format!("Scaled {} from {from} to {to}: {why}", entry.process_type);
        journal::autoscale(control, app.id, text).await;
        slumber::wanted(control, app.id);
        control.supervisor.wake(app.id);
    }
    audit::answer(control, &asked, if done { 200 } else { 409 }, content).await
}

/// `false`: somebody has changed meanwhile what was decided on, and nothing is done.
async fn step(
    control: &Control,
    tx: &mut Tx,
    monitor: &Monitor,
    entry: &Formation,
    to: u32,
) -> Result<bool, StoreError> {
    let same = store::monitor::by_id(tx.db(), monitor.id).await?.is_some_and(|now| now == *monitor);
    let app = store::app::by_id(tx.db(), monitor.app).await?.filter(|app| same && !app.maintenance);
    let present = store::formation::list(tx.db(), monitor.app).await?;
    let Some(app) = app.filter(|_| present.contains(entry)) else { return Ok(false) };
    let now = Formation { quantity: to, updated_at: control.now(), ..entry.clone() };
    store::formation::put(tx, &now).await?;
    let commands = formation::commands_in(tx, app.id).await?;
    let (before, now) = (formation::detail(entry.clone(), &commands), formation::detail(now, &commands));
    let change = Changed::update(Resource::Formation(&app, &before), Resource::Formation(&app, &now));
    // In the name of who answers for the app: no account did it.
    event::note(control, tx, app.owner, &change).await?;
    Ok(true)
}
