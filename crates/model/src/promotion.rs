//! A promotion: the code of one app on its way to others of the same pipeline; each of them settles by itself (PIPE-30 to PIPE-47).

use crate::id::{AccountId, AppId, PipelineId, PromotionId, PromotionTargetId, ReleaseId, SlugId};
use crate::time::Timestamp;

/// Apps that one promotion may go to.
pub const TARGET_LIMIT: usize = 100;

/// What was asked for. It names things by text too, because it outlives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Its id.
    pub id: PromotionId,
    /// In which pipeline.
    pub pipeline: PipelineId,
    /// Its name then.
    pub pipeline_name: String,
    /// Who asked.
    pub by: AccountId,
    /// Their e-mail address then.
    pub by_email: String,
    /// Whose code.
    pub source: AppId,
    /// The app's name then.
    pub source_name: String,
    /// Which release of it.
    pub release: ReleaseId,
    /// Its number.
    pub version: i64,
    /// The code itself: no other is made (PIPE-30).
    pub slug: SlugId,
    /// The commit that it was built from.
    pub commit: Option<String>,
    /// What had to be passed and was, in words.
    pub gates: Vec<String>,
    /// The secret in the address of its events.
    pub secret: String,
    /// Is every target settled (PIPE-33)?
    pub completed: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Promotion {
    /// As the Platform API says it (PIPE-33).
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.completed { "completed" } else { "pending" }
    }
}

/// One app that the code goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionTarget {
    /// Its id.
    pub id: PromotionTargetId,
    /// Of which promotion.
    pub promotion: PromotionId,
    /// The app.
    pub app: AppId,
    /// Its name then.
    pub app_name: String,
    /// How far it is.
    pub state: TargetState,
    /// What requests met when the release took over; `None` until then, and where no server lived to see it.
    pub passage: Option<Passage>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A release that a promotion made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The release.
    pub release: ReleaseId,
    /// Its number.
    pub version: i64,
}

/// Open until the release is decided; a settled target never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetState {
    /// No release yet.
    Waiting,
    /// Its release command runs (PIPE-34).
    Releasing(Made),
    /// The release may be current.
    Succeeded(Made),
    /// It came to nothing.
    Failed {
        /// The release, where it came to one.
        made: Option<Made>,
        /// Why, for people.
        why: String,
    },
}

/// What happens to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetEvent {
    /// A release was made; `decided`: it has no command to wait for.
    Released {
        /// The release.
        made: Made,
        /// May it be current at once?
        decided: bool,
    },
    /// The release command ended.
    Ended {
        /// With success?
        succeeded: bool,
    },
    /// It cannot go on.
    Broke {
        /// Why, for people.
        why: String,
    },
}

/// Something came too late, or too early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("A promotion's target that is {state:?} cannot take {event:?}")]
pub struct TargetError {
    /// How far it was.
    pub state: TargetState,
    /// What came.
    pub event: TargetEvent,
}

impl TargetState {
    /// The only way a target changes.
    ///
    /// # Errors
    /// [`TargetError`] for what comes too late or too early.
    pub fn on(self, event: TargetEvent) -> Result<Self, TargetError> {
        match (self, event) {
            (Self::Waiting, TargetEvent::Released { made, decided: false }) => Ok(Self::Releasing(made)),
            (Self::Waiting, TargetEvent::Released { made, decided: true }) => Ok(Self::Succeeded(made)),
            (Self::Waiting, TargetEvent::Broke { why }) => Ok(Self::Failed { made: None, why }),
            (Self::Releasing(made), TargetEvent::Ended { succeeded: true }) => Ok(Self::Succeeded(made)),
            (Self::Releasing(made), TargetEvent::Ended { succeeded: false }) => {
                let why = format!("The release command of v{} failed; the release before it stays live", made.version);
                Ok(Self::Failed { made: Some(made), why })
            }
            (Self::Releasing(made), TargetEvent::Broke { why }) => Ok(Self::Failed { made: Some(made), why }),
            (
                state @ (Self::Waiting | Self::Releasing(_) | Self::Succeeded(_) | Self::Failed { .. }),
                event @ (TargetEvent::Released { .. } | TargetEvent::Ended { .. } | TargetEvent::Broke { .. }),
            ) => Err(TargetError { state, event }),
        }
    }

