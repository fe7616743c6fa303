//! Public keys of accounts.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AccountId, SshKeyId};
use model::ssh_key::SshKey;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO ssh_key (id, account_id, fingerprint, comment, public_key, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const DELETE: &str = "DELETE FROM ssh_key WHERE id = $1";
const OF_ACCOUNT: &str = "SELECT id, account_id, fingerprint, comment, public_key, created_at FROM ssh_key WHERE account_id = $1 ORDER BY id";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, DELETE, OF_ACCOUNT];

/// Adds a key.
///
/// # Errors
/// [`StoreError::is_duplicate`] when somebody has it already.
pub async fn insert(tx: &mut Tx, key: &SshKey) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(key.id.to_string()).bind(key.account.to_string()).bind(&key.fingerprint);
    query.bind(&key.comment).bind(&key.public_key).bind(key.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes a key. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: SshKeyId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// All of an account, by id.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<SshKey>, StoreError> {
    sqlx::query(OF_ACCOUNT).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<SshKey, StoreError> {
    let cells = Cells { table: "ssh_key", row };
    Ok(SshKey {
        id: cells.parsed("id")?,
        account: cells.parsed("account_id")?,
        fingerprint: cells.text("fingerprint")?,
        comment: cells.text("comment")?,
        public_key: cells.text("public_key")?,
        created_at: cells.time("created_at")?,
    })
}
