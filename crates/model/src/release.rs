//! A release: slug + config, numbered per app. Everything that changes what runs is one.

use crate::id::{AccountId, AppId, ReleaseId, SlugId};
use crate::image::Digest;
use crate::procfile::ProcessType;
use crate::time::Timestamp;
use std::time::Duration;

/// The release command may take this long unless its app says otherwise (RELPH-24).
pub const RELEASE_PHASE_LIMIT: Duration = Duration::from_secs(3600);

/// The longest time that an app may ask for: what one-off dynos live.
pub const RELEASE_PHASE_LIMIT_MOST: Duration = Duration::from_secs(24 * 3600);

/// How an app's release commands run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseSetting {
    /// How long; `None`: [`RELEASE_PHASE_LIMIT`].
    pub limit: Option<Duration>,
    /// May two run at once? Else one waits for the other (RELPH-29).
    pub at_once: bool,
}

/// A time limit that no release command can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A release command may run for 1 to {} seconds", RELEASE_PHASE_LIMIT_MOST.as_secs())]
pub struct BadPhaseLimit;

impl PhaseSetting {
    /// How long a command may run.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or(RELEASE_PHASE_LIMIT)
    }

    /// A time limit in seconds.
    ///
    /// # Errors
    /// [`BadPhaseLimit`].
    pub fn read_limit(seconds: u64) -> Result<Duration, BadPhaseLimit> {
        let limit = Duration::from_secs(seconds);
        if limit.is_zero() || limit > RELEASE_PHASE_LIMIT_MOST { Err(BadPhaseLimit) } else { Ok(limit) }
    }
}

/// A numbered entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// The app it is of.
    pub app: AppId,
    /// 1, 2, 3 … per app, never reused (RLS-1).
    pub version: i64,
    /// How far it is.
    pub status: ReleaseStatus,
    /// What made it, as clients read it (RLS-4).
    pub description: String,
    /// The code; `None` before the first build.
    pub slug: Option<SlugId>,
    /// Who made it.
    pub by: AccountId,
    /// The secret in the address of its output; `None` when there is no release command.
    pub output_secret: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Pending while the release command runs (RELPH-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseStatus {
    /// The release command runs.
    Pending,
    /// It may be current.
    Succeeded,
    /// Its release command failed; it never becomes current.
    Failed,
    /// It succeeded once, but its code was removed to make room (RLS-11). Follows from its slug, is not stored.
    Expired,
}

/// The release was decided before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The release already {0:?}")]
pub struct ReleaseOver(pub ReleaseStatus);

impl ReleaseStatus {
    /// The only way a release changes: its command ended.
    ///
    /// # Errors
    /// [`ReleaseOver`] when it was decided before.
    pub fn on_command_ended(self, succeeded: bool) -> Result<Self, ReleaseOver> {
        match self {
            Self::Pending if succeeded => Ok(Self::Succeeded),
            Self::Pending => Ok(Self::Failed),
            Self::Succeeded | Self::Failed | Self::Expired => Err(ReleaseOver(self)),
        }
    }

    /// As the Platform API says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Succeeded, Self::Failed, Self::Expired].into_iter().find(|status| status.word() == word)
    }
}

/// Is a release with this word of a [`ReleaseCause`] about its code, so that whoever wrote that answers for it? Else it is
/// whoever made the release.
#[must_use]
pub fn is_about_code(cause: &str) -> bool {
    !matches!(cause, "initial" | "config" | ROLLBACK)
}

/// The word of a [`ReleaseCause::Rollback`].
pub const ROLLBACK: &str = "rollback";

/// What made a release; its `Display` is the description that clients parse (RLS-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseCause {
    /// v1.
    Initial,
    /// v2, as on Heroku, so that a user's first change is v3.
    EnableLogplex,
    /// A build of this commit or version.
    Deploy {
        /// The commit; the first 8 characters are shown.
        commit: Option<String>,
    },
    /// Images that somebody pushed, by process type; without one: the type was removed.
    Images(Vec<(ProcessType, Option<Digest>)>),
    /// A change of config vars, as `config_var::describe` words it.
    Config(String),
    /// Back to an earlier one.
    Rollback {
        /// The version that it repeats.
        to: i64,
    },
    /// The code of another app of the pipeline (PIPE-42).
    Promote {
        /// The app that it comes from.
        from: String,
        /// Which release of it.
        version: i64,
        /// The commit; the first 8 characters are shown.
        commit: Option<String>,
    },
    /// Back to the last release with a green light, without anybody asking.
    VerifyRollback {
        /// The version that it repeats.
        to: i64,
        /// The version whose verify was red.
        from: i64,
    },
    /// A client's own words.
    Custom(String),
}

