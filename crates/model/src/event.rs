//! An event: one change of one resource of an app, as it is told to whoever subscribed (HOOK-3, HOOK-4).

use crate::id::{AccountId, AppId, EventId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An app's newest events that are kept: as many as one answer of a list holds.
pub const KEPT_PER_APP: usize = 1000;

/// Nobody looks for an older one, and no delivery is tried for so long.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// What changes, as clients subscribe to it (HOOK-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// An add-on's attachment.
    AddonAttachment,
    /// An add-on.
    Addon,
    /// The app itself.
    App,
    /// A build.
    Build,
    /// A collaborator.
    Collaborator,
    /// A custom domain.
    Domain,
    /// A dyno.
    Dyno,
    /// The formation entry of a process type.
    Formation,
    /// A release.
    Release,
    /// A certificate's endpoint.
    SniEndpoint,
    /// A check of a release on the running server: an extension.
    Verification,
    /// A test run of what was pushed: an extension.
    TestRun,
    /// The app as the target of a promotion: an extension.
    PromotionTarget,
    /// The app's place in a pipeline: an extension.
    PipelineCoupling,
}

/// A word that is no entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is nothing to subscribe to: there are {}", Entity::words())]
pub struct NoSuchEntity {
    /// The word.
    pub word: String,
}

impl Entity {
    /// All of them, by word.
    pub const ALL: [Self; 14] = [
        Self::AddonAttachment,
        Self::Addon,
        Self::App,
        Self::Build,
        Self::Collaborator,
        Self::Domain,
        Self::Formation,
        Self::Release,
        Self::SniEndpoint,
        Self::Verification,
        Self::TestRun,
        Self::PromotionTarget,
        Self::PipelineCoupling,
        Self::Dyno,
    ];

    /// Its name in subscriptions.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AddonAttachment => "api:addon-attachment",
            Self::Addon => "api:addon",
            Self::App => "api:app",
            Self::Build => "api:build",
            Self::Collaborator => "api:collaborator",
            Self::Domain => "api:domain",
            Self::Dyno => "dyno",
            Self::Formation => "api:formation",
            Self::Release => "api:release",
            Self::SniEndpoint => "api:sni-endpoint",
            Self::Verification => "api:verification",
            Self::TestRun => "api:test-run",
            Self::PromotionTarget => "api:pipeline-promotion-target",
            Self::PipelineCoupling => "api:pipeline-coupling",
        }
    }

    /// Its name as a resource.
    #[must_use]
    pub fn resource(self) -> &'static str {
        self.word().trim_start_matches("api:")
    }

    fn words() -> String {
        Self::ALL.map(Self::word).join(", ")
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Entity {
    type Err = NoSuchEntity;

    /// `dyno` has two names, everything else one.
    fn from_str(text: &str) -> Result<Self, NoSuchEntity> {
        let is = |one: &Self| one.word() == text || (*one == Self::Dyno && text == "api:dyno");
        Self::ALL.into_iter().find(is).ok_or_else(|| NoSuchEntity { word: text.to_owned() })
    }
}

/// What became of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Create,
    /// It has changed.
    Update,
    /// It is gone.
    Destroy,
}

/// A word that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no action")]
pub struct NoSuchAction(pub String);

impl Action {
    /// Its word in notifications.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Destroy => "destroy",
        }
    }
}

impl FromStr for Action {
    type Err = NoSuchAction;

    fn from_str(text: &str) -> Result<Self, NoSuchAction> {
        let all = [Self::Create, Self::Update, Self::Destroy];
        all.into_iter().find(|one| one.word() == text).ok_or_else(|| NoSuchAction(text.to_owned()))
    }
}

/// Who caused an event; the e-mail address stays as it was, whatever becomes of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub id: AccountId,
    /// Its e-mail address.
    pub email: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id: also what a receiver knows a repeated notification by.
    pub id: EventId,
    /// Its place among all events of the server; grows with every event.
    pub sequence: i64,
    /// The app.
    pub app: AppId,
    /// What changed.
    pub entity: Entity,
    /// How.
    pub action: Action,
    /// Who did it.
    pub actor: Actor,
    /// The resource right after the change, as JSON text.
    pub content: String,
    /// What of it was different before, as JSON text; `{}` when there was nothing before.
    pub previous: String,
    /// When.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hook_3_entities_have_words_and_read_back() {
        for entity in Entity::ALL {
            assert_eq!(entity.word().parse(), Ok(entity));
        }
        assert_eq!("api:dyno".parse(), Ok(Entity::Dyno));
        assert_eq!(Entity::SniEndpoint.resource(), "sni-endpoint");
        assert_eq!(Entity::Dyno.resource(), "dyno");
        for wrong in ["", "app", "api:", "api:App", "api:pipeline", "api:release,api:build", "*"] {
            let said = wrong.parse::<Entity>().unwrap_err().to_string();
            assert!(said.contains("api:release") && said.contains("dyno"), "{said}");
        }
    }
}
