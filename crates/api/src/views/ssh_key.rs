//! Public keys as clients see them.

use model::account::Account;
use model::id::SshKeyId;
use model::ssh_key::SshKey;
use serde::{Deserialize, Serialize};

/// A key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyView {
    id: SshKeyId,
    comment: String,
    email: String,
    fingerprint: String,
    public_key: String,
    created_at: String,
    updated_at: String,
}

impl KeyView {
    /// The key of this account.
    #[must_use]
    pub fn new(key: &SshKey, who: &Account) -> Self {
        let at = key.created_at.rfc3339();
        Self {
            id: key.id,
            comment: key.comment.clone(),
            email: who.email.clone(),
            fingerprint: key.fingerprint.clone(),
            public_key: key.public_key.clone(),
            created_at: at.clone(),
            updated_at: at,
        }
    }
}

/// Body of `POST /account/keys`.
#[derive(Debug, Deserialize)]
pub struct AddKey {
    /// The line of a `.pub` file.
    pub public_key: String,
}
