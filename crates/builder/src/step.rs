//! One program run in a sandbox. The builder says what; `control` lets the runtime do it.

use async_trait::async_trait;
use model::dyno::{Exit, Limits};
use model::mount::Mount;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::sync::mpsc::Sender;

/// One program to run.
#[derive(Debug, Clone)]
pub struct Step {
    /// The program and its arguments; a program without `/` is looked up in the sandbox's `PATH`.
    pub argv: Vec<String>,
    /// Where it starts, inside.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// What it sees beside the stack; later ones lie over earlier ones.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub limits: Limits,
    /// What it is called: `build.1`.
    pub name: String,
}

/// A step that could not be started, or was lost: the machine's trouble, not the app's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

/// Runs steps. It also ends one that takes longer than the build may.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Runs one step to its end; each line of its output goes to `lines`, whose receiver may be gone.
    async fn run(&self, step: Step, lines: Sender<String>) -> Result<Exit, RunError>;
}
