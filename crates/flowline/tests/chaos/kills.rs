//! The kills: which, when, and how long until what was killed is back.

use crate::dice::Dice;
use crate::machine::{self, Process, Role};
use crate::visitors::Seen;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use testkit::{Client, Flow, PATIENCE};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

/// Between two looks whether something is back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What happened so shortly before or after a failure may be its reason.
const NEAR: Duration = Duration::from_secs(3);

/// What ended twice in a row is tried again after up to five minutes (DYNO-32).
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Serve,
    Router,
    Keeper,
    Nursery,
    Holder,
}

/// One decision; all of it comes from the seed.
#[derive(Debug)]
struct Decision {
    after: Duration,
    kind: Kind,
    /// Which keeper.
    pick: u64,
    /// The server that comes next is killed too, so soon.
    early: Option<Duration>,
}

/// A keeper's end, as far as visitors may have met it.
#[derive(Debug, Clone)]
pub(crate) struct Victim {
    pub(crate) app: String,
    pub(crate) dyno: String,
    pub(crate) at: Instant,
    /// When another one of its name was up.
    pub(crate) back: Option<Instant>,
}

/// All that was killed.
#[derive(Default)]
pub(crate) struct Killed {
    pub(crate) count: Mutex<BTreeMap<Kind, u64>>,
    /// When what was killed, for whoever looks for what a failure has to do with it.
    pub(crate) history: Mutex<Vec<(Instant, String)>>,
    pub(crate) victims: Mutex<Vec<Victim>>,
    /// How long each took to come back.
    pub(crate) took: Mutex<BTreeMap<Kind, Vec<Duration>>>,
    /// The names of all cgroups that were ever seen, with the process of the keeper above.
    pub(crate) cgroups: Mutex<BTreeMap<String, i32>>,
    /// Was a keeper killed whose dyno had no process yet?
    nameless: AtomicBool,
    /// Those of killed keepers that had no dyno yet.
    pub(crate) unbooked: Mutex<BTreeSet<String>>,
}

impl Killed {
    /// Was the keeper of such a dyno killed?
    pub(crate) fn has(&self, app: &str, dyno: &str) -> bool {
        self.victims.lock().unwrap().iter().any(|victim| victim.app == app && victim.dyno == dyno)
    }

    fn look(&self, processes: &[Process]) {
        let mut seen = self.cgroups.lock().unwrap();
        for keeper in processes.iter().filter(|process| matches!(process.role, Role::Keeper(_))) {
            let its = machine::cgroups(&machine::below(processes, keeper.pid));
            seen.extend(its.into_iter().map(|name| (name, keeper.pid)));
        }
    }

    pub(crate) fn nameless(&self) -> bool {
        self.nameless.load(Ordering::SeqCst)
    }

    pub(crate) fn total(&self) -> u64 {
        self.count.lock().unwrap().values().sum()
    }

    fn note(&self, kind: Kind) {
        *self.count.lock().unwrap().entry(kind).or_default() += 1;
        self.tell(format!("{kind:?} killed"));
    }

    fn took(&self, kind: Kind, from: Instant) {
        self.took.lock().unwrap().entry(kind).or_default().push(from.elapsed());
        self.tell(format!("{kind:?} back"));
    }

    pub(crate) fn tell(&self, what: String) {
        self.history.lock().unwrap().push((Instant::now(), what));
    }

    /// What happened around a moment, in milliseconds before and after it.
    pub(crate) fn around(&self, moment: Instant) -> Vec<String> {
        let history = self.history.lock().unwrap();
        let near = history.iter().filter(|(at, _)| at.max(&moment).duration_since(*at.min(&moment)) < NEAR);
        let ms = |at: &Instant| match at.checked_duration_since(moment) {
            Some(after) => format!("+{}", after.as_millis()),
            None => format!("-{}", moment.duration_since(*at).as_millis()),
        };
        near.map(|(at, what)| format!("{} ms: {what}", ms(at))).collect()
    }
}

