//! What each thread counts: plain cells that nobody shares, added up when somebody asks.

use crate::activity::Activity;
use crate::failure::{Failure, Grade};
use crate::receipt::Receipt;
use model::id::AppId;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// 1xx to 5xx.
const CLASSES: usize = 5;

/// Upper bounds of the latency histogram, in microseconds; one more bucket takes what is slower.
pub(crate) const BOUNDS_US: [u64; 13] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    30_000_000,
];

const BUCKETS: usize = BOUNDS_US.len() + 1;

/// Of one app.
#[derive(Debug)]
pub(crate) struct Counts {
    by_class: [Cell<u64>; CLASSES],
    failed: Cell<u64>,
    held: Cell<u64>,
    open: Cell<u64>,
    /// When a request last began or ended.
    last: Cell<Instant>,
}

/// The counts of one app, of one thread or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) by_class: [u64; CLASSES],
    pub(crate) failed: u64,
    pub(crate) held: u64,
    pub(crate) open: u64,
    pub(crate) held_now: u64,
}

fn add(cell: &Cell<u64>, more: u64) {
    cell.set(cell.get().wrapping_add(more));
}

impl Counts {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            by_class: Default::default(),
            failed: Cell::default(),
            held: Cell::default(),
            open: Cell::default(),
            last: Cell::new(now),
        }
    }

    /// A request begins.
    pub(crate) fn opened(&self, now: Instant) {
        add(&self.open, 1);
        self.last.set(now);
    }

    /// A request waits for a dyno.
    pub(crate) fn held(&self) {
        add(&self.held, 1);
    }

    /// Requests that began and did not end.
    pub(crate) fn open(&self) -> u64 {
        self.open.get()
    }

    /// A request ended with this status.
    pub(crate) fn ended(&self, status: u16, failure: Option<Failure>, now: Instant) {
        self.last.set(now);
        self.open.set(self.open.get().saturating_sub(1));
        if let Some(class) = self.by_class.get(usize::from(status / 100).wrapping_sub(1)) {
            add(class, 1);
        }
        if failure.is_some_and(is_ours) {
            add(&self.failed, 1);
        }
    }

    pub(crate) fn activity(&self, now: Instant) -> Activity {
        let idle = now.saturating_duration_since(self.last.get());
        Activity { in_flight: self.open.get(), idle_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX) }
    }

    pub(crate) fn totals(&self, held_now: usize) -> Totals {
        Totals {
            by_class: std::array::from_fn(|class| self.by_class[class].get()),
            failed: self.failed.get(),
            held: self.held.get(),
            open: self.open.get(),
            held_now: held_now as u64,
        }
    }
}

/// A visitor got no answer of the app, and neither the visitor nor the app's owner wanted it so.
fn is_ours(failure: Failure) -> bool {
    let facts = failure.facts();
    facts.grade == Grade::Error && facts.status >= 500
}

impl Totals {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            by_class: std::array::from_fn(|class| self.by_class[class] + other.by_class[class]),
            failed: self.failed + other.failed,
            held: self.held + other.held,
            open: self.open + other.open,
            held_now: self.held_now + other.held_now,
        }
    }

    pub(crate) fn receipt(&self) -> Receipt {
        Receipt {
            router_pid: std::process::id(),
            in_flight: self.open,
            held_now: self.held_now,
            ended_total: self.by_class.iter().sum(),
            held_total: self.held,
            failed_total: self.failed,
        }
    }
}

/// How long requests took, of all apps.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    buckets: [Cell<u64>; BUCKETS],
    sum_us: Cell<u64>,
}

impl Latency {
    pub(crate) fn note(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| took_us <= *bound).unwrap_or(BOUNDS_US.len());
        add(&self.buckets[bucket], 1);
        add(&self.sum_us, took_us);
    }
}

/// Everything that one thread counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By id, with the name.
    pub(crate) apps: BTreeMap<AppId, (Box<str>, Totals)>,
    pub(crate) buckets: [u64; BUCKETS],
    pub(crate) sum_us: u64,
    pub(crate) connections: u64,
    /// Connections that had to make room for others.
    pub(crate) let_go: u64,
    /// Requests of which it was not to be known whose they are.
    pub(crate) nobodys: u64,
}

impl Tally {
    /// Adds what another thread counted.
    pub(crate) fn plus(mut self, other: Self) -> Self {
        for (id, (name, totals)) in other.apps {
            let (_, sum) = self.apps.entry(id).or_insert_with(|| (name, Totals::default()));
            *sum = sum.plus(totals);
        }
        self.add_latency(other.buckets, other.sum_us);
        self.connections += other.connections;
        self.let_go += other.let_go;
        self.nobodys += other.nobodys;
        self
    }

    pub(crate) fn with(mut self, latency: &Latency) -> Self {
        self.add_latency(std::array::from_fn(|bucket| latency.buckets[bucket].get()), latency.sum_us.get());
        self
    }

    fn add_latency(&mut self, buckets: [u64; BUCKETS], sum_us: u64) {
        self.buckets.iter_mut().zip(buckets).for_each(|(sum, more)| *sum += more);
        self.sum_us += sum_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_wanted_is_a_failed_request() {
        let now = Instant::now();
        let counts = Counts::new(now);
        let ends = [
            (200, None),
            (503, None),
            (503, Some(Failure::BootTimeout)),
            (502, Some(Failure::ResponseRestriction("x"))),
            (503, Some(Failure::Maintenance)),
            (502, Some(Failure::BlankApp)),
            (499, Some(Failure::ClientInterrupted)),
            (400, Some(Failure::BadRequest("x"))),
            (0, None),
        ];
        for (status, failure) in ends {
            counts.opened(now);
            counts.ended(status, failure, now);
        }
        counts.opened(now);
        let totals = counts.totals(0);
        assert_eq!((totals.by_class, totals.failed, totals.open), ([0, 1, 0, 2, 5], 2, 1));
        assert_eq!(totals.plus(totals).receipt().ended_total, 16);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let latency = Latency::default();
        for took_us in [0, 1_000, 1_001, 30_000_000, 30_000_001] {
            latency.note(Duration::from_micros(took_us));
        }
        let tally = Tally::default().with(&latency);
        assert_eq!((tally.buckets[0], tally.buckets[1], tally.buckets[12], tally.buckets[13]), (2, 1, 1, 1));
        assert_eq!(tally.sum_us, 60_002_002);
    }
}
