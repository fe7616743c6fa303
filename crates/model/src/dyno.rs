//! A dyno: one run of a process, its name, size and state.

use crate::id::{AppId, DynoId, ReleaseId};
use crate::procfile::{BadProcessType, ProcessType};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

pub use crate::size::{DynoSize, Limits, NoSuchSize};

/// A web dyno must accept connections within this time (R10, DYNO-20).
pub const BOOT_LIMIT_S: u64 = 60;

/// Between SIGTERM and SIGKILL (R12, DYNO-30).
pub const STOP_GRACE_S: u64 = 30;

/// The longest life a client may ask for a one-off dyno: a day (DYNO-50).
pub const TIME_TO_LIVE_LIMIT_S: u64 = 86_400;

/// The identity of every dyno and build. Far outside the ranges of people, services and subordinate ids, so that no
/// file of the host belongs to it.
pub const DYNO_UID: u32 = 2_000_000_001;

/// The group of [`DYNO_UID`].
pub const DYNO_GID: u32 = DYNO_UID;

/// `web.1`, `run.4321`, `release.1234` (DYNO-24).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DynoName {
    /// The process type.
    pub process_type: ProcessType,
    /// Counted from 1 in a formation; random for one-off dynos.
    pub number: u32,
}

/// Text that is no dyno's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a dyno: write for example web.1")]
pub struct BadDynoName(pub String);

impl FromStr for DynoName {
    type Err = BadDynoName;

    fn from_str(text: &str) -> Result<Self, BadDynoName> {
        let bad = || BadDynoName(text.to_owned());
        let (process_type, number) = text.rsplit_once('.').ok_or_else(bad)?;
        let process_type = process_type.parse().map_err(|_: BadProcessType| bad())?;
        let number = number.parse().map_err(|_| bad())?;
        Ok(Self { process_type, number })
    }
}

impl fmt::Display for DynoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process_type, self.number)
    }
}

/// Why a dyno exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynoRole {
    /// The formation wants it: it is restarted when it ends.
    Formation,
    /// Somebody asked for it: it ends by itself.
    OneOff,
    /// It runs a release command.
    Release,
    /// It checks a release on the running server.
    Verify,
    /// It runs a step of a build.
    Build,
}

/// One run of a process, as the control plane knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dyno {
    /// Its id; a restart makes a new one.
    pub id: DynoId,
    /// Whose.
    pub app: AppId,
    /// `web.1`.
    pub name: DynoName,
    /// Why it exists.
    pub role: DynoRole,
    /// Its limits.
    pub size: DynoSize,
    /// What it runs.
    pub command: String,
    /// The release it runs.
    pub release: ReleaseId,
    /// That release's number.
    pub version: i64,
    /// Where it listens, if it was given a `PORT`.
    pub addr: Option<SocketAddr>,
    /// How it is.
    pub state: DynoState,
    /// Since when.
    pub since: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// A restart was asked for: it is replaced as if it ran an old release.
    pub retired: bool,
}

/// How a dyno is. It only moves forward: a restart is another dyno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynoState {
    /// Started, not yet accepting.
    Starting,
    /// Serving, or just running where it has no port.
    Up,
    /// Serving, but frozen because nobody asks for it; the next request goes on with it.
    Idle,
    /// Told to end.
    Stopping,
    /// Ended when it should not have; another one follows at that moment.
    Crashed {
        /// When the next attempt is due.
        retry_at: Timestamp,
    },
}

impl DynoState {
    /// As the Platform API says it (DYNO-37).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Idle => "idle",
            Self::Stopping => "down",
            Self::Crashed { .. } => "crashed",
        }
    }

    /// Is there a process behind it?
    #[must_use]
    pub fn runs(self) -> bool {
        match self {
            Self::Starting | Self::Up | Self::Idle | Self::Stopping => true,
            Self::Crashed { .. } => false,
        }
    }
}

/// The branch of the machine's budget that a sandbox takes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slice {
    /// Whatever serves and works for apps.
    #[default]
    Apps,
    /// Builds: a smaller share of the CPU, and the first to go when memory is short.
    Builds,
}

/// Whose memory it was that ran out when the kernel killed a process of a dyno.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutOfMemory {
    /// The dyno was at its own limit.
    Dyno,
    /// All that Flowline runs, or the whole machine.
    Machine,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started or was lost.
    Lost,
}

impl Exit {
    /// The number in `Process exited with status N`: 128 + signal, as a shell says it.
    #[must_use]
    pub fn status(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::Lost => 255,
        }
    }

    /// Exit status 0?
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dyno_24_names() {
        let name: DynoName = "mcp-heroku.12".parse().unwrap();
        assert_eq!((name.process_type.as_str(), name.number), ("mcp-heroku", 12));
        for bad in ["web", "web.", "web.x", ".1", "a b.1", "web.-1"] {
            assert!(bad.parse::<DynoName>().is_err(), "{bad}");
        }
    }
}
