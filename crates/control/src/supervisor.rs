//! One loop per app brings what runs to what should run. It takes no hint of what changed: it reads, decides, does.

use crate::routing::SyncError;
use crate::{Control, journal, life, progress, receipt, routing, slumber};
use model::cycle;
use model::dyno::{Dyno, DynoRole, DynoState};
use model::formation::{Step, Wanted, converge};
use model::id::{AppId, ReleaseId};
use model::idle::Depth;
use model::route::Web;
use model::time::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::StoreError;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Without any signal an app is looked at this often: a lost signal costs a minute, not a night.
const PERIOD: Duration = Duration::from_secs(60);

/// After a failure of the database or the router.
const RETRY: Duration = Duration::from_secs(1);

/// A caller waits at most this long to see its change take effect; it does so later all the same.
const SEEN_LIMIT: Duration = Duration::from_secs(2);

/// The loops by app.
#[derive(Default)]
pub(crate) struct Supervisor {
    loops: Mutex<HashMap<AppId, Arc<Beat>>>,
    ending: CancellationToken,
}

/// How a loop is woken, and how far it is.
struct Beat {
    signal: Notify,
    asked: AtomicU64,
    done: watch::Sender<u64>,
}

impl Supervisor {
    fn loops(&self) -> MutexGuard<'_, HashMap<AppId, Arc<Beat>>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to look after an app.
    pub(crate) fn adopt(&self, control: &Control, app: AppId) {
        let beat = Arc::new(Beat { signal: Notify::new(), asked: AtomicU64::new(0), done: watch::channel(0).0 });
        self.loops().insert(app, Arc::clone(&beat));
        let control = control.clone();
        tokio::spawn(async move { look_after(&control, app, &beat).await });
    }

    /// Looks after no app any more; what runs goes on. When this returns no loop starts a dyno any more.
    pub(crate) async fn end(&self) {
        self.ending.cancel();
        let beats: Vec<Arc<Beat>> = self.loops().values().cloned().collect();
        let over = async {
            for beat in beats {
                // An error is the loop's end too.
                let _over = beat.done.subscribe().wait_for(|done| *done == u64::MAX).await.is_err();
            }
        };
        if tokio::time::timeout(SEEN_LIMIT, over).await.is_err() {
            tracing::warn!("Some apps are still being looked at after {SEEN_LIMIT:?}");
        }
    }

    /// Does the server end? Then nothing is begun any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Looks at an app soon.
    pub(crate) fn wake(&self, app: AppId) {
        if let Some(beat) = self.loops().get(&app) {
            beat.signal.notify_one();
        }
    }

    /// Looks at an app now; returns when the router knows what came of it.
    pub(crate) async fn seen(&self, app: AppId) {
        let Some(beat) = self.loops().get(&app).cloned() else { return };
        let mut done = beat.done.subscribe();
        let ours = beat.asked.fetch_add(1, Ordering::SeqCst) + 1;
        beat.signal.notify_one();
        if tokio::time::timeout(SEEN_LIMIT, done.wait_for(|done| *done >= ours)).await.is_err() {
            tracing::warn!(app.id = %app, "A change takes longer than {SEEN_LIMIT:?} to reach the router");
        }
    }
}

/// What the last look at an app saw.
#[derive(Default)]
struct Seen {
    /// The release that was to run.
    release: Option<ReleaseId>,
    /// It is noted as live.
    live: bool,
}

async fn look_after(control: &Control, app: AppId, beat: &Beat) {
    let mut seen = Seen::default();
    while !control.supervisor.ending.is_cancelled() {
        let asked = beat.asked.load(Ordering::SeqCst);
        let pause = match look(control, app, &mut seen).await {
            Ok(Some(pause)) => {
                beat.done.send_replace(asked);
                pause
            }
            Ok(None) => break,
            Err(error) => {
                tracing::error!(app.id = %app, %error, "An app could not be looked after; trying again");
                RETRY
            }
        };
        tokio::select! {
            () = beat.signal.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = control.supervisor.ending.cancelled() => {}
        }
    }
    control.supervisor.loops().remove(&app);
    beat.done.send_replace(u64::MAX);
}

