//! OAuth clients.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AccountId, OauthClientId};
use model::oauth_client::OauthClient;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, account_id, name, redirect_uri, created_at, updated_at FROM oauth_client ", $rest)
    };
}

const INSERT: &str = "INSERT INTO oauth_client (id, account_id, name, redirect_uri, secret_sha256, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $6)";
const UPDATE: &str = "UPDATE oauth_client SET name = $2, redirect_uri = $3, updated_at = $4 WHERE id = $1";
const SET_SECRET: &str = "UPDATE oauth_client SET secret_sha256 = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM oauth_client WHERE id = $1";
const OF_ACCOUNT: &str = select!("WHERE account_id = $1 ORDER BY id");
const BY_ID: &str = select!("WHERE id = $1");
const BY_SECRET: &str = select!("WHERE secret_sha256 = $1");

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, SET_SECRET, DELETE, OF_ACCOUNT, BY_ID, BY_SECRET];

/// Adds one; its secret is kept as SHA-256 only.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, client: &OauthClient, secret_sha256: &str) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(client.id.to_string()).bind(client.account.to_string()).bind(&client.name);
    let query = query.bind(&client.redirect_uri).bind(secret_sha256).bind(client.created_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Stores name and address.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, client: &OauthClient) -> Result<(), StoreError> {
    let query = sqlx::query(UPDATE).bind(client.id.to_string()).bind(&client.name).bind(&client.redirect_uri);
    query.bind(client.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Gives it another secret.
///
/// # Errors
/// When the database fails.
pub async fn set_secret(tx: &mut Tx, id: OauthClientId, sha256: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(SET_SECRET).bind(id.to_string()).bind(sha256).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes one with the tokens that it was given. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: OauthClientId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// All of an account, by id.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<OauthClient>, StoreError> {
    sqlx::query(OF_ACCOUNT).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// The one with this id, whose ever it is.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: OauthClientId) -> Result<Option<OauthClient>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The one whose secret has this hash.
///
/// # Errors
/// When the database fails.
pub async fn by_secret<'e>(db: impl SqliteExecutor<'e>, sha256: &str) -> Result<Option<OauthClient>, StoreError> {
    sqlx::query(BY_SECRET).bind(sha256).fetch_optional(db).await?.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<OauthClient, StoreError> {
    let cells = Cells { table: "oauth_client", row };
    Ok(OauthClient {
        id: cells.parsed("id")?,
        account: cells.parsed("account_id")?,
        name: cells.text("name")?,
        redirect_uri: cells.text("redirect_uri")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
