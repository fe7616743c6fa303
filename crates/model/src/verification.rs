//! Verify: the check of a release on the running server. It gives the release a green light, or raises the alarm.

use crate::app_json::AppJson;
use crate::browser::Browser;
use crate::dyno::{Exit, OutOfMemory};
use crate::id::{AccountId, AppId, ReleaseId, VerificationId};
use crate::pipeline::Stage;
use crate::procfile::{ProcessType, ProcessTypes};
use crate::test_report::ReportKind;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a check may take unless its app says otherwise: a check that people wait for is shorter.
pub const VERIFY_LIMIT: Duration = Duration::from_secs(600);

/// The longest time an app may ask for.
pub const VERIFY_LIMIT_MOST: Duration = Duration::from_secs(6 * 3600);

/// One check of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// Whose release.
    pub app: AppId,
    /// 1, 2, 3 … per app.
    pub number: i64,
    /// Which release.
    pub release: ReleaseId,
    /// That release's number.
    pub version: i64,
    /// Who made the release, or asked for the check again.
    pub by: AccountId,
    /// The stage that the app was in.
    pub stage: Stage,
    /// What follows when it does not come out green.
    pub policy: Policy,
    /// What it runs.
    pub command: String,
    /// How long it may run.
    pub limit: Duration,
    /// The secret in the address of its output.
    pub secret: String,
    /// How far it is.
    pub state: VerificationState,
    /// The release that went back to the last green one because of it.
    pub rolled_back_by: Option<ReleaseId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// It only moves forward; a repetition is another check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerificationState {
    /// Its release is not live yet.
    Pending,
    /// Its command runs.
    Running {
        /// How the app's requests had fared by then.
        before: Baseline,
        /// Since when.
        since: Timestamp,
    },
    /// It ended.
    Over {
        /// How.
        verdict: Verdict,
        /// In words.
        why: String,
        /// Requests that the app answered meanwhile; `None` when it did not run.
        requests: Option<u64>,
    },
}

/// A file that a check left in its folder of reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// 1, 2, 3 … per check.
    pub number: u32,
    /// Its path below the folder.
    pub name: String,
    /// What it is, and how the tests in it came out.
    pub kind: ReportKind,
    /// How large it is.
    pub size_bytes: u64,
}

/// Files of one check that are kept; a screenshot for each of many pages, and some reports.
pub const ARTIFACTS: usize = 200;

/// The largest file that is kept.
pub const ARTIFACT_LIMIT_BYTES: u64 = 10 * 1024 * 1024;

/// All files of one check together.
pub const ARTIFACTS_LIMIT_BYTES: u64 = 50 * 1024 * 1024;

/// The newest checks of an app whose files are kept.
pub const CHECKS_WITH_ARTIFACTS: usize = 10;

/// The router's totals for an app at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Whose totals.
    pub router_pid: u32,
    /// Requests that had ended.
    pub ended: u64,
    /// Of them those that got no answer of the app.
    pub failed: u64,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passed, and requests reached the app meanwhile.
    Green,
    /// It passed, but nothing was asked of the app: a warning.
    Untested,
    /// It failed, ran too long, or the release never came to live.
    Red,
    /// It could not be run: that says nothing about the release.
    Errored,
    /// Somebody stopped it, or another release took over.
    Cancelled,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Green, Self::Untested, Self::Red, Self::Errored, Self::Cancelled];

    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Untested => "untested",
            Self::Red => "red",
            Self::Errored => "errored",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

impl VerificationState {
    /// Its word in the API.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running { .. } => "running",
            Self::Over { verdict, .. } => verdict.word(),
        }
    }

    /// May it still change?
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Pending | Self::Running { .. } => true,
            Self::Over { .. } => false,
        }
    }
}

/// What follows when a check does not come out green.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// People are told.
    #[default]
    Alarm,
    /// The release cannot be promoted without a green light.
    Hold,
    /// A red release goes back to the last green one at once, and nothing without a green light is promoted.
    Rollback,
}

/// A word that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no policy: there are alarm, hold and rollback")]
pub struct NoSuchPolicy(pub String);

impl Policy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Alarm, Self::Hold, Self::Rollback];

    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Hold => "hold",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Policy {
    type Err = NoSuchPolicy;

    fn from_str(text: &str) -> Result<Self, NoSuchPolicy> {
        Self::ALL.into_iter().find(|policy| policy.word() == text).ok_or_else(|| NoSuchPolicy(text.to_owned()))
    }
}

/// A time limit that no check can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A check may run for 1 to {} seconds", VERIFY_LIMIT_MOST.as_secs())]
pub struct BadLimit;

/// A time limit in seconds.
///
/// # Errors
/// [`BadLimit`].
pub fn limit(seconds: u64) -> Result<Duration, BadLimit> {
    let limit = Duration::from_secs(seconds);
    if limit.is_zero() || limit > VERIFY_LIMIT_MOST { Err(BadLimit) } else { Ok(limit) }
}

/// What app.json says of a stage, as far as it is about the check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `env`: over the release's config.
    pub env: BTreeMap<String, String>,
    /// `scripts.verify`.
    pub verify: Option<String>,
    /// By `buildpacks`, which build nothing here.
    pub browser: Option<Browser>,
}

