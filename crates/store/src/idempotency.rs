//! Answers that are given again to whoever repeats a request with its key.

use crate::row::Cells;
use crate::{Store, StoreError, Tx};
use model::id::AuthorizationId;
use model::time::Timestamp;

const INSERT: &str = "INSERT INTO idempotency (authorization_id, name, request_sha256, created_at) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (authorization_id, name) DO NOTHING";
const FIND: &str =
    "SELECT request_sha256, answer_sealed, created_at FROM idempotency WHERE authorization_id = $1 AND name = $2";
const SET: &str =
    "UPDATE idempotency SET answer_sealed = $3 WHERE authorization_id = $1 AND name = $2 AND answer_sealed IS NULL";
const DELETE: &str = "DELETE FROM idempotency WHERE authorization_id = $1 AND name = $2";
const DELETE_SURPLUS: &str = "DELETE FROM idempotency WHERE authorization_id = $1 AND name NOT IN (SELECT name FROM \
     idempotency WHERE authorization_id = $1 ORDER BY created_at DESC, name LIMIT $2)";
const DELETE_OLD: &str = "DELETE FROM idempotency WHERE created_at < $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, FIND, SET, DELETE, DELETE_SURPLUS, DELETE_OLD];

/// A request that came before with this key.
#[derive(Debug, Clone)]
pub struct Known {
    /// The hash of the request.
    pub request_sha256: String,
    /// Its answer; `None`: it is being answered, or never was.
    pub answer: Option<String>,
    /// When it came.
    pub created_at: Timestamp,
}

/// Notes that a request came. `false`: one with this key came before.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut Tx,
    by: AuthorizationId,
    name: &str,
    request_sha256: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let query = sqlx::query(INSERT).bind(by.to_string()).bind(name).bind(request_sha256).bind(at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// What came before with this key.
///
/// # Errors
/// When the answer does not open or the database fails.
pub async fn find(store: &Store, by: AuthorizationId, name: &str) -> Result<Option<Known>, StoreError> {
    let row = sqlx::query(FIND).bind(by.to_string()).bind(name).fetch_optional(store.db()).await?;
    let Some(row) = row else { return Ok(None) };
    let cells = Cells { table: "idempotency", row: &row };
    let sealed = cells.maybe_text("answer_sealed")?;
    let answer = sealed.map(|sealed| store.vault().open(&owner(by, name), &sealed)).transpose()?;
    Ok(Some(Known { request_sha256: cells.text("request_sha256")?, answer, created_at: cells.time("created_at")? }))
}

/// Keeps the answer, sealed: it may hold a secret that is shown once.
///
/// # Errors
/// When the database fails.
pub async fn set_answer(tx: &mut Tx, by: AuthorizationId, name: &str, answer: &str) -> Result<(), StoreError> {
    let sealed = tx.vault.seal(&owner(by, name), answer)?;
    sqlx::query(SET).bind(by.to_string()).bind(name).bind(sealed).execute(tx.db()).await?;
    Ok(())
}

/// Forgets a request.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, by: AuthorizationId, name: &str) -> Result<(), StoreError> {
    sqlx::query(DELETE).bind(by.to_string()).bind(name).execute(tx.db()).await?;
    Ok(())
}

/// Forgets all but the newest of a token.
///
/// # Errors
/// When the database fails.
pub async fn delete_surplus(tx: &mut Tx, by: AuthorizationId, kept: i64) -> Result<(), StoreError> {
    sqlx::query(DELETE_SURPLUS).bind(by.to_string()).bind(kept).execute(tx.db()).await?;
    Ok(())
}

/// Forgets what came before `moment`.
///
/// # Errors
/// When the database fails.
pub async fn delete_older(tx: &mut Tx, moment: Timestamp) -> Result<(), StoreError> {
    sqlx::query(DELETE_OLD).bind(moment.0).execute(tx.db()).await?;
    Ok(())
}

fn owner(by: AuthorizationId, name: &str) -> String {
    format!("idempotency/{by}/{name}")
}
