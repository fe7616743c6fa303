//! Password resets as clients see them, and what they send.

use model::account::Account;
use model::id::AccountId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A reset.
#[derive(Debug, Clone, Serialize)]
pub struct PasswordResetView {
    created_at: String,
    user: UserView,
}

#[derive(Debug, Clone, Serialize)]
struct UserView {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<AccountId>,
    email: String,
}

impl PasswordResetView {
    /// As whoever asked for it is told: an id would say that the address has an account.
    #[must_use]
    pub fn asked(email: &str, at: Timestamp) -> Self {
        Self { created_at: at.rfc3339(), user: UserView { id: None, email: email.to_owned() } }
    }

    /// As whoever had the token is told.
    #[must_use]
    pub fn of(account: &Account, at: Timestamp) -> Self {
        let user = UserView { id: Some(account.id), email: account.email.clone() };
        Self { created_at: at.rfc3339(), user }
    }
}

/// Body of `POST /password-resets`.
#[derive(Debug, Deserialize)]
pub struct CreatePasswordReset {
    /// Whose.
    pub email: String,
}

/// Body of `POST /password-resets/{secret}/actions/finalize`.
#[derive(Deserialize)]
pub struct FinalizePasswordReset {
    /// The next one.
    pub password: String,
    /// The same again.
    pub password_confirmation: String,
}
