//! What came of a run, in figures.

use crate::changes::Tally;
use crate::kills::{Killed, Kind, Victim};
use crate::visitors::{Failure, Seen};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One line on the way.
pub(crate) fn progress(killed: &Killed, tally: &Tally, seen: &Seen) -> String {
    format!(
        "{} kills, {} requests, {} retried, {} not answered with 200, {} changes accepted",
        killed.total(),
        seen.requests.load(Ordering::Relaxed),
        seen.retried.load(Ordering::Relaxed),
        seen.failures.lock().unwrap().len(),
        tally.acknowledged.load(Ordering::Relaxed),
    )
}

/// The figures at the end.
pub(crate) struct Summary {
    seed: u64,
    kills: BTreeMap<Kind, u64>,
    slowest: BTreeMap<Kind, Duration>,
    requests: u64,
    retried: u64,
    failed: Vec<Failure>,
    on_killed: usize,
    p50: Duration,
    p99: Duration,
    accepted: u64,
    unheard: u64,
    declined: u64,
    lost: usize,
}

impl Summary {
    pub(crate) fn of(seed: u64, killed: &Killed, tally: &Tally, seen: &Seen, lost: usize) -> Self {
        let victims = killed.victims.lock().unwrap();
        let failures = seen.failures.lock().unwrap().clone();
        let (on_killed, failed): (Vec<_>, Vec<_>) =
            failures.into_iter().partition(|failure| victims.iter().any(|victim| met(failure, victim)));
        let mut took = seen.took_us.lock().unwrap().clone();
        took.sort_unstable();
        let at = |percent: usize| {
            let took = took.get((took.len() * percent / 100).min(took.len().saturating_sub(1)));
            Duration::from_micros(took.copied().unwrap_or_default().into())
        };
        let slowest = |(kind, took): (&Kind, &Vec<Duration>)| Some((*kind, took.iter().max().copied()?));
        Self {
            seed,
            kills: killed.count.lock().unwrap().clone(),
            slowest: killed.took.lock().unwrap().iter().filter_map(slowest).collect(),
            requests: seen.requests.load(Ordering::Relaxed),
            retried: seen.retried.load(Ordering::Relaxed),
            on_killed: on_killed.len(),
            failed,
            p50: at(50),
            p99: at(99),
            accepted: tally.acknowledged.load(Ordering::Relaxed),
            unheard: tally.unheard.load(Ordering::Relaxed),
            declined: tally.declined.load(Ordering::Relaxed),
            lost,
        }
    }

    /// Requests that nobody's death excuses.
    pub(crate) fn failed(&self) -> &[Failure] {
        &self.failed
    }
}

/// Was the request on a web dyno whose keeper was killed, or came it while that dyno was away? Only then may the app's
/// answer break off, or the router say that there is none.
fn met(failure: &Failure, victim: &Victim) -> bool {
    let in_time = failure.to >= victim.at && victim.back.is_none_or(|back| failure.from <= back);
    let broke = failure.by_router || failure.why.starts_with("the body");
    victim.app == failure.app && victim.dyno.starts_with("web.") && in_time && broke
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.kills.values().sum();
        writeln!(f, "chaos: seed {}: {total} kills {:?}", self.seed, self.kills)?;
        writeln!(
            f,
            "chaos: {} requests, {} failed, {} failed on dynos whose keeper was killed, {} retried by the client",
            self.requests,
            self.failed.len(),
            self.on_killed,
            self.retried
        )?;
        writeln!(f, "chaos: answered in p50 {:?}, p99 {:?}; slowest return {:?}", self.p50, self.p99, self.slowest)?;
        write!(
            f,
            "chaos: {} changes accepted, {} found wrong; {} whose answer was lost with the server, {} declined with a reason",
            self.accepted, self.lost, self.unheard, self.declined
        )
    }
}
