//! Figures of this server for whoever watches it. What is counted is counted since its start.

use crate::autoscale::Autoscaler;
use crate::{Control, error_count, traffic, usage};
use model::build::BuildState;
use model::disk::Space;
use model::dyno::DynoState;
use model::id::AppId;
use model::log::LogLine;
use model::release::ReleaseStatus;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::StoreError;
use tokio::time::{MissedTickBehavior, interval};

/// Upper ends of the classes of a duration, in seconds: from a Procfile app's build to the longest release command.
pub const CLASSES_S: [f64; 12] = [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0];

/// How often what is kept of the counts is written.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// How long things took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Durations {
    /// How many were in each of [`CLASSES_S`], and not in the one before.
    pub classes: [u64; CLASSES_S.len()],
    /// How many there were.
    pub count: u64,
    /// All of them together.
    pub sum_s: f64,
}

impl Durations {
    fn add(&mut self, took: Duration) {
        let took_s = took.as_secs_f64();
        if let Some(class) = CLASSES_S.iter().position(|end| took_s <= *end) {
            self.classes[class] += 1;
        }
        self.count += 1;
        self.sum_s += took_s;
    }
}

/// Durations by how it came out.
pub type ByStatus = BTreeMap<&'static str, Durations>;

/// What is counted while the server runs.
#[derive(Default)]
pub(crate) struct Counters {
    builds: Mutex<ByStatus>,
    releases: Mutex<ByStatus>,
    log_lines: AtomicU64,
    /// Errors that lines tell of, by hour.
    pub(crate) errors: error_count::Tally,
    /// Requests, by hour.
    pub(crate) traffic: traffic::Tally,
    /// Response times of the apps that are scaled.
    pub(crate) autoscaler: Autoscaler,
}

impl Counters {
    /// A build is over.
    pub(crate) fn build(&self, state: &BuildState, took: Duration) {
        add(&self.builds, state.word(), took);
    }

    /// A release is decided.
    pub(crate) fn release(&self, status: ReleaseStatus, took: Duration) {
        add(&self.releases, status.word(), took);
    }

    /// A line goes into a log.
    pub(crate) fn log_line(&self, app: AppId, line: &LogLine) {
        self.log_lines.fetch_add(1, Ordering::Relaxed);
        self.errors.note(app, line);
    }
}

/// Writes what is counted by hour, from time to time; nothing while there is nothing.
pub(crate) fn look_after(control: &Control) {
    let control = control.clone();
    tokio::spawn(async move {
        let mut ticks = interval(WRITTEN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            write_or_warn(&control).await;
        }
    });
}

/// Writes what is counted by hour by now.
pub(crate) async fn write_or_warn(control: &Control) {
    error_count::write_or_warn(control).await;
    traffic::write_or_warn(control).await;
}

fn add(counted: &Mutex<ByStatus>, word: &'static str, took: Duration) {
    counted.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default().add(took);
}

/// What was counted, also of what has not happened yet: a figure that is missing cannot be told from a scrape that failed.
fn counted(counted: &Mutex<ByStatus>, words: [&'static str; 2]) -> ByStatus {
    let mut all = words.map(|word| (word, Durations::default())).into_iter().collect::<ByStatus>();
    all.extend(counted.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(word, took)| (*word, *took)));
    all
}

/// All figures at one moment.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Apps that there are.
    pub apps: u64,
    /// Dynos that there are, by the word of their state.
    pub dynos: BTreeMap<&'static str, u64>,
    /// Builds under way or waiting for their turn.
    pub pending_builds: u64,
    /// Releases whose command runs.
    pub pending_releases: u64,
    /// How long builds took, from their begin to their end.
    pub builds: ByStatus,
    /// How long releases took, from being made to being decided.
    pub releases: ByStatus,
    /// Lines that went into logs.
    pub log_lines: u64,
    /// The disk of the data folder.
    pub disk: Option<Space>,
    /// What dynos and builds had written when they were measured last.
    pub written_bytes: u64,
    /// Memory that this process holds.
    pub resident_bytes: Option<u64>,
    /// Files and sockets that this process holds open.
    pub open_files: Option<u64>,
}

/// Reads them.
///
/// # Errors
/// When the database fails.
pub async fn figures(control: &Control) -> Result<Figures, StoreError> {
    let db = control.store.db();
    let retry_at = control.now();
    let states =
        [DynoState::Starting, DynoState::Up, DynoState::Idle, DynoState::Stopping, DynoState::Crashed { retry_at }];
    let mut dynos: BTreeMap<&'static str, u64> = states.map(|state| (state.word(), 0)).into();
    for word in control.registry.states() {
        *dynos.entry(word).or_default() += 1;
    }
    Ok(Figures {
        apps: store::app::count(db).await?,
        dynos,
        pending_builds: store::build::pending(db).await?.len() as u64,
        pending_releases: store::release::pending(db).await?.len() as u64,
        builds: counted(&control.counters.builds, ["succeeded", "failed"]),
        releases: counted(&control.counters.releases, ["succeeded", "failed"]),
        log_lines: control.counters.log_lines.load(Ordering::Relaxed),
        disk: usage::space(control),
        written_bytes: usage::written_bytes(control),
        resident_bytes: resident_bytes(),
        open_files: open_files(),
    })
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files() -> Option<u64> {
    // The folder that is read is open itself.
    std::fs::read_dir("/proc/self/fd").ok().map(|entries| (entries.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_one_class_and_the_longest_in_none() {
        let mut durations = Durations::default();
        for took_s in [0, 1, 2, 7200] {
            durations.add(Duration::from_secs(took_s));
        }
        assert_eq!((durations.count, durations.classes.iter().sum::<u64>()), (4, 3));
        assert_eq!(durations.classes[..3], [1, 1, 1]);
        assert!((durations.sum_s - 7203.0).abs() < 1e-9);
    }

    #[test]
    fn this_process_holds_memory_and_files() {
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(open_files().unwrap() >= 3);
    }
}
