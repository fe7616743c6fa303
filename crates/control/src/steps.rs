//! The builder's steps in the runtime's sandbox: hands stay apart, this joins them.

use crate::{Control, quota, sandbox};
use async_trait::async_trait;
use builder::{RunError, Runner, Step};
use model::build::{BUILD_LIMIT_S, Build};
use model::dyno::{Exit, Limits, OutOfMemory, Slice};
use runtime::{DynoSpec, Output};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
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

/// Runs the steps of one build, all of them within the build limit.
pub(crate) struct SandboxRunner {
    control: Control,
    build: String,
    app: String,
    deadline: Instant,
}

impl SandboxRunner {
    pub(crate) fn new(control: Control, build: &Build) -> Self {
        let deadline = Instant::now() + Duration::from_secs(BUILD_LIMIT_S);
        Self { control, build: build.id.to_string(), app: build.app.to_string(), deadline }
    }
}

#[async_trait]
impl Runner for SandboxRunner {
    async fn run(&self, step: Step, lines: Sender<String>) -> Result<Exit, RunError> {
        let mut mounts = step.mounts;
        mounts.push(sandbox::own_binary(&self.control));
        let labels = [("role", "build"), ("build", &self.build), ("app", &self.app)];
        let spec = DynoSpec {
            id: self.control.world.new_id(),
            name: step.name,
            argv: step.argv,
            cwd: step.cwd,
            env: step.env,
            mounts,
            limits: step.limits,
            slice: Slice::Builds,
            port: false,
            attach: None,
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        };
        let started = self.control.runtime.start(spec.clone()).await;
        let mut dyno = started.map_err(|error| RunError(error.to_string()))?;
        let handle = dyno.control();
        let mut watched = quota::step(&self.control, &spec, &handle);
        let mut late = false;
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
                            let _left = lines.send(out_of_memory(why, step.limits.memory_bytes)).await.is_err();
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
                    crate::life::kill(&handle);
                }
                () = tokio::time::sleep_until(self.deadline), if !late => {
                    late = true;
                    let minutes = BUILD_LIMIT_S / 60;
                    let said = format!(" !     The build took longer than {minutes} minutes, which is the limit, and is ended.");
                    let _left = lines.send(said).await.is_err();
                    crate::life::kill(&handle);
                }
            }
        }
    }
}

fn out_of_memory(why: OutOfMemory, limit_bytes: u64) -> String {
    match why {
        OutOfMemory::Dyno => {
            format!(" !     The build needs more memory than the {} MB that builds get.", limit_bytes >> 20)
        }
        OutOfMemory::Machine => " !     The machine ran out of memory during the build; push again later.".to_owned(),
    }
}
