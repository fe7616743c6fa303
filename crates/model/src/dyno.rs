//! A dyno: one run of a process, its name, size and state.

use crate::id::{AppId, DynoId, ReleaseId};
use crate::procfile::{BadProcessType, ProcessType};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A web dyno must accept connections within this time (R10, DYNO-20).
pub const BOOT_LIMIT_S: u64 = 60;

/// Between SIGTERM and SIGKILL (R12, DYNO-30).
pub const STOP_GRACE_S: u64 = 30;

/// The longest life a client may ask for a one-off dyno: a day (DYNO-50).
pub const TIME_TO_LIVE_LIMIT_S: u64 = 86_400;

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

/// How much a dyno may use (section 8.2 of the behaviour rules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DynoSize {
    /// 512 MB.
    Eco,
    /// 512 MB.
    Basic,
    /// 512 MB.
    Standard1X,
    /// 1 GB.
    Standard2X,
    /// 2.5 GB.
    PerformanceM,
    /// 14 GB.
    PerformanceL,
}

/// A size that this server does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("No such dyno size: `{0}`. Use one of Eco, Basic, Standard-1X, Standard-2X, Performance-M, Performance-L")]
pub struct NoSuchSize(pub String);

impl DynoSize {
    /// All of them, smallest first.
    pub const ALL: [Self; 6] =
        [Self::Eco, Self::Basic, Self::Standard1X, Self::Standard2X, Self::PerformanceM, Self::PerformanceL];

    /// As the API reports it (CLI-12).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Eco => "Eco",
            Self::Basic => "Basic",
            Self::Standard1X => "Standard-1X",
            Self::Standard2X => "Standard-2X",
            Self::PerformanceM => "Performance-M",
            Self::PerformanceL => "Performance-L",
        }
    }

    /// What it may use.
    #[must_use]
    pub fn limits(self) -> Limits {
        let (memory_mib, processes, cpu_weight) = match self {
            Self::Eco | Self::Basic | Self::Standard1X => (512, 256, 100),
            Self::Standard2X => (1024, 512, 200),
            Self::PerformanceM => (2560, 16_384, 500),
            Self::PerformanceL => (14_336, 32_768, 1000),
        };
        Limits { memory_bytes: memory_mib * 1024 * 1024, processes, cpu_weight, open_files: 10_000 }
    }
}

impl FromStr for DynoSize {
    type Err = NoSuchSize;

    fn from_str(text: &str) -> Result<Self, NoSuchSize> {
        let known = Self::ALL.into_iter().find(|size| size.word().eq_ignore_ascii_case(text));
        known.ok_or_else(|| NoSuchSize(text.to_owned()))
    }
}

impl fmt::Display for DynoSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// RSS and page cache; beyond it the kernel reclaims, then kills.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Share of the CPU against other sandboxes when there is contention; 100 is an ordinary dyno.
    pub cpu_weight: u32,
    /// Open files per process; lowered to the machine's own hard limit where that is smaller.
    pub open_files: u64,
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

    #[test]
    fn cli_12_sizes_in_any_case() {
        assert_eq!("standard-2x".parse::<DynoSize>().unwrap().to_string(), "Standard-2X");
        assert!("huge".parse::<DynoSize>().unwrap_err().to_string().contains("Performance-L"));
    }
}
