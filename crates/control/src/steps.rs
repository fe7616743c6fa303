//! The builder's steps in the runtime's sandbox: hands stay apart, this joins them.

use crate::{Control, life, quota, sandbox};
use async_trait::async_trait;
use builder::{RunError, Runner, Step};
use model::build::{BUILD_LIMIT_S, Build};
use model::dyno::{Exit, Limits, OutOfMemory, Slice};
use model::test_run::TestRun;
use runtime::{DynoControl, DynoSpec, Output};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a step of a build may use: as much memory as the larger hosted builders give, less CPU than dynos that serve. The
/// disk holds a source (1 GB), what its dependencies unpack to, the cache and the slug, with room for a compiler's own files.
pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: MEMORY_BYTES,
    memory_hard_bytes: MEMORY_BYTES,
    processes: 4096,
    cpu_weight: 100,
    cpu_quota_percent: None,
    open_files: 10_000,
    disk_bytes: 16 * 1024 * 1024 * 1024,
};

const MEMORY_BYTES: u64 = 2560 * 1024 * 1024;

/// Runs the steps of one build or test run, all of them within its limit.
pub(crate) struct SandboxRunner {
    control: Control,
    labels: [(&'static str, String); 3],
    /// `build` or `test run`.
    what: &'static str,
    limit: Duration,
    deadline: Instant,
    /// Told when somebody ends it.
    cancelled: Option<watch::Receiver<bool>>,
    halted: Mutex<Option<Halt>>,
}

/// Why a step was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// It took too long.
    Late,
    /// It wrote too much.
    Disk,
    /// Somebody cancelled it.
    Cancelled,
}

impl SandboxRunner {
    /// For the steps of a build; `cancelled` ends the one that runs.
    pub(crate) fn new(control: Control, build: &Build, cancelled: watch::Receiver<bool>) -> Self {
        let labels = [("role", "build".to_owned()), ("build", build.id.to_string()), ("app", build.app.to_string())];
        Self { cancelled: Some(cancelled), ..Self::within(control, labels, "build", BUILD_LIMIT_S) }
    }

    /// For the steps of a test run, which may be cancelled.
    pub(crate) fn of_tests(control: Control, run: &TestRun, limit_s: u64, cancelled: watch::Receiver<bool>) -> Self {
        let of = run.pipeline.to_string();
        // To whoever adopts what outlived a server, it is a step of a build that nobody waits for.
        let labels = [("role", "build".to_owned()), ("test_run", run.id.to_string()), ("pipeline", of)];
        Self { cancelled: Some(cancelled), ..Self::within(control, labels, "test run", limit_s) }
    }

    fn within(control: Control, labels: [(&'static str, String); 3], what: &'static str, limit_s: u64) -> Self {
        let limit = Duration::from_secs(limit_s);
        let deadline = Instant::now() + limit;
        Self { control, labels, what, limit, deadline, cancelled: None, halted: Mutex::default() }
    }

    /// Why the last step was ended from outside, if it was.
    pub(crate) fn halted(&self) -> Option<Halt> {
        *self.halted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a step.
    fn halt(&self, handle: &DynoControl, why: Halt) {
        self.halted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        life::kill(handle);
    }

    /// Waits until somebody cancels it; for ever where nobody can.
    async fn cancelled(&self) {
        if let Some(cancelled) = &self.cancelled
            && cancelled.clone().wait_for(|cancelled| *cancelled).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    fn too_late(&self) -> String {
        let limit = spoken(self.limit.as_secs());
        format!(" !     The {} took longer than {limit}, which is the limit, and is ended.", self.what)
    }
}

#[async_trait]
impl Runner for SandboxRunner {
    async fn run(&self, step: Step, lines: Sender<String>) -> Result<Exit, RunError> {
        let mut mounts = step.mounts;
        mounts.push(sandbox::own_binary(&self.control));
        let labels = self.labels.clone();
        let spec = DynoSpec {
            id: self.control.world.new_id(),
            name: step.name,
            argv: step.argv,
            cwd: step.cwd,
            env: step.env,
            root: None,
            mounts,
            limits: step.limits,
            slice: Slice::Builds,
            port: false,
            attach: None,
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        let started = self.control.runtime.start(spec.clone()).await;
        let mut dyno = started.map_err(|error| RunError(error.to_string()))?;
        let handle = dyno.control();
        let mut watched = quota::step(&self.control, &spec, &handle);
        let (mut late, mut cancelled) = (false, false);
        loop {
            tokio::select! {
                output = dyno.next() => match output {
                    Some(Output::Line { seq, text, .. }) => {
                        // Whoever watches may have left; the step goes on.
                        let _left = lines.send(text).await.is_err();
                        handle.ack(seq).await;
                    }
                    Some(Output::Dropped { count }) => {
                        let _left = lines.send(format!(" !     {count} lines were lost")).await.is_err();
                    }
                    Some(Output::Exited(exit)) => {
                        if let Some(why) = handle.ended().await.out_of_memory {
                            let said = out_of_memory(self.what, why, step.limits.memory_bytes);
                            let _left = lines.send(said).await.is_err();
                        }
                        if let Err(error) = handle.finish().await {
                            tracing::warn!(%error, "A build step's folder was not removed");
                        }
                        return Ok(exit);
                    }
                    None => return Ok(Exit::Lost),
                },
                over = watched.over() => {
                    let _left = lines.send(format!(" !     {}.", over.of_build())).await.is_err();
                    self.halt(&handle, Halt::Disk);
                }
                () = self.cancelled(), if !cancelled => {
                    cancelled = true;
                    self.halt(&handle, Halt::Cancelled);
                }
                () = tokio::time::sleep_until(self.deadline), if !late => {
                    late = true;
                    let _left = lines.send(self.too_late()).await.is_err();
                    self.halt(&handle, Halt::Late);
                }
            }
        }
    }
}

fn out_of_memory(what: &str, why: OutOfMemory, limit_bytes: u64) -> String {
    match why {
        OutOfMemory::Dyno => {
            format!(" !     The {what} needs more memory than the {} MB that it gets.", limit_bytes >> 20)
        }
        OutOfMemory::Machine => format!(" !     The machine ran out of memory during the {what}; try again later."),
    }
}

/// `15 minutes`, or `90 seconds` where it is no whole number of minutes.
pub(crate) fn spoken(limit_s: u64) -> String {
    if limit_s.is_multiple_of(60) { format!("{} minutes", limit_s / 60) } else { format!("{limit_s} seconds") }
}