impl ReleaseCause {
    /// What it is, in one word, for whoever counts (metrics.md); the description is for people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Initial | Self::EnableLogplex => "initial",
            Self::Deploy { .. } | Self::Images(_) => "deploy",
            Self::Promote { .. } => "promotion",
            Self::Config(_) => "config",
            Self::Rollback { .. } | Self::VerifyRollback { .. } => ROLLBACK,
            Self::Custom(_) => "custom",
        }
    }
}

impl std::fmt::Display for ReleaseCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Initial => f.write_str("Initial release"),
            Self::EnableLogplex => f.write_str("Enable Logplex"),
            Self::Deploy { commit: Some(commit) } => write!(f, "Deploy {}", short(commit)),
            Self::Promote { from, version, commit: Some(commit) } => {
                write!(f, "Promote {from} v{version} {}", short(commit))
            }
            Self::Promote { from, version, commit: None } => write!(f, "Promote {from} v{version}"),
            Self::Deploy { commit: None } => f.write_str("Deploy"),
            Self::Config(words) | Self::Custom(words) => f.write_str(words),
            Self::Images(changes) => f.write_str(&images(changes)),
            Self::Rollback { to } => write!(f, "Rollback to v{to}"),
            Self::VerifyRollback { to, from } => write!(f, "Rollback to v{to}: verify of v{from} was red"),
        }
    }
}

/// `Deployed web (0123456789ab), worker (ba9876543210)`, `Removed clock`.
fn images(changes: &[(ProcessType, Option<Digest>)]) -> String {
    let deployed = changes.iter().filter_map(|(name, image)| Some(format!("{name} ({})", image.as_ref()?.short())));
    let removed = changes.iter().filter(|(_, image)| image.is_none()).map(|(name, _)| name.to_string());
    let parts = [("Deployed", deployed.collect::<Vec<_>>()), ("Removed", removed.collect())];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    parts.map(|(verb, names)| format!("{verb} {}", names.join(", "))).collect::<Vec<_>>().join("; ")
}

fn short(commit: &str) -> String {
    commit.chars().take(8).collect()
}

/// May the app go back to this release (RLS-7)? It must have code that is still there, and must not have failed.
#[must_use]
pub fn eligible_for_rollback(release: &Release) -> bool {
    release.slug.is_some() && release.status == ReleaseStatus::Succeeded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rls_4_descriptions() {
        let deploy = ReleaseCause::Deploy { commit: Some("0123456789abcdef".into()) };
        assert_eq!(deploy.to_string(), "Deploy 01234567");
        let promote = |commit| ReleaseCause::Promote { from: "shop-staging".into(), version: 5, commit };
        assert_eq!(promote(Some("0123456789".into())).to_string(), "Promote shop-staging v5 01234567", "pipe_42");
        assert_eq!(promote(None).to_string(), "Promote shop-staging v5");
        let image = |name: &str, of: Option<u8>| {
            (name.parse().expect("a process type"), of.map(|of| Digest::of_hash(&[of; 32])))
        };
        let images = |changes: &[_]| ReleaseCause::Images(changes.to_vec()).to_string();
        let (web, worker) = (image("web", Some(0xab)), image("worker", Some(1)));
        assert_eq!(images(std::slice::from_ref(&web)), "Deployed web (abababababab)");
        assert_eq!(images(&[image("clock", None)]), "Removed clock");
        let all = "Deployed web (abababababab), worker (010101010101); Removed clock";
        assert_eq!(images(&[web, worker, image("clock", None)]), all);
        assert_eq!(ReleaseCause::Rollback { to: 46 }.to_string(), "Rollback to v46");
        assert_eq!(ReleaseCause::EnableLogplex.to_string(), "Enable Logplex");
    }

    #[test]
    fn relph_24_limits_are_seconds_up_to_a_day() {
        assert_eq!(PhaseSetting::default().limit(), Duration::from_secs(3600));
        assert_eq!(PhaseSetting::read_limit(86_400), Ok(RELEASE_PHASE_LIMIT_MOST));
        assert_eq!(
            (PhaseSetting::read_limit(0), PhaseSetting::read_limit(86_401)),
            (Err(BadPhaseLimit), Err(BadPhaseLimit))
        );
    }

    #[test]
    fn relph_22_a_failed_release_stays_failed() {
        let failed = ReleaseStatus::Pending.on_command_ended(false).unwrap();
        assert_eq!(failed, ReleaseStatus::Failed);
        assert!(failed.on_command_ended(true).is_err());
    }
}
