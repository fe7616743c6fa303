//! Collaborators: people with access to one app; and the offer to hand an app over.

use crate::id::{AccountId, AppId, AppTransferId, CollaboratorId};
use crate::permission::Permissions;
use crate::time::Timestamp;
use std::str::FromStr;

/// One account with access to one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collaborator {
    /// Its own id.
    pub id: CollaboratorId,
    /// The app.
    pub app: AppId,
    /// Who.
    pub account: AccountId,
    /// What they may do.
    pub permissions: Permissions,
    /// Since when.
    pub created_at: Timestamp,
    /// When the permissions last changed.
    pub updated_at: Timestamp,
}

/// An app that its owner offered to somebody (APP-5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppTransfer {
    /// Its id.
    pub id: AppTransferId,
    /// The app.
    pub app: AppId,
    /// Who offered it.
    pub owner: AccountId,
    /// Who may take it.
    pub recipient: AccountId,
    /// How it stands.
    pub state: TransferState,
    /// When it was offered.
    pub created_at: Timestamp,
    /// When that was answered.
    pub updated_at: Timestamp,
}

/// How an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferState {
    /// Nobody has answered.
    Pending,
    /// The recipient is the owner now.
    Accepted,
    /// The recipient did not want it.
    Declined,
}

impl TransferState {
    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no state of a transfer: send accepted or declined", .0.escape_debug())]
pub struct NoSuchState(pub String);

impl FromStr for TransferState {
    type Err = NoSuchState;

    fn from_str(text: &str) -> Result<Self, NoSuchState> {
        let found = [Self::Pending, Self::Accepted, Self::Declined].into_iter().find(|state| state.word() == text);
        found.ok_or_else(|| NoSuchState(text.chars().take(40).collect()))
    }
}