/// One look; how long until the next, or `None` when the app is gone.
async fn look(control: &Control, id: AppId, seen: &mut Seen) -> Result<Option<Duration>, SyncError> {
    let Some(app) = crate::app::by_id(control, id).await? else {
        end(control, id).await?;
        return Ok(None);
    };
    let wanted = wanted(control, id).await?;
    let release = wanted.as_ref().map(|wanted| wanted.release);
    if seen.release != release {
        release_came(control, id, seen.release.is_some(), release).await?;
        *seen = Seen { release, live: false };
    }
    let now = control.now();
    let asleep = control.registry.asleep(id).map(|asleep| asleep.depth);
    if asleep.is_none() {
        turn_over(control, id, now).await;
    }
    let dynos = control.registry.of_app(id);
    let steps = steps(wanted.as_ref(), asleep, &dynos, now);
    let stops: Vec<Dyno> = dynos.iter().filter(|dyno| steps.contains(&Step::Stop(dyno.id))).cloned().collect();
    // Off the routes first, then told to end: a dyno never gets a request after its SIGTERM.
    for dyno in &stops {
        control.registry.turn_off(dyno.id, now);
    }
    // Also those that are to end since a look that came to nothing.
    let stops = control.registry.unended(id);
    for step in steps {
        match step {
            Step::Start { name, size, command } => {
                let Some(wanted) = &wanted else { continue };
                let (release, version) = (wanted.release, wanted.version);
                let state = DynoState::Starting;
                let role = DynoRole::Formation;
                let (id, app) = (control.world.new_id(), id);
                let (addr, since, created_at, retired) = (None, now, now, false);
                let dyno = Dyno {
                    id,
                    app,
                    name,
                    role,
                    size,
                    command,
                    release,
                    version,
                    addr,
                    state,
                    since,
                    created_at,
                    retired,
                };
                life::begin(control, dyno);
            }
            Step::Forget(id) => control.registry.remove(id),
            Step::Stop(_) => {}
        }
    }
    // With what is being started already: requests wait for it instead of hearing that the app crashed.
    routing::publish(control, &app, wanted.as_ref()).await?;
    if let Some(wanted) = wanted.as_ref().filter(|_| !seen.live) {
        seen.live = progress::live(control, id, wanted).await;
    }
    for dyno in &stops {
        life::stop(control, dyno);
    }
    Ok(Some(next_look(&control.registry.of_app(id), now)))
}

/// Another release is to run, perhaps the first one that this loop sees.
async fn release_came(control: &Control, app: AppId, new: bool, release: Option<ReleaseId>) -> Result<(), SyncError> {
    control.registry.forget_crashes(app);
    receipt::begin(control, app, release).await?;
    // A deploy is use: who deploys wants to see it.
    if control.registry.asleep(app).is_some() && new {
        slumber::wanted(control, app);
    }
    Ok(())
}

fn steps(wanted: Option<&Wanted>, asleep: Option<Depth>, dynos: &[Dyno], now: Timestamp) -> Vec<Step> {
    match (wanted, asleep) {
        (Some(wanted), None) => converge(wanted, dynos, now),
        // It is left as it is until somebody wants it.
        (Some(_), Some(Depth::Frozen)) => Vec::new(),
        (Some(_), Some(Depth::Stopped)) | (None, _) => {
            dynos.iter().filter(|dyno| dyno.role == DynoRole::Formation).filter_map(away).collect()
        }
    }
}

/// Retires the dyno whose day is over (DYNO-33); it is replaced like one that somebody restarts.
async fn turn_over(control: &Control, app: AppId, now: Timestamp) {
    let dynos = control.registry.of_app(app);
    let due = cycle::due(&dynos, now).filter(|_| control.settings.cycling);
    for dyno in dynos.iter().filter(|dyno| due == Some(dyno.id)) {
        control.registry.retire(app, |known| known.id == dyno.id);
        journal::dyno(control, app, &dyno.name, "Cycling").await;
    }
}

