//! Ids are types: a build's id never stands where an app's id belongs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Text that is no lower-case UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: expected a UUID such as 01234567-89ab-cdef-0123-456789abcdef")]
pub struct NotAnId(pub String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::parse_str(text).map(Self).map_err(|_| NotAnId(text.to_owned()))
            }
        }
    )+};
}

ids! {
    /// A person or a machine that may call the API.
    AccountId,
    /// An app.
    AppId,
    /// An app that is made of a source and its app.json.
    AppSetupId,
    /// An app that was offered to somebody.
    AppTransferId,
    /// One token of an account.
    AuthorizationId,
    /// One run from source to slug.
    BuildId,
    /// A host name of an app.
    DomainId,
    /// One account with access to one app.
    CollaboratorId,
    /// A blob of an image on its way in.
    ImageUploadId,
    /// One run of a process.
    DynoId,
    /// A fact in the ledger's event list.
    EventId,
    /// An app that somebody keeps at hand.
    FavoriteId,
    /// The formation entry of one process type.
    FormationId,
    /// An address that an app's log is sent to.
    LogDrainId,
    /// A readable log stream with an address of its own.
    LogSessionId,
    /// What scales the dynos of an app by itself.
    MonitorId,
    /// A program that asks for tokens.
    OauthClientId,
    /// A pipeline.
    PipelineId,
    /// The place of an app in a pipeline.
    PipelineCouplingId,
    /// Code on its way from one app to others.
    PromotionId,
    /// One app that code is promoted to.
    PromotionTargetId,
    /// Something that was told to somebody, or will be.
    NoticeId,
    /// Who is told of which alarms.
    NotificationRouteId,
    /// A numbered release.
    ReleaseId,
    /// A notification on its way to a webhook's address.
    DeliveryId,
    /// One attempt at a delivery.
    AttemptId,
    /// A built artifact.
    SlugId,
    /// A certificate of an app's domains.
    SniEndpointId,
    /// An uploaded source archive.
    SourceId,
    /// Somebody's public key for git over SSH.
    SshKeyId,
    /// A team.
    TeamId,
    /// Somebody who was asked to join a team.
    TeamInvitationId,
    /// One account in a team.
    TeamMemberId,
    /// A receiver of an app's telemetry.
    TelemetryDrainId,
    /// One case that tests told of.
    TestCaseId,
    /// One of the places that a test run's tests are spread over.
    TestNodeId,
    /// One try of a commit before it is built.
    TestRunId,
    /// Something of an app that broke, as people find it in their notifications.
    UserNotificationId,
    /// One check of a release on the running server.
    VerificationId,
    /// A subscription to an app's events.
    WebhookId,
}
