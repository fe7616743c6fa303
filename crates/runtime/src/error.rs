//! What can go wrong with a dyno.

use crate::spec::SpecError;
use std::io;
use std::path::PathBuf;

/// Why the runtime could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The specification makes no sense.
    #[error("cannot run {name}: {source}")]
    Spec {
        /// The dyno.
        name: String,
        /// What is wrong with it.
        #[source]
        source: SpecError,
    },
    /// A folder or file of the runtime.
    #[error("cannot use `{}`: {source}; check its owner, its mode and the free space", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The nursery process did not start or went away.
    #[error("the keeper process `{} keeper nursery` cannot be used: {source}", exe.display())]
    Nursery {
        /// The program.
        exe: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The nursery runs but refuses.
    #[error("dynos cannot be started here: {0}; `flowline doctor` says what this machine lacks")]
    Refused(String),
    /// The sandbox could not be built, or its keeper went away meanwhile.
    #[error("cannot start {name}: {reason}; `flowline doctor` says what this machine lacks")]
    Sandbox {
        /// The dyno.
        name: String,
        /// Which step failed, and why.
        reason: String,
    },
    /// No port is left on the loopback address.
    #[error("no free port is left for {name}: stop some dynos first")]
    NoPort {
        /// The dyno.
        name: String,
    },
}

impl RuntimeError {
    pub(crate) fn folder(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder { path, source }
    }
}
