//! An app that somebody keeps at hand.

use crate::id::{AccountId, AppId, FavoriteId};
use crate::time::Timestamp;

/// Favorites of one account: a short list is what they are for.
pub const FAVORITE_LIMIT: usize = 100;

/// One account's mark at one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Favorite {
    /// Its id.
    pub id: FavoriteId,
    /// Whose it is.
    pub account: AccountId,
    /// The app.
    pub app: AppId,
    /// When it was marked.
    pub created_at: Timestamp,
}
