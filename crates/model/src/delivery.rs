//! A delivery: one event on its way to one webhook (HOOK-6, HOOK-7).

use crate::event::Entity;
use crate::id::{AttemptId, DeliveryId, EventId, WebhookId};
use crate::time::Timestamp;
use crate::webhook::Level;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An attempt that has no answer by then has failed: receivers should answer first and work later.
pub const ATTEMPT_LIMIT: Duration = Duration::from_secs(20);

/// Until the second attempt; the pauses double.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause (HOOK-6).
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// After this no further attempt is made (HOOK-6).
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 3600);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It has not been tried.
    Pending,
    /// It was tried in vain, and will be again.
    Retrying {
        /// When.
        at: Timestamp,
    },
    /// It was taken.
    Succeeded,
    /// It will not be tried any more.
    Failed,
}

/// Why an attempt had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Nothing came within [`ATTEMPT_LIMIT`].
    Timeout,
    /// No connection came about, or it broke off.
    Connection,
    /// The address cannot be asked.
    Address,
}

impl Unanswered {
    /// The class of error that clients are shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Timeout => "Timeout",
            Self::Connection => "ConnectionError",
            Self::Address => "BadAddress",
        }
    }
}

/// A word that is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no class of error")]
pub struct NoSuchReason(pub String);

impl FromStr for Unanswered {
    type Err = NoSuchReason;

    fn from_str(text: &str) -> Result<Self, NoSuchReason> {
        let all = [Self::Timeout, Self::Connection, Self::Address];
        all.into_iter().find(|one| one.word() == text).ok_or_else(|| NoSuchReason(text.to_owned()))
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With this status.
    Answered(u16),
    /// Without any.
    Unanswered(Unanswered),
}

impl Outcome {
    /// Any 2xx is a success (HOOK-6).
    #[must_use]
    pub fn is_success(self) -> bool {
        match self {
            Self::Answered(status) => (200..300).contains(&status),
            Self::Unanswered(_) => false,
        }
    }
}

/// The last attempt of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub updated_at: Timestamp,
}

/// An event on its way to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub webhook: WebhookId,
    /// As the webhook was when the event came.
    pub level: Level,
    /// What.
    pub event: EventId,
    /// What it is about.
    pub entity: Entity,
    /// Its place among all deliveries: those of a later event come later.
    pub sequence: i64,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// The last attempt.
    pub last: Option<Attempt>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// An attempt at something that needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The delivery is over already ({0})")]
pub struct DeliveryOver(pub DeliveryState);

impl DeliveryState {
    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying { .. } => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// When it is to be tried again.
    #[must_use]
    pub fn next_attempt_at(self) -> Option<Timestamp> {
        match self {
            Self::Retrying { at } => Some(at),
            Self::Pending | Self::Succeeded | Self::Failed => None,
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Delivery {
    /// The only way a delivery changes: it was tried.
    ///
    /// # Errors
    /// [`DeliveryOver`] when it had ended before.
    pub fn on(mut self, attempt: Attempt) -> Result<Self, DeliveryOver> {
        match self.state {
            DeliveryState::Pending | DeliveryState::Retrying { .. } => {}
            over @ (DeliveryState::Succeeded | DeliveryState::Failed) => return Err(DeliveryOver(over)),
        }
        let now = attempt.updated_at;
        self.attempts = self.attempts.saturating_add(1);
        self.state = match self.level {
            Level::Notify | Level::Sync if attempt.outcome.is_success() => DeliveryState::Succeeded,
            Level::Sync if now.since(self.created_at) < GIVE_UP_AFTER => {
                DeliveryState::Retrying { at: now.plus(pause(self.attempts)) }
            }
            Level::Notify | Level::Sync => DeliveryState::Failed,
        };
        self.last = Some(attempt);
        self.updated_at = now;
        Ok(self)
    }
}

/// How long to wait after so many attempts in vain.
#[must_use]
pub fn pause(attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1).min(31));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn delivery(level: Level) -> Delivery {
        let id = Uuid::nil();
        Delivery {
            id: DeliveryId(id),
            webhook: WebhookId(id),
            level,
            event: EventId(id),
            entity: Entity::Release,
            sequence: 1,
            state: DeliveryState::Pending,
            attempts: 0,
            last: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn attempt(outcome: Outcome, at: Timestamp) -> Attempt {
        Attempt { id: AttemptId(Uuid::nil()), outcome, created_at: at, updated_at: at }
    }

    #[test]
    fn hook_6_notify_is_tried_once() {
        for (outcome, state) in [
            (Outcome::Answered(204), DeliveryState::Succeeded),
            (Outcome::Answered(302), DeliveryState::Failed),
            (Outcome::Answered(500), DeliveryState::Failed),
            (Outcome::Unanswered(Unanswered::Timeout), DeliveryState::Failed),
        ] {
            let tried = delivery(Level::Notify).on(attempt(outcome, Timestamp(5))).unwrap();
            assert_eq!((tried.state, tried.attempts), (state, 1));
            assert_eq!(tried.on(attempt(outcome, Timestamp(6))), Err(DeliveryOver(state)));
        }
    }

    #[test]
    fn hook_6_sync_is_tried_ever_more_seldom_for_three_days() {
        let mut tried = delivery(Level::Sync);
        let (mut now, mut pauses) = (Timestamp(0), Vec::new());
        while let Some(at) = {
            tried = tried.on(attempt(Outcome::Answered(500), now)).unwrap();
            tried.state.next_attempt_at()
        } {
            pauses.push(at.since(now).as_secs());
            now = at;
        }
        assert_eq!(&pauses[..13], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600]);
        assert!(pauses[13..].iter().all(|pause| *pause == 3600));
        assert_eq!(tried.state, DeliveryState::Failed);
        let hours = now.since(Timestamp(0)).as_secs() / 3600;
        assert!((72..=73).contains(&hours), "{hours}");
    }

    #[test]
    fn hook_6_a_success_after_failures_ends_it() {
        let failed = delivery(Level::Sync).on(attempt(Outcome::Unanswered(Unanswered::Connection), Timestamp(0)));
        let done = failed.unwrap().on(attempt(Outcome::Answered(200), Timestamp(9))).unwrap();
        assert_eq!((done.state, done.attempts), (DeliveryState::Succeeded, 2));
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