/// What becomes of a dyno where none is to be.
fn away(dyno: &Dyno) -> Option<Step> {
    match dyno.state {
        DynoState::Starting | DynoState::Up | DynoState::Idle => Some(Step::Stop(dyno.id)),
        DynoState::Crashed { .. } => Some(Step::Forget(dyno.id)),
        DynoState::Stopping => None,
    }
}

/// When a crashed dyno is due, or the ordinary period.
fn next_look(dynos: &[Dyno], now: Timestamp) -> Duration {
    let due = |dyno: &Dyno| match dyno.state {
        DynoState::Crashed { retry_at } => Some(retry_at.since(now) + Duration::from_millis(1)),
        DynoState::Starting | DynoState::Up | DynoState::Idle | DynoState::Stopping => None,
    };
    dynos.iter().filter_map(due).min().unwrap_or(PERIOD).min(PERIOD)
}

/// What should run: the newest release that succeeded, if it has code.
pub(crate) async fn wanted(control: &Control, app: AppId) -> Result<Option<Wanted>, StoreError> {
    let db = control.store.db();
    let Some(release) = store::release::current(db, app).await? else { return Ok(None) };
    let Some(slug) = release.slug else { return Ok(None) };
    let Some(slug) = store::slug::by_id(db, slug).await? else { return Ok(None) };
    let formation = store::formation::list(db, app).await?;
    Ok(Some(Wanted { release: release.id, version: release.version, process_types: slug.process_types, formation }))
}

async fn end(control: &Control, app: AppId) -> Result<(), SyncError> {
    control.router.remove(app).await?;
    control.registry.forget_app(app);
    control.slumber.forget(app);
    for dyno in control.registry.of_app(app) {
        let ends = control.registry.turn_off(dyno.id, control.now());
        match control.registry.control(dyno.id) {
            Some(handle) => life::kill(&handle),
            // Ended as soon as it has a process, and taken away then.
            None if ends => {}
            None => control.registry.remove(dyno.id),
        }
    }
    Ok(())
}

/// How a release that was just made came out for its visitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Live {
    /// Requests reach it.
    Serving,
    /// It has no web dynos to wait for.
    NothingToServe,
    /// A web dyno of it crashed, or did not boot in time.
    Crashed(String),
    /// A newer release came in between.
    Overtaken,
}

/// Waits until requests reach a release, or never will.
pub(crate) async fn live(control: &Control, app: AppId, release: ReleaseId) -> Live {
    let mut changes = control.registry.changes();
    let limit = tokio::time::sleep(Duration::from_secs(model::dyno::BOOT_LIMIT_S + 5));
    tokio::pin!(limit);
    loop {
        changes.borrow_and_update();
        if let Some(live) = judge(control, app, release).await {
            return live;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Live::Overtaken },
            () = &mut limit => return Live::Crashed("its web dynos did not accept connections in time".to_owned()),
        }
    }
}

async fn judge(control: &Control, app: AppId, release: ReleaseId) -> Option<Live> {
    let wanted = wanted(control, app).await.ok()??;
    if wanted.release != release {
        return Some(Live::Overtaken);
    }
    let routed = control.registry.routed(app).filter(|routed| routed.release == Some(release));
    let dynos = control.registry.of_app(app);
    let routed = routed?;
    // A dyno is up a moment before the router knows it.
    let is_served = routed.serving == Some(release) && wanted.web_is_up(&dynos);
    match routed.entry.route.web {
        Web::Up { .. } if is_served => Some(Live::Serving),
        // It is just being woken for this release.
        Web::Asleep => None,
        Web::NoWeb | Web::Maintenance | Web::Blank => Some(Live::NothingToServe),
        Web::Up { .. } | Web::Starting | Web::Crashed => {
            let crashed = |dyno: &&Dyno| dyno.release == release && matches!(dyno.state, DynoState::Crashed { .. });
            let dyno = dynos.iter().filter(|dyno| dyno.name.process_type.is_web()).find(crashed)?;
            Some(Live::Crashed(format!("{} crashed", dyno.name)))
        }
    }
}
