//! Accounts and the hashes of their tokens.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::account::Account;
use model::id::AccountId;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str =
    "INSERT INTO account (id, email, token_sha256, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)";
const SET_TOKEN: &str = "UPDATE account SET token_sha256 = $2 WHERE email = $1";
const BY_TOKEN: &str = "SELECT id, email, created_at, updated_at FROM account WHERE token_sha256 = $1";
const BY_ID: &str = "SELECT id, email, created_at, updated_at FROM account WHERE id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, SET_TOKEN, BY_TOKEN, BY_ID];

/// Adds an account; the token is kept as its SHA-256 only.
///
/// # Errors
/// When the e-mail is taken or the database fails.
pub async fn insert(tx: &mut Tx, account: &Account, token_sha256: &str) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(account.id.to_string()).bind(&account.email).bind(token_sha256);
    query.bind(account.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Gives an account another token. `false`: no such account.
///
/// # Errors
/// When the database fails.
pub async fn set_token(tx: &mut Tx, email: &str, token_sha256: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(SET_TOKEN).bind(email).bind(token_sha256).execute(tx.db()).await?;
    Ok(done.rows_affected() == 1)
}

/// The account whose token has this hash.
///
/// # Errors
/// When the database fails.
pub async fn by_token<'e>(db: impl SqliteExecutor<'e>, token_sha256: &str) -> Result<Option<Account>, StoreError> {
    sqlx::query(BY_TOKEN).bind(token_sha256).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The account with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: AccountId) -> Result<Option<Account>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<Account, StoreError> {
    let cells = Cells { table: "account", row };
    Ok(Account {
        id: cells.parsed("id")?,
        email: cells.text("email")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