impl Environment {
    /// Of `environments.<stage>`. A config var without a value asks people for one, and is nothing here.
    #[must_use]
    pub fn of(stage: &AppJson) -> Self {
        let valued = stage.env.iter().filter_map(|(name, var)| Some((name.clone(), var.value.clone()?)));
        let verify = stage.scripts.get("verify").map(|command| command.trim()).filter(|command| !command.is_empty());
        Self { env: valued.collect(), verify: verify.map(str::to_owned), browser: Browser::asked_by(&stage.buildpacks) }
    }
}

/// What checks a release: what app.json says of the stage goes before the Procfile.
#[must_use]
pub fn command(process_types: &ProcessTypes, of_stage: Option<&str>) -> Option<String> {
    of_stage.or_else(|| process_types.get(&ProcessType::verify()).map(String::as_str)).map(str::to_owned)
}

/// How a command ended that checked a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit.
    pub exit: Exit,
    /// Somebody wanted its end.
    pub stopped: bool,
    /// It was ended because it ran too long.
    pub late: bool,
    /// It was killed for its memory.
    pub out_of_memory: Option<OutOfMemory>,
    /// Requests that the app answered meanwhile.
    pub requests: u64,
}

/// What a command's end says of the release, and in words.
#[must_use]
pub fn judge(ended: &Ended, limit: Duration) -> (Verdict, String) {
    let Ended { exit, stopped, late, out_of_memory, requests } = *ended;
    if late {
        let why = format!("it ran longer than {} seconds, its limit, and was ended", limit.as_secs());
        return (Verdict::Red, why);
    }
    if stopped {
        return (Verdict::Cancelled, "it was stopped".to_owned());
    }
    if out_of_memory.is_some() {
        return (Verdict::Red, "it ran out of memory and was killed".to_owned());
    }
    match exit {
        Exit::Lost => (Verdict::Errored, "its process was lost".to_owned()),
        Exit::Code(0) if requests == 0 => {
            (Verdict::Untested, "it passed without testing anything: no request reached the app meanwhile".to_owned())
        }
        Exit::Code(0) if requests == 1 => (Verdict::Green, "it passed; 1 request reached the app meanwhile".to_owned()),
        Exit::Code(0) => (Verdict::Green, format!("it passed; {requests} requests reached the app meanwhile")),
        Exit::Code(_) | Exit::Signal(_) => (Verdict::Red, format!("the command exited with status {}", exit.status())),
    }
}

/// What is done about a check that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// The release has its green light, or nothing was found out.
    Nothing,
    /// People are told that nothing was tested.
    Warn,
    /// People are told.
    Alarm,
    /// People are told, and the app goes back to the last green release.
    RollBack,
}

/// What follows. `is_rollback`: the release was itself made by going back, so that two bad releases never take turns.
#[must_use]
pub fn consequence(policy: Policy, verdict: Verdict, is_rollback: bool) -> Consequence {
    match verdict {
        Verdict::Green | Verdict::Cancelled => Consequence::Nothing,
        Verdict::Untested => Consequence::Warn,
        Verdict::Errored => Consequence::Alarm,
        Verdict::Red => match policy {
            Policy::Alarm | Policy::Hold => Consequence::Alarm,
            Policy::Rollback if is_rollback => Consequence::Alarm,
            Policy::Rollback => Consequence::RollBack,
        },
    }
}

/// Why a release is not promoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// Nothing checked it.
    #[error(
        "v{0} has no green light: nothing verified it. Declare `verify:` in its Procfile and release it again, \
         or let people decide: `flowline verify:set --policy alarm`"
    )]
    Unverified(i64),
    /// Its check is not over.
    #[error("v{0} has no green light yet: its verify is {1}; `flowline verify:output` shows how far it is")]
    NotYet(i64, &'static str),
    /// Its last check did not come out green.
    #[error(
        "v{version} has no green light: its verify is {verdict}: {why}. Fix it and release again, or run the check again: \
         `flowline verify:run`"
    )]
    NotGreen {
        /// The release.
        version: i64,
        /// The check's word.
        verdict: &'static str,
        /// The check's reason.
        why: String,
    },
}

/// May this release leave its stage? `latest`: its newest check.
///
/// # Errors
/// [`Held`] says what is missing.
pub fn may_leave(policy: Policy, version: i64, latest: Option<&Verification>) -> Result<(), Held> {
    match (policy, latest.map(|latest| &latest.state)) {
        (Policy::Alarm, _) | (_, Some(VerificationState::Over { verdict: Verdict::Green, .. })) => Ok(()),
        (Policy::Hold | Policy::Rollback, None) => Err(Held::Unverified(version)),
        (
            Policy::Hold | Policy::Rollback,
            Some(state @ (VerificationState::Pending | VerificationState::Running { .. })),
        ) => Err(Held::NotYet(version, state.word())),
        (Policy::Hold | Policy::Rollback, Some(VerificationState::Over { verdict, why, .. })) => {
            Err(Held::NotGreen { version, verdict: verdict.word(), why: why.clone() })
        }
    }
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
