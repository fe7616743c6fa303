//! Bare repositories through the git binary: one per app, served over smart HTTP, built inside the push.
//!
//! A push runs `git receive-pack`, which runs our `pre-receive` hook (`hook`), which asks the control plane: the answer
//! decides whether the refs move. Nothing here knows which branches are built.

mod command;
mod commit;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hook;
mod output;
mod refs;
mod repository;
mod rpc;
mod upkeep;

pub use output::Output;
pub use refs::{NotARef, NotAnObjectId, ObjectId, RefName, RefUpdate};
pub use repository::FILE_LIMIT_BYTES;
pub use rpc::{Service, UnknownService};
pub use upkeep::Upkeep;

use model::id::AppId;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// git processes at once, over all apps: each holds two pipes and a few MB, and a push holds its own during the build.
const PROCESSES_LIMIT: usize = 128;

/// What could not be done with a repository.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The app has no repository (yet).
    #[error("app {0} has no git repository: create the app again, or push after its creation is finished")]
    NoRepository(AppId),
    /// [`PROCESSES_LIMIT`] processes run already.
    #[error("{PROCESSES_LIMIT} git requests are being served already: try again in a moment")]
    Busy,
    /// The program could not be started.
    #[error("git could not be started: is git 2.39 or newer installed and in PATH?")]
    Start(#[source] io::Error),
    /// git ran and said no.
    #[error("`git {verb}` failed: {stderr}")]
    Failed {
        /// The git command, such as `init`.
        verb: &'static str,
        /// What git printed about it, cut.
        stderr: String,
    },
    /// A file or folder beside the repositories could not be read or written.
    #[error("{} could not be used: check its owner, its mode and the free space", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file in a repository is over [`FILE_LIMIT_BYTES`].
    #[error("{path} is larger than {FILE_LIMIT_BYTES} bytes: make it smaller and push again")]
    FileTooLarge {
        /// Its path in the tree.
        path: String,
    },
}

/// Where the repositories lie and whom their hooks ask.
#[derive(Debug, Clone)]
pub struct GitConfig {
    /// Folder of the bare repositories, `<app id>.git`; made when absent.
    pub repos_dir: PathBuf,
    /// The flowline binary, absolute: hooks run `<exe> hook pre-receive`.
    pub exe: PathBuf,
    /// The socket on which a [`hook::Listener`] waits, absolute.
    pub hook_sock: PathBuf,
    /// `PATH` for git and its hooks; nothing else of the environment reaches them.
    pub path: OsString,
    /// The largest pack that a push may bring, in bytes; a gigabyte at most in any case.
    pub pack_limit_bytes: u64,
}

/// All repositories of this Flowline. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Git {
    config: Arc<GitConfig>,
    processes: Arc<Semaphore>,
    lanes: Arc<upkeep::Lanes>,
}

impl Git {
    /// Makes the folders that every repository shares: the hooks and an empty home.
    ///
    /// # Errors
    /// When the folders cannot be written.
    pub async fn open(config: GitConfig) -> Result<Self, GitError> {
        repository::prepare(&config.repos_dir).await?;
        Ok(Self {
            config: Arc::new(config),
            processes: Arc::new(Semaphore::new(PROCESSES_LIMIT)),
            lanes: Arc::default(),
        })
    }

    /// The repository's folder.
    #[must_use]
    pub fn path(&self, app: AppId) -> PathBuf {
        self.config.repos_dir.join(format!("{app}.git"))
    }

    /// The folder of an app that has a repository.
    async fn existing(&self, app: AppId) -> Result<PathBuf, GitError> {
        let path = self.path(app);
        match tokio::fs::try_exists(path.join("HEAD")).await {
            Ok(true) => Ok(path),
            Ok(false) => Err(GitError::NoRepository(app)),
            Err(source) => Err(GitError::Folder { path, source }),
        }
    }
}

/// Wraps an I/O error with the path it is about.
fn folder(path: &Path) -> impl FnOnce(io::Error) -> GitError {
    let path = path.to_owned();
    move |source| GitError::Folder { path, source }
}
