//! Accounts: the admin of a new data folder, and who a token belongs to.

use crate::Control;
use aws_lc_rs::digest::{SHA256, digest};
use model::account::Account;
use model::world::World;
use store::{Store, StoreError};

/// The e-mail of the account that the first start makes.
pub const ADMIN_EMAIL: &str = "admin@localhost";

/// A token that belongs to nobody.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No token, or a wrong one.
    #[error(
        "Invalid credentials provided. Run `flowline login`, or set FLOWLINE_TOKEN to the content of admin.token in the data folder"
    )]
    WrongToken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the admin account, or gives it this token when the file holds another one than the database knows.
///
/// # Errors
/// When the database fails.
pub async fn ensure_admin(store: &Store, world: &dyn World, token: &str) -> Result<(), StoreError> {
    let hash = token_hash(token);
    if store::account::by_token(store.db(), &hash).await?.is_some() {
        return Ok(());
    }
    let now = world.now();
    let mut tx = store.begin().await?;
    if !store::account::set_token(&mut tx, ADMIN_EMAIL, &hash).await? {
        let admin = Account { id: world.new_id(), email: ADMIN_EMAIL.to_owned(), created_at: now, updated_at: now };
        store::account::insert(&mut tx, &admin, &hash).await?;
    }
    tx.commit().await
}

impl Control {
    /// Whose token this is. Looked up by its hash, so the comparison tells nothing about the token.
    ///
    /// # Errors
    /// [`AccountError::WrongToken`] when it is nobody's.
    pub async fn authenticate(&self, token: &str) -> Result<Account, AccountError> {
        let account = store::account::by_token(self.store.db(), &token_hash(token)).await?;
        account.ok_or(AccountError::WrongToken)
    }
}

/// SHA-256 as hex: tokens are 256 random bits, so a plain hash cannot be searched.
fn token_hash(token: &str) -> String {
    digest(&SHA256, token.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
