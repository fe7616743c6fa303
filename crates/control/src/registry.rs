//! The dynos that this server knows of, and what the router was last told. All of it can be found again from the keepers.

use crate::dyno_event::{DynoChange, Teller, tell};
use model::crash::{GOOD_RUN, backoff};
use model::dyno::{Dyno, DynoName, DynoState};
use model::id::{AppId, DynoId, ReleaseId};
use model::idle::Asleep;
use model::time::Timestamp;
use runtime::DynoControl;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The dynos by id.
pub(crate) struct Registry {
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
    teller: Teller,
}

#[derive(Default)]
struct Known {
    dynos: HashMap<DynoId, Entry>,
    crashes: HashMap<(AppId, DynoName), u32>,
    routed: HashMap<AppId, Routed>,
    deploys: HashMap<AppId, Deploy>,
    asleep: HashMap<AppId, Asleep>,
    routing_turns: HashMap<AppId, Arc<tokio::sync::Mutex<()>>>,
}

struct Entry {
    dyno: Dyno,
    control: Option<DynoControl>,
    /// Somebody has taken it on to end the process.
    ending: bool,
    /// Its process has ended, or could not be started. Whoever still thinks that it runs orders nothing of it any more.
    over: bool,
}

impl Entry {
    fn become_state(&mut self, state: DynoState, now: Timestamp, teller: &Teller) {
        let before = self.dyno.clone();
        self.dyno.state = state;
        self.dyno.since = now;
        tell(teller, DynoChange::Moved { before, now: self.dyno.clone() });
    }

    /// Told to end, if it has not ended by itself; is it to end now?
    fn turn_off(&mut self, now: Timestamp, teller: &Teller) -> bool {
        if !self.over && self.dyno.state.runs() && self.dyno.state != DynoState::Stopping {
            self.become_state(DynoState::Stopping, now, teller);
        }
        self.dyno.state == DynoState::Stopping
    }
}

/// A release that is to take over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deploy {
    /// Which.
    pub(crate) release: ReleaseId,
    /// How the app's requests had fared until it was seen.
    pub(crate) before: router::Receipt,
}

/// What a server that starts later must know of a dyno: it is noted beside its keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is to be replaced.
    Retired,
    /// It is off the routes and told to end, or soon will be.
    Ending,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Retired => "retired",
            Self::Ending => "ending",
        }
    }

    pub(crate) fn put(self, control: &DynoControl) {
        if let Err(error) = control.mark(self.word()) {
            tracing::warn!(%error, "That a dyno is {} could not be noted", self.word());
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::Retired, Self::Ending].into_iter().find(|mark| mark.word() == word)
    }
}

/// What the router serves for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Routed {
    /// The release that was current when it was told.
    pub(crate) release: Option<ReleaseId>,
    /// The release that answers.
    pub(crate) serving: Option<ReleaseId>,
    /// What the router has.
    pub(crate) entry: router::Entry,
}

impl Registry {
    /// An empty one, which tells of its dynos' changes.
    pub(crate) fn new(teller: Teller) -> Self {
        Self { known: Mutex::default(), changes: watch::channel(0).0, teller }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Wakes whenever anything here changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A new dyno.
    pub(crate) fn insert(&self, dyno: Dyno, control: Option<DynoControl>) {
        tell(&self.teller, DynoChange::Came(dyno.clone()));
        self.adopt(dyno, control);
    }

    /// A dyno that outlived the server before this one.
    pub(crate) fn adopt(&self, dyno: Dyno, control: Option<DynoControl>) {
        self.known().dynos.insert(dyno.id, Entry { dyno, control, ending: false, over: false });
        self.changed();
    }

    pub(crate) fn remove(&self, id: DynoId) {
        if let Some(entry) = self.known().dynos.remove(&id) {
            tell(&self.teller, DynoChange::Went(entry.dyno));
        }
        self.changed();
    }

    /// All dynos of an app, in the order of their names.
    pub(crate) fn of_app(&self, app: AppId) -> Vec<Dyno> {
        let known = self.known();
        let mut dynos: Vec<Dyno> =
            known.dynos.values().filter(|entry| entry.dyno.app == app).map(|entry| entry.dyno.clone()).collect();
        dynos.sort_by(|a, b| a.name.cmp(&b.name).then(a.created_at.cmp(&b.created_at)));
        dynos
    }

    /// The releases that dynos of any app are of.
    pub(crate) fn releases(&self) -> BTreeSet<ReleaseId> {
        self.known().dynos.values().map(|entry| entry.dyno.release).collect()
    }

    /// The state of every dyno, as a word.
    pub(crate) fn states(&self) -> Vec<&'static str> {
        self.known().dynos.values().map(|entry| entry.dyno.state.word()).collect()
    }

