//! An account: who calls, and who a release or a build is by.

use crate::id::AccountId;
use crate::time::Timestamp;

/// A person or machine with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its e-mail address: also the name in "by …" log lines.
    pub email: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
