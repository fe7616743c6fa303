//! A build: one run from source to slug.

use crate::commit::Commit;
use crate::id::{AccountId, AppId, BuildId, ReleaseId, SlugId};
use crate::stack::Stack;
use crate::time::Timestamp;

/// A build may take this long (BLD-4: 15 minutes).
pub const BUILD_LIMIT_S: u64 = 15 * 60;

/// One run from source to slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// The app it is for.
    pub app: AppId,
    /// Who asked for it.
    pub by: AccountId,
    /// Where the source came from, and at which version.
    pub source: BuildSource,
    /// What it is built on.
    pub stack: Stack,
    /// The packs that build it, as they were written; empty while they are to be found out.
    pub buildpacks: Vec<String>,
    /// The secret in the address of its output.
    pub secret: String,
    /// How far it is.
    pub state: BuildState,
    /// The release it became, once there is one.
    pub release: Option<ReleaseId>,
    /// When it was asked for: a push was accepted, or an archive named.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a build is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildSource {
    /// Where the archive is; empty for a git push.
    pub url: String,
    /// The commit, or what the client calls the version.
    pub version: Option<String>,
    /// What the client says about it.
    pub description: Option<String>,
    /// `SHA256:<hex>` that the archive must have.
    pub checksum: Option<String>,
    /// What the commit says of itself; only a git push tells.
    pub commit: Option<Commit>,
}

/// Pending until it is over; an over build never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildState {
    /// Under way.
    Pending,
    /// Compiled, and this is the slug.
    Succeeded {
        /// The slug.
        slug: SlugId,
    },
    /// No slug came of it.
    Failed {
        /// The reason, in the user's words.
        why: String,
    },
}

/// What can happen to a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// A slug is there.
    Compiled(SlugId),
    /// It ended without one.
    Broke(String),
}

/// A change that came too late.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The build is already over ({over}); {event:?} changes nothing")]
pub struct BuildOver {
    /// The state's word.
    pub over: &'static str,
    /// What came.
    pub event: BuildEvent,
}

impl BuildState {
    /// The only way a build changes.
    ///
    /// # Errors
    /// [`BuildOver`] when it has already ended.
    pub fn on(self, event: BuildEvent) -> Result<Self, BuildOver> {
        match (self, event) {
            (Self::Pending, BuildEvent::Compiled(slug)) => Ok(Self::Succeeded { slug }),
            (Self::Pending, BuildEvent::Broke(why)) => Ok(Self::Failed { why }),
            (over @ (Self::Succeeded { .. } | Self::Failed { .. }), event) => {
                Err(BuildOver { over: over.word(), event })
            }
        }
    }

    /// `pending`, `succeeded` or `failed` (BLD-1).
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }

    /// The slug, if it came to one.
    #[must_use]
    pub fn slug(&self) -> Option<SlugId> {
        match self {
            Self::Succeeded { slug } => Some(*slug),
            Self::Pending | Self::Failed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bld_1_an_over_build_never_changes() {
        let failed = BuildState::Pending.on(BuildEvent::Broke("no".into())).unwrap();
        assert_eq!(failed.word(), "failed");
        assert!(failed.on(BuildEvent::Broke("again".into())).is_err());
    }
}