    /// Every dyno with a process.
    pub(crate) fn running(&self) -> Vec<(Dyno, DynoControl)> {
        let known = self.known();
        let all = known.dynos.values();
        all.filter_map(|entry| entry.control.clone().map(|control| (entry.dyno.clone(), control))).collect()
    }

    pub(crate) fn control(&self, id: DynoId) -> Option<DynoControl> {
        self.known().dynos.get(&id).and_then(|entry| entry.control.clone())
    }

    /// The dyno is to end. Its process, for the first who asks once there is one; before that, [`Self::started`] tells.
    pub(crate) fn end(&self, id: DynoId, now: Timestamp) -> Option<DynoControl> {
        let control = self.known().dynos.get_mut(&id).and_then(|entry| {
            let ends = entry.turn_off(now, &self.teller);
            let control = entry.control.clone().filter(|_| ends && !entry.ending);
            entry.ending |= control.is_some();
            control
        });
        self.changed();
        control
    }

    /// The dynos of an app that are to end and whose process nobody has told yet.
    pub(crate) fn unended(&self, app: AppId) -> Vec<Dyno> {
        let known = self.known();
        let unended = |entry: &&Entry| entry.dyno.state == DynoState::Stopping && !entry.ending;
        let of_app = known.dynos.values().filter(|entry| entry.dyno.app == app);
        of_app.filter(unended).map(|entry| entry.dyno.clone()).collect()
    }

    /// Is there a process, or one that is being started?
    pub(crate) fn is_busy(&self) -> bool {
        let known = self.known();
        let busy = |entry: &Entry| entry.control.is_some() || !matches!(entry.dyno.state, DynoState::Crashed { .. });
        known.dynos.values().any(busy)
    }

    /// The process is there. `true`: somebody wanted its end meanwhile.
    pub(crate) fn started(&self, id: DynoId, addr: Option<SocketAddr>, control: DynoControl) -> bool {
        let unwanted = self.known().dynos.get_mut(&id).is_none_or(|entry| {
            entry.dyno.addr = addr;
            entry.control = Some(control);
            entry.dyno.state == DynoState::Stopping
        });
        self.changed();
        unwanted
    }

    /// It accepts connections, or has no port to do so. `false`: it is not what boots any more.
    pub(crate) fn booted(&self, id: DynoId, now: Timestamp) -> bool {
        self.moved(id, DynoState::Starting, DynoState::Up, now)
    }

    /// Its processes are frozen. `false`: it is not what was frozen any more.
    pub(crate) fn frozen(&self, id: DynoId, now: Timestamp) -> bool {
        self.moved(id, DynoState::Up, DynoState::Idle, now)
    }

    /// Its processes go on. `false`: it is not what was thawed any more.
    pub(crate) fn thawed(&self, id: DynoId, now: Timestamp) -> bool {
        self.moved(id, DynoState::Idle, DynoState::Up, now)
    }

    /// The looking and the moving are one: in between, another thread may have it end.
    fn moved(&self, id: DynoId, from: DynoState, to: DynoState, now: Timestamp) -> bool {
        let moved = match self.known().dynos.get_mut(&id) {
            Some(entry) if entry.dyno.state == from && !entry.over => {
                entry.become_state(to, now, &self.teller);
                true
            }
            Some(_) | None => false,
        };
        self.changed();
        moved
    }

    /// It is to end. `false`: it has ended by itself. That is a crash, which its own end tells.
    pub(crate) fn turn_off(&self, id: DynoId, now: Timestamp) -> bool {
        let ends = self.known().dynos.get_mut(&id).is_some_and(|entry| entry.turn_off(now, &self.teller));
        self.changed();
        ends
    }

