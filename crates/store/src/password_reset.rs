//! Passwords that somebody forgot: one open reset for each account.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::AccountId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;

const PUT: &str = "INSERT INTO password_reset (account_id, token_sha256, created_at) VALUES ($1, $2, $3) \
     ON CONFLICT (account_id) DO UPDATE SET token_sha256 = $2, created_at = $3";
const OF_ACCOUNT: &str = "SELECT created_at FROM password_reset WHERE account_id = $1";
const BY_TOKEN: &str = "SELECT account_id, created_at FROM password_reset WHERE token_sha256 = $1";
const TAKE: &str = "DELETE FROM password_reset WHERE token_sha256 = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[PUT, OF_ACCOUNT, BY_TOKEN, TAKE];

/// Opens a reset; an earlier one of the account is over with it.
///
/// # Errors
/// When the account is gone or the database fails.
pub async fn put(tx: &mut Tx, account: AccountId, sha256: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(PUT).bind(account.to_string()).bind(sha256).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// When the account's open one was made.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = sqlx::query_scalar(OF_ACCOUNT).bind(account.to_string()).fetch_optional(db).await?;
    Ok(at.map(Timestamp))
}

/// Whose this token is, and since when.
///
/// # Errors
/// When the database fails.
pub async fn by_token<'e>(
    db: impl SqliteExecutor<'e>,
    sha256: &str,
) -> Result<Option<(AccountId, Timestamp)>, StoreError> {
    let row = sqlx::query(BY_TOKEN).bind(sha256).fetch_optional(db).await?;
    let read = |row| {
        let cells = Cells { table: "password_reset", row };
        Ok((cells.parsed("account_id")?, cells.time("created_at")?))
    };
    row.as_ref().map(read).transpose()
}

/// Uses a token up. `false`: somebody did already.
///
/// # Errors
/// When the database fails.
pub async fn take(tx: &mut Tx, sha256: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query(TAKE).bind(sha256).execute(tx.db()).await?.rows_affected() == 1)
}