    /// Its release, where there is one.
    #[must_use]
    pub fn made(&self) -> Option<Made> {
        match self {
            Self::Waiting => None,
            Self::Releasing(made) | Self::Succeeded(made) => Some(*made),
            Self::Failed { made, .. } => *made,
        }
    }

    /// Why it failed.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Failed { why, .. } => Some(why),
            Self::Waiting | Self::Releasing(_) | Self::Succeeded(_) => None,
        }
    }

    /// Does nothing more happen to it?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Waiting | Self::Releasing(_) => false,
            Self::Succeeded(_) | Self::Failed { .. } => true,
        }
    }

    /// As the Platform API says it (PIPE-34).
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting | Self::Releasing(_) => "pending",
            Self::Succeeded(_) => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }
}

/// What requests met while the promoted release took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Requests that the old dynos were answering at the moment of the switch; they were let finish.
    pub in_flight: u64,
    /// Requests that ended in that time.
    pub requests: u64,
    /// Requests that had to wait for a dyno in that time.
    pub held: u64,
    /// Requests that failed in that time.
    pub failed: u64,
    /// How long the switch took, in microseconds.
    pub cut_over_us: u64,
    /// When the router knew the new dynos.
    pub live_at: Timestamp,
}

/// A release of the source, as far as it matters whether it may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promotable {
    /// Its code.
    Code(SlugId),
    /// Never built.
    NoCode,
    /// Its release command failed, or still runs.
    NotPassed,
    /// Its code was removed to make room.
    Expired,
}

/// May this release go on to the next stage? Each step has to be passed, the release phase too (PIPE-32, PIPE-41).
#[must_use]
pub fn promotable(release: &crate::release::Release) -> Promotable {
    use crate::release::ReleaseStatus;
    match (release.status, release.slug) {
        (ReleaseStatus::Succeeded, Some(slug)) => Promotable::Code(slug),
        (ReleaseStatus::Succeeded, None) => Promotable::NoCode,
        (ReleaseStatus::Pending | ReleaseStatus::Failed, _) => Promotable::NotPassed,
        (ReleaseStatus::Expired, _) => Promotable::Expired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn made() -> Made {
        Made { release: ReleaseId(Uuid::from_u128(1)), version: 7 }
    }

    #[test]
    fn pipe_34_a_target_waits_for_its_release_and_settles_once() {
        let released = |decided| TargetEvent::Released { made: made(), decided };
        let waiting = TargetState::Waiting;
        assert_eq!(waiting.clone().on(released(true)), Ok(TargetState::Succeeded(made())));
        let releasing = waiting.clone().on(released(false)).unwrap();
        assert_eq!((releasing.word(), releasing.made()), ("pending", Some(made())));
        let good = releasing.clone().on(TargetEvent::Ended { succeeded: true }).unwrap();
        assert_eq!((good.word(), good.is_settled()), ("succeeded", true));
        let bad = releasing.on(TargetEvent::Ended { succeeded: false }).unwrap();
        assert_eq!((bad.word(), bad.made()), ("failed", Some(made())), "pipe_36");
        assert!(bad.why().unwrap().contains("v7 failed; the release before it stays live"));
        for late in [released(true), TargetEvent::Ended { succeeded: true }, TargetEvent::Broke { why: "x".into() }] {
            assert!(good.clone().on(late.clone()).is_err() && bad.clone().on(late).is_err());
        }
        assert!(waiting.on(TargetEvent::Ended { succeeded: true }).is_err(), "too early");
    }

    #[test]
    fn pipe_41_what_has_no_code_or_did_not_pass_goes_nowhere() {
        use crate::release::{Release, ReleaseStatus};
        let slug = SlugId(Uuid::from_u128(5));
        let release = |status, slug| Release {
            id: made().release,
            app: AppId(Uuid::from_u128(2)),
            version: 7,
            status,
            description: String::new(),
            slug,
            by: AccountId(Uuid::from_u128(3)),
            output_secret: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        };
        for (status, code, expected) in [
            (ReleaseStatus::Succeeded, Some(slug), Promotable::Code(slug)),
            (ReleaseStatus::Succeeded, None, Promotable::NoCode),
            (ReleaseStatus::Failed, Some(slug), Promotable::NotPassed),
            (ReleaseStatus::Pending, Some(slug), Promotable::NotPassed),
            (ReleaseStatus::Expired, Some(slug), Promotable::Expired),
        ] {
            assert_eq!(promotable(&release(status, code)), expected, "{status:?}");
        }
    }
}
