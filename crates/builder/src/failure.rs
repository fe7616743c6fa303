//! Why a build came to nothing, in the user's words.

use crate::slugignore::SlugignoreError;
use crate::slugs::SlugError;
use crate::step::RunError;
use crate::storage::StorageError;
use model::dyno::Exit;
use model::procfile::ProcfileError;
use model::slug::SLUG_LIMIT_BYTES;
use std::io;

/// Why there is no slug. Its lines were already sent to whoever watches the build.
#[derive(Debug, thiserror::Error)]
pub enum BuildFailure {
    /// No pack wants it.
    #[error("No default language could be detected for this app{}", if *.empty { ": the repository is empty" } else { "" })]
    NothingDetected {
        /// There is no file at all.
        empty: bool,
    },
    /// A pack that was asked for does not want it.
    #[error("App not compatible with buildpack {0}")]
    NotCompatible(String),
    /// A pack that this server does not have.
    #[error("There is no buildpack `{asked}` on this server; it has {known}")]
    NoSuchPack {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// A pack failed.
    #[error("failed to compile {pack} app ({})", ended(*.exit))]
    Compile {
        /// What the pack calls itself.
        pack: String,
        /// How it ended.
        exit: Exit,
    },
    /// A pack's own output cannot be used.
    #[error("Buildpack {pack}: {what}")]
    Pack {
        /// What the pack calls itself.
        pack: String,
        /// What is wrong with it.
        what: String,
    },
    /// Its Procfile.
    #[error(transparent)]
    Procfile(#[from] ProcfileError),
    /// Its Procfile is a folder, or a link to nowhere.
    #[error("Procfile cannot be read: {0}")]
    ProcfileUnreadable(String),
    /// Its .slugignore.
    #[error(transparent)]
    Slugignore(#[from] SlugignoreError),
    /// Over [`SLUG_LIMIT_BYTES`].
    #[error("Compiled slug size: {} is too large (max is {}M)", megabytes(*.size_bytes), SLUG_LIMIT_BYTES / MIB)]
    SlugTooLarge {
        /// What it takes.
        size_bytes: u64,
    },
    /// The slug could not be stored.
    #[error(transparent)]
    Slug(#[from] SlugError),
    /// The sandbox.
    #[error("The build could not be run: {0}")]
    Run(#[from] RunError),
    /// The machine.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        source: io::Error,
    },
}

impl From<StorageError> for BuildFailure {
    fn from(error: StorageError) -> Self {
        Self::Slug(error.into())
    }
}

const MIB: u64 = 1024 * 1024;

/// `12.3M`, or `45.6K` below a megabyte, as builds say it.
pub(crate) fn megabytes(bytes: u64) -> String {
    let (unit, letter) = if bytes < MIB { (1024, 'K') } else { (MIB, 'M') };
    let tenths = (bytes * 10 + unit / 2) / unit;
    format!("{}.{}{letter}", tenths / 10, tenths % 10)
}

/// How a program ended, with the likely reason.
fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(9) => {
            "killed: the lines above say why, or else it needed more memory than a build may take".to_owned()
        }
        Exit::Signal(signal) => format!("ended by signal {signal}"),
        Exit::Lost => "its process was lost".to_owned(),
    }
}

impl BuildFailure {
    /// Wraps an error of the machine: `Could not make the build's folders: No space left on device`.
    pub(crate) fn io(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        move |source| Self::Io { what, source }
    }

    /// What the user sees, in the conventional layout; ends with `Push failed`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.reasons();
        lines.extend([String::new(), " !     Push failed".to_owned()]);
        lines
    }

    /// The same where it was no push that failed: whoever runs the tests tells what becomes of them.
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::Compile { .. } => Vec::new(),
            Self::NothingDetected { .. }
            | Self::NotCompatible(_)
            | Self::SlugTooLarge { .. }
            | Self::NoSuchPack { .. }
            | Self::Pack { .. }
            | Self::Procfile(_)
            | Self::ProcfileUnreadable(_)
            | Self::Slugignore(_)
            | Self::Slug(_)
            | Self::Run(_)
            | Self::Io { .. } => self.reasons(),
        }
    }

    fn reasons(&self) -> Vec<String> {
        match self {
            Self::NothingDetected { empty } => nothing_detected(*empty),
            Self::NotCompatible(pack) => vec![
                format!("-----> App not compatible with buildpack: {pack}"),
                "       Its bin/detect found nothing to build; remove the buildpack or add the file that it looks for."
                    .to_owned(),
            ],
            Self::Compile { pack, exit } => {
                let mut lines = vec![format!(" !     Push rejected, failed to compile {pack} app.")];
                match exit {
                    Exit::Code(_) => {}
                    Exit::Signal(_) | Exit::Lost => lines.push(format!(" !     It was {}.", ended(*exit))),
                }
                lines
            }
            Self::SlugTooLarge { .. } => vec![
                format!(" !     {self}."),
                " !     Leave out what the app does not need at run time, for example with a .slugignore file."
                    .to_owned(),
            ],
            Self::NoSuchPack { .. }
            | Self::Pack { .. }
            | Self::Procfile(_)
            | Self::ProcfileUnreadable(_)
            | Self::Slugignore(_)
            | Self::Slug(_)
            | Self::Run(_)
            | Self::Io { .. } => vec![format!(" !     {self}.")],
        }
    }

    /// The status of the program that failed, if one did.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Compile { exit, .. } => Some(exit.status()),
            Self::NothingDetected { .. }
            | Self::NotCompatible(_)
            | Self::SlugTooLarge { .. }
            | Self::NoSuchPack { .. }
            | Self::Pack { .. }
            | Self::Procfile(_)
            | Self::ProcfileUnreadable(_)
            | Self::Slugignore(_)
            | Self::Slug(_)
            | Self::Run(_)
            | Self::Io { .. } => None,
        }
    }
}

fn nothing_detected(empty: bool) -> Vec<String> {
    let mut lines = vec![" !     No default language could be detected for this app.".to_owned()];
    let hints: &[&str] = if empty {
        &["HINT: The repository is empty: commit the app's files, then push again."]
    } else {
        &[
            "HINT: This occurs when no buildpack finds a file that it knows in the top folder of the repository:",
            "      package.json (Node.js), requirements.txt, pyproject.toml or manage.py (Python),",
            "      index.html or static.json (static site), or a Procfile.",
            "      Is the app in a subfolder? Push that folder as the top of its own repository.",
        ]
    };
    lines.extend(hints.iter().map(|hint| format!("\t\t\t{hint}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_the_layout_that_users_know() {
        let failure = BuildFailure::Compile { pack: "Python".into(), exit: Exit::Code(1) };
        assert_eq!(failure.lines(), [" !     Push rejected, failed to compile Python app.", "", " !     Push failed"]);
        let failure = BuildFailure::SlugTooLarge { size_bytes: 526_909_440 };
        assert_eq!(failure.lines()[0], " !     Compiled slug size: 502.5M is too large (max is 500M).");
        let empty = BuildFailure::NothingDetected { empty: true };
        assert!(empty.lines().iter().any(|line| line.contains("HINT: The repository is empty")));
        assert!(BuildFailure::NothingDetected { empty: false }.lines()[2].contains("package.json (Node.js)"));
    }

    #[test]
    fn sizes() {
        assert_eq!([0, 1100, 12_897_485].map(megabytes), ["0.0K", "1.1K", "12.3M"]);
    }
}
