//! Watches what dynos and builds write: ends who is over its quota, and the largest when the disk runs short.
//!
//! Measuring means walking folders, so it is done when the disk has filled by something, when a dyno that grows may soon be
//! over, and else rarely. One call a second says whether the disk has filled.

use crate::{Control, disk, journal, life, room};
use model::disk::Space;
use model::dyno::Dyno;
use model::id::DynoId;
use model::mount::Mount;
use model::written::{Over, Written, largest};
use runtime::DynoControl;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How often the free space is asked for; also the shortest time between two measurements.
const TICK: Duration = Duration::from_secs(1);

/// The longest time between two measurements of all.
const PERIOD: Duration = Duration::from_secs(30);

/// While the disk is short for other reasons than dynos: there is little to find, and it may stay so for days.
const SHORT_PERIOD: Duration = Duration::from_secs(5);

/// A measurement of very many files may take long: then the pause after it is this many times as long.
const REST: u32 = 20;

/// When so much less is free than at the last measurement, it is time for another: a small part of the smallest quota.
const SURGE_BYTES: u64 = 128 * 1024 * 1024;

/// The steps of builds that run; dynos are in the registry.
#[derive(Default)]
pub(crate) struct Steps(Mutex<HashMap<DynoId, Writer>>);

/// One that writes.
#[derive(Clone)]
struct Writer {
    handle: DynoControl,
    /// Its folders on the host, `/tmp` aside.
    folders: Vec<PathBuf>,
    limit_bytes: u64,
    who: Who,
}

#[derive(Clone)]
enum Who {
    Dyno(Box<Dyno>),
    /// Whoever runs the step is told why it is to end.
    Step(Arc<Mutex<Option<oneshot::Sender<Over>>>>),
}

/// A build's step is watched as long as this lives.
pub(crate) struct Watched {
    control: Control,
    id: DynoId,
    /// None: told already.
    over: Option<oneshot::Receiver<Over>>,
}