fn decide(dice: &mut Dice, last: Option<Kind>) -> Decision {
    let kind = match dice.between(0, 100) {
        0..28 => Kind::Serve,
        28..56 => Kind::Router,
        56..86 => Kind::Keeper,
        86..93 => Kind::Nursery,
        _ => Kind::Holder,
    };
    let close = dice.between(0, 5) == 0 && last != Some(kind);
    let after = if close { dice.pause(0, 50) } else { dice.pause(150, 1400) };
    let early = dice.pause(0, 300);
    let early = (dice.between(0, 6) == 0 && kind == Kind::Serve).then_some(early);
    Decision { after, kind, pick: dice.roll(), early }
}

/// Kills so many, one after the other, and waits until the last is back.
pub(crate) async fn kill_all(flow: Arc<Flow>, killed: Arc<Killed>, seen: Arc<Seen>, kills: u64, seed: u64) {
    let mut dice = Dice::of(seed, "kills");
    let mut last = None;
    let mut recoveries: Vec<JoinHandle<()>> = Vec::new();
    while killed.total() < kills {
        let Decision { after, kind, pick, early } = decide(&mut dice, last);
        sleep(after).await;
        last = Some(kind);
        killed.look(&machine::processes());
        recoveries.push(match kind {
            Kind::Serve => serve(&flow, &killed, early).await,
            Kind::Router => router(&flow, &killed, &seen).await,
            Kind::Keeper => keeper(&flow, &killed, pick).await,
            Kind::Nursery => part(&killed, kind, Role::Nursery, None).await,
            Kind::Holder => part(&killed, kind, Role::Holder, Some(flow.apps)).await,
        });
    }
    for recovery in recoveries {
        recovery.await.unwrap();
    }
}