    /// Its process has ended, or there is none; the state that it was in, which only [`Self::crashed`] and [`Self::remove`] change from now on.
    pub(crate) fn over(&self, id: DynoId) -> Option<DynoState> {
        let state = self.known().dynos.get_mut(&id).map(|entry| {
            entry.over = true;
            entry.control = None;
            entry.dyno.state
        });
        self.changed();
        state
    }

    pub(crate) fn state(&self, id: DynoId) -> Option<DynoState> {
        self.known().dynos.get(&id).map(|entry| entry.dyno.state)
    }

    /// Marks dynos for replacement and forgets their crashes, so that crashed ones are tried at once; how many there were.
    /// A server that starts later knows it too. Those that are told to end already stay what they are.
    pub(crate) fn retire(&self, app: AppId, which: impl Fn(&Dyno) -> bool) -> usize {
        let mut known = self.known();
        let mut count = 0;
        let mut names = Vec::new();
        for entry in known.dynos.values_mut().filter(|entry| entry.dyno.app == app && which(&entry.dyno)) {
            count += 1;
            if entry.dyno.state == DynoState::Stopping {
                continue;
            }
            entry.dyno.retired = true;
            // Within the lock: a mark for its end comes after this one, not under it. The next server would take a dyno
            // that has had its SIGTERM for one that still serves.
            entry.control.iter().for_each(|control| Mark::Retired.put(control));
            names.push((app, entry.dyno.name.clone()));
        }
        for name in names {
            known.crashes.remove(&name);
        }
        drop(known);
        self.changed();
        count
    }

    /// Counts a crash; when the next attempt is due. One that is not known any more is tried no more, and not counted.
    pub(crate) fn crashed(&self, dyno: &Dyno, ran_since: Timestamp, now: Timestamp) -> Timestamp {
        let mut known = self.known();
        if !known.dynos.contains_key(&dyno.id) {
            // Its app is gone.
            return now;
        }
        let count = known.crashes.entry((dyno.app, dyno.name.clone())).or_default();
        *count = if now.since(ran_since) >= GOOD_RUN { 1 } else { count.saturating_add(1) };
        let retry_at = now.plus(backoff(*count));
        if let Some(entry) = known.dynos.get_mut(&dyno.id) {
            entry.become_state(DynoState::Crashed { retry_at }, now, &self.teller);
            entry.control = None;
        }
        drop(known);
        self.changed();
        retry_at
    }

    /// A new release starts with a clean slate (DYNO-32).
    pub(crate) fn forget_crashes(&self, app: AppId) {
        self.known().crashes.retain(|(of, _), _| *of != app);
    }

    /// Since when an app sleeps, and how deeply.
    pub(crate) fn asleep(&self, app: AppId) -> Option<Asleep> {
        self.known().asleep.get(&app).copied()
    }

    /// All apps that sleep.
    pub(crate) fn sleepers(&self) -> Vec<(AppId, Asleep)> {
        self.known().asleep.iter().map(|(app, asleep)| (*app, *asleep)).collect()
    }

    /// It sleeps, or is awake.
    pub(crate) fn set_asleep(&self, app: AppId, asleep: Option<Asleep>) {
        match asleep {
            Some(asleep) => self.known().asleep.insert(app, asleep),
            None => self.known().asleep.remove(&app),
        };
        self.changed();
    }

    /// The lock of whoever tells the router of an app.
    pub(crate) fn routing_turn(&self, app: AppId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.known().routing_turns.entry(app).or_default())
    }

    /// The app is gone.
    pub(crate) fn forget_app(&self, app: AppId) {
        let mut known = self.known();
        known.routed.remove(&app);
        known.deploys.remove(&app);
        known.asleep.remove(&app);
        known.crashes.retain(|(of, _), _| *of != app);
        known.routing_turns.remove(&app);
        drop(known);
        self.changed();
    }

    /// A release is to take over.
    pub(crate) fn set_deploy(&self, app: AppId, deploy: Deploy) {
        self.known().deploys.insert(app, deploy);
    }

    /// The release that was to take over, once.
    pub(crate) fn take_deploy(&self, app: AppId) -> Option<Deploy> {
        self.known().deploys.remove(&app)
    }

    pub(crate) fn routed(&self, app: AppId) -> Option<Routed> {
        self.known().routed.get(&app).cloned()
    }

    pub(crate) fn set_routed(&self, app: AppId, routed: Routed) {
        self.known().routed.insert(app, routed);
        self.changed();
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