impl Steps {
    fn all(&self) -> MutexGuard<'_, HashMap<DynoId, Writer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches a build's step.
pub(crate) fn step(control: &Control, spec: &runtime::DynoSpec, handle: &DynoControl) -> Watched {
    let (tell, over) = oneshot::channel();
    let writer = Writer {
        handle: handle.clone(),
        folders: written_to(&spec.mounts),
        limit_bytes: spec.limits.disk_bytes,
        who: Who::Step(Arc::new(Mutex::new(Some(tell)))),
    };
    control.steps.all().insert(spec.id, writer);
    Watched { control: control.clone(), id: spec.id, over: Some(over) }
}

impl Watched {
    /// Waits until it has written too much; forever when that was told already.
    pub(crate) async fn over(&mut self) -> Over {
        if let Some(waiting) = &mut self.over {
            let told = waiting.await;
            self.over = None;
            if let Ok(over) = told {
                return over;
            }
        }
        std::future::pending().await
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.control.steps.all().remove(&self.id);
    }
}

/// Where a sandbox with these mounts writes on the host.
fn written_to(mounts: &[Mount]) -> Vec<PathBuf> {
    let place = |mount: &Mount| match mount {
        Mount::Overlay { upper, .. } => Some(upper.clone()),
        Mount::Bind { from, writable: true, .. } => Some(from.clone()),
        Mount::Bind { writable: false, .. } | Mount::Tmpfs { .. } | Mount::File { .. } => None,
    };
    mounts.iter().filter_map(place).collect()
}

fn writers(control: &Control) -> HashMap<DynoId, Writer> {
    let mut all = control.steps.all().clone();
    for (dyno, handle) in control.registry.running() {
        let folders = vec![crate::sandbox::scratch(control, dyno.id)];
        let (id, limit_bytes) = (dyno.id, control.settings.budgets.limits(dyno.size).disk_bytes);
        all.insert(id, Writer { handle, folders, limit_bytes, who: Who::Dyno(Box::new(dyno)) });
    }
    all
}

/// What was found at the last measurement.
#[derive(Default)]
struct Last {
    free_bytes: u64,
    short: bool,
    at: Option<Instant>,
    next: Option<Instant>,
    written: HashMap<DynoId, Written>,
    /// Told to end; it may take a moment.
    ended: HashSet<DynoId>,
}

/// Begins to watch.
pub(crate) fn watch(control: &Control) {
    let control = control.clone();
    tokio::spawn(async move {
        let mut last = Last::default();
        loop {
            tokio::time::sleep(TICK).await;
            let Ok(space) = disk::space(&control.settings.dir) else { continue };
            let surge_bytes = SURGE_BYTES.min(space.floor_bytes() / 4);
            let surge = last.free_bytes.saturating_sub(space.free_bytes) >= surge_bytes.max(1);
            let due = last.next.is_none_or(|next| Instant::now() >= next) || space.is_short() && !last.short;
            // What goes away meanwhile must not hide what comes.
            last.free_bytes = last.free_bytes.max(space.free_bytes);
            if surge || due {
                look(&control, space, &mut last).await;
            }
        }
    });
}

async fn look(control: &Control, space: Space, last: &mut Last) {
    let began = Instant::now();
    let writers = writers(control);
    let measured = measure(&writers).await;
    let between = last.at.map_or(PERIOD, |at| began - at);
    let mut pause = if space.is_short() { SHORT_PERIOD } else { PERIOD };
    for (id, written) in &measured {
        let Some(writer) = writers.get(id) else { continue };
        if let Some(over) = written.over(writer.limit_bytes) {
            end(control, *id, writer, over, last).await;
        }
        let before = last.written.get(id).copied().unwrap_or_default();
        pause = pause.min(written.next_look(before, between, writer.limit_bytes, (TICK, PERIOD)));
    }
    if space.is_short() {
        relieve(control, &writers, &measured, last).await;
    }
    control
        .written
        .store(measured.iter().map(|(_, written)| written.bytes).sum(), std::sync::atomic::Ordering::Relaxed);
    if !last.ended.is_empty() {
        // What they give back may hide what another takes.
        pause = TICK;
    }
    last.ended.retain(|id| writers.contains_key(id));
    last.written = measured.into_iter().collect();
    (last.at, last.short) = (Some(began), space.is_short());
    let now = Instant::now();
    last.next = Some(now + pause.max((now - began) * REST));
    last.free_bytes = disk::space(&control.settings.dir).map_or(space.free_bytes, |space| space.free_bytes);
}

/// Measures all of them, away from the async threads.
async fn measure(writers: &HashMap<DynoId, Writer>) -> Vec<(DynoId, Written)> {
    let all: Vec<(DynoId, Writer)> = writers.iter().map(|(id, writer)| (*id, writer.clone())).collect();
    let work = move || all.iter().map(|(id, writer)| (*id, writer.handle.written(&writer.folders))).collect();
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

/// The disk is short: first what can be made again goes, then the dyno or build that wrote most.
async fn relieve(control: &Control, writers: &HashMap<DynoId, Writer>, all: &[(DynoId, Written)], last: &mut Last) {
    let Ok(space) = disk::space(&control.settings.dir) else { return };
    room::make(control, space.floor_bytes().saturating_sub(space.free_bytes)).await;
    let Ok(space) = disk::space(&control.settings.dir) else { return };
    // One that is ending gives back what it wrote when it has ended.
    if all.iter().any(|(id, _)| last.ended.contains(id)) {
        return;
    }
    if let Some((id, over)) = largest(space, all)
        && let Some(writer) = writers.get(&id)
    {
        end(control, id, writer, over, last).await;
    }
}

async fn end(control: &Control, id: DynoId, writer: &Writer, over: Over, last: &mut Last) {
    if !last.ended.insert(id) {
        return;
    }
    match &writer.who {
        Who::Dyno(dyno) => {
            tracing::warn!(app.id = %dyno.app, dyno = %dyno.name, "Ending a dyno: {over}");
            journal::dyno(control, dyno.app, &dyno.name, over.of_dyno()).await;
            journal::dyno(control, dyno.app, &dyno.name, "Stopping process with SIGKILL").await;
            life::kill(&writer.handle);
        }
        Who::Step(tell) => {
            tracing::warn!(dyno.id = %id, "Ending a build: {over}");
            let tell = tell.lock().unwrap_or_else(PoisonError::into_inner).take();
            // It may have ended by itself just now.
            let _ended = tell.map(|tell| tell.send(over));
        }
    }
}