/// The one process of a role, once there is one.
async fn one(role: &Role) -> Process {
    let until = Instant::now() + PATIENCE;
    loop {
        match machine::processes().into_iter().find(|process| process.role == *role) {
            Some(found) => return found,
            None => assert!(Instant::now() < until, "there is no {role:?}"),
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Waits until a role is played by another process than this one.
async fn another(role: &Role, than: i32) {
    let until = Instant::now() + PATIENCE;
    while one(role).await.pid == than {
        assert!(Instant::now() < until, "the {role:?} {than} does not end");
        sleep(LOOK_AGAIN).await;
    }
}

async fn serve(flow: &Arc<Flow>, killed: &Arc<Killed>, early: Option<Duration>) -> JoinHandle<()> {
    // One that is on its way already is waited for: what is killed must run.
    flow.ready().await;
    let (flow, killed) = (Arc::clone(flow), Arc::clone(killed));
    killed.note(Kind::Serve);
    if early.is_some() {
        killed.note(Kind::Serve);
    }
    tokio::spawn(async move {
        let took = flow.replace_serve(early).await;
        killed.took.lock().unwrap().entry(Kind::Serve).or_default().push(took);
        killed.tell("Serve back".to_owned());
    })
}

/// Who holds the sockets and who listens on them are not killed together: nobody would have them then. Nor is a router
/// while it has a visitor's first request on a new connection: no client sends that again, and none can be spared.
async fn router(flow: &Arc<Flow>, killed: &Arc<Killed>, seen: &Seen) -> JoinHandle<()> {
    one(&Role::Holder).await;
    let router = one(&Role::Router).await;
    let until = Instant::now() + PATIENCE;
    while seen.on_new.load(Ordering::SeqCst) > 0 {
        assert!(Instant::now() < until, "visitors on new connections are not answered");
        sleep(LOOK_AGAIN / 10).await;
    }
    let (addr, killed) = (flow.apps, Arc::clone(killed));
    let began = Instant::now();
    machine::kill(router.pid);
    killed.note(Kind::Router);
    tokio::spawn(async move {
        answered(addr).await;
        killed.took(Kind::Router, began);
    })
}

/// A new visitor is answered.
async fn answered(addr: SocketAddr) {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = async { Client::connect(addr).await?.get("shop.localhost", "/").await };
        match answer.await {
            Ok(answer) if answer.status == 200 => return,
            other => assert!(Instant::now() < until, "the router does not answer: {other:?}"),
        }
    }
}

async fn keeper(flow: &Arc<Flow>, killed: &Arc<Killed>, pick: u64) -> JoinHandle<()> {
    let processes = machine::processes();
    let mut keepers = processes.clone();
    keepers.retain(|process| matches!(process.role, Role::Keeper(_)));
    keepers.sort_by(|a, b| a.role.cmp(&b.role).then(a.pid.cmp(&b.pid)));
    let at = usize::try_from(pick).unwrap_or_default() % keepers.len().max(1);
    let Some(Process { pid, role: Role::Keeper(dyno), .. }) = keepers.get(at).cloned() else {
        return tokio::spawn(async {});
    };
    let (flow, killed, at) = (Arc::clone(flow), Arc::clone(killed), Instant::now());
    // Noted first: somebody may ask as soon as it is gone.
    let number = dyno.as_ref().map(|(app, dyno)| {
        let mut victims = killed.victims.lock().unwrap();
        victims.push(Victim { app: app.clone(), dyno: dyno.clone(), at, back: None });
        victims.len() - 1
    });
    if dyno.is_none() {
        killed.nameless.store(true, Ordering::SeqCst);
        // Its cgroup is in nobody's books yet: a nursery sweeps it away when it has been empty for a minute.
        killed.look(&processes);
        let seen = killed.cgroups.lock().unwrap();
        let its = seen.iter().filter(|(_, keeper)| **keeper == pid).map(|(name, _)| name.clone());
        killed.unbooked.lock().unwrap().extend(its);
    }
    machine::kill(pid);
    killed.note(Kind::Keeper);
    tokio::spawn(async move {
        let (Some(number), Some((app, dyno))) = (number, dyno) else { return };
        if dyno.starts_with("web.") || dyno.starts_with("worker.") {
            if is_up_again(&flow, &app, &dyno, pid).await {
                killed.took(Kind::Keeper, at);
            }
            killed.victims.lock().unwrap()[number].back = Some(Instant::now());
        }
    })
}

/// Waits until a dyno of that name has another keeper and is up. `false`: none is wanted any more, or it had to wait,
/// because it ended before.
async fn is_up_again(flow: &Flow, app: &str, dyno: &str, killed: i32) -> bool {
    let mut until = Instant::now() + PATIENCE;
    let mut waited = false;
    let wanted = Role::Keeper(Some((app.to_owned(), dyno.to_owned())));
    let mut missing = 0;
    while Instant::now() < until {
        sleep(LOOK_AGAIN * 5).await;
        let others = |process: &&Process| process.role == wanted && process.pid != killed;
        let keepers = machine::processes().iter().filter(others).count();
        let Ok(answer) = flow.attempt("GET", &format!("/apps/{app}/dynos"), None).await else { continue };
        let known = answer.json();
        let states: Vec<&str> = known
            .as_array()
            .map(|all| all.iter().filter(|known| known["name"] == dyno).filter_map(|known| known["state"].as_str()))
            .into_iter()
            .flatten()
            .collect();
        // While more are listed than have keepers, the one that was killed may still be taken for one that is up, beside
        // one of the next release that is not.
        if keepers >= states.len() && states.contains(&"up") {
            return !waited;
        }
        missing = if states.is_empty() { missing + 1 } else { 0 };
        if missing > 20 {
            return false;
        }
        if states.contains(&"crashed") && !waited {
            (waited, until) = (true, until + LONGEST_BACKOFF);
        }
    }
    panic!("{dyno} of {app} does not come back");
}

/// Another one follows; the nursery only when somebody needs it. `visited`: what is killed holds these sockets. A router that was just
/// started may not have them yet; one that answers does.
async fn part(killed: &Arc<Killed>, kind: Kind, role: Role, visited: Option<SocketAddr>) -> JoinHandle<()> {
    if let Some(apps) = visited {
        answered(apps).await;
    }
    let pid = one(&role).await.pid;
    let (began, killed) = (Instant::now(), Arc::clone(killed));
    machine::kill(pid);
    killed.note(kind);
    let back = async move {
        another(&role, pid).await;
        killed.took(kind, began);
    };
    if visited.is_some() {
        back.await;
        return tokio::spawn(async {});
    }
    tokio::spawn(back)
}
