//! Authorizations: the hashes of tokens, and what they are good for.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::authorization::Authorization;
use model::id::{AccountId, AuthorizationId};
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, account_id, client_id, description, session, scope, expires_at, created_at, updated_at ",
            "FROM oauth_authorization ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO oauth_authorization (id, account_id, client_id, description, session, scope, \
     expires_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
const SET_TOKEN: &str =
    "UPDATE oauth_authorization SET token_sha256 = $2, expires_at = $3, updated_at = $4 WHERE id = $1";
const SET_REFRESH: &str = "UPDATE oauth_authorization SET refresh_sha256 = $2 WHERE id = $1";
const SET_GRANT: &str = "UPDATE oauth_authorization SET grant_sha256 = $2, grant_expires_at = $3 WHERE id = $1";
const DESCRIBE: &str = "UPDATE oauth_authorization SET description = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM oauth_authorization WHERE id = $1";
const DELETE_EXPIRED: &str = "DELETE FROM oauth_authorization WHERE expires_at <= $1 AND refresh_sha256 IS NULL";
const DELETE_SESSIONS: &str = "DELETE FROM oauth_authorization WHERE account_id = $1 AND id <> $2 AND session = TRUE";
const BY_TOKEN: &str = select!("WHERE token_sha256 = $1");
const BY_REFRESH: &str = select!("WHERE refresh_sha256 = $1");
const BY_GRANT: &str = select!("WHERE grant_sha256 = $1 AND grant_expires_at > $2");
const OF_ACCOUNT: &str = select!("WHERE account_id = $1 ORDER BY id");
const COUNT: &str = "SELECT COUNT(*) FROM oauth_authorization WHERE account_id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    SET_TOKEN,
    SET_REFRESH,
    SET_GRANT,
    DESCRIBE,
    DELETE,
    DELETE_EXPIRED,
    DELETE_SESSIONS,
    BY_TOKEN,
    BY_REFRESH,
    BY_GRANT,
    OF_ACCOUNT,
    COUNT,
];

/// Adds one without a token.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, one: &Authorization) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(one.id.to_string()).bind(one.account.to_string());
    let query = query.bind(one.client.map(|client| client.to_string())).bind(&one.description).bind(one.session);
    let query = query.bind(one.scopes.to_string()).bind(one.expires_at.map(|at| at.0)).bind(one.created_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Gives it this token, as its SHA-256, until then; the one before is worth nothing any more.
///
/// # Errors
/// When the database fails.
pub async fn set_token(
    tx: &mut Tx,
    id: AuthorizationId,
    sha256: &str,
    expires_at: Option<Timestamp>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let query = sqlx::query(SET_TOKEN).bind(id.to_string()).bind(sha256).bind(expires_at.map(|at| at.0));
    query.bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Gives it this refresh token, as its SHA-256.
///
/// # Errors
/// When the database fails.
pub async fn set_refresh(tx: &mut Tx, id: AuthorizationId, sha256: &str) -> Result<(), StoreError> {
    sqlx::query(SET_REFRESH).bind(id.to_string()).bind(sha256).execute(tx.db()).await?;
    Ok(())
}

/// Gives it a code that a client exchanges for a token until then; `None` takes it away.
///
/// # Errors
/// When the database fails.
pub async fn set_grant(tx: &mut Tx, id: AuthorizationId, grant: Option<(&str, Timestamp)>) -> Result<(), StoreError> {
    let query = sqlx::query(SET_GRANT).bind(id.to_string()).bind(grant.map(|(sha256, _)| sha256));
    query.bind(grant.map(|(_, at)| at.0)).execute(tx.db()).await?;
    Ok(())
}

/// Says what it is for.
///
/// # Errors
/// When the database fails.
pub async fn describe(
    tx: &mut Tx,
    id: AuthorizationId,
    description: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(DESCRIBE).bind(id.to_string()).bind(description).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes one. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: AuthorizationId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Removes those that are over and cannot be renewed.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(DELETE_EXPIRED).bind(now.0).execute(tx.db()).await?;
    Ok(())
}

/// Ends the logins of an account, but for one.
///
/// # Errors
/// When the database fails.
pub async fn delete_sessions(tx: &mut Tx, account: AccountId, but: AuthorizationId) -> Result<(), StoreError> {
    sqlx::query(DELETE_SESSIONS).bind(account.to_string()).bind(but.to_string()).execute(tx.db()).await?;
    Ok(())
}

/// The one whose token has this hash, also when it is over.
///
/// # Errors
/// When the database fails.
pub async fn by_token<'e>(db: impl SqliteExecutor<'e>, sha256: &str) -> Result<Option<Authorization>, StoreError> {
    sqlx::query(BY_TOKEN).bind(sha256).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The one whose refresh token has this hash.
///
/// # Errors
/// When the database fails.
pub async fn by_refresh<'e>(db: impl SqliteExecutor<'e>, sha256: &str) -> Result<Option<Authorization>, StoreError> {
    sqlx::query(BY_REFRESH).bind(sha256).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The one whose code has this hash and is not over.
///
/// # Errors
/// When the database fails.
pub async fn by_grant<'e>(
    db: impl SqliteExecutor<'e>,
    sha256: &str,
    now: Timestamp,
) -> Result<Option<Authorization>, StoreError> {
    sqlx::query(BY_GRANT).bind(sha256).bind(now.0).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All of an account, by id.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<Authorization>, StoreError> {
    sqlx::query(OF_ACCOUNT).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// How many an account has.
///
/// # Errors
/// When the database fails.
pub async fn count<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(COUNT).bind(account.to_string()).fetch_one(db).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn read(row: &SqliteRow) -> Result<Authorization, StoreError> {
    let cells = Cells { table: "oauth_authorization", row };
    Ok(Authorization {
        id: cells.parsed("id")?,
        account: cells.parsed("account_id")?,
        client: cells.maybe_parsed("client_id")?,
        description: cells.maybe_text("description")?,
        session: cells.flag("session")?,
        scopes: cells.parsed("scope")?,
        expires_at: cells.maybe_time("expires_at")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
