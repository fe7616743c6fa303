//! Webhooks, their secrets sealed.

use crate::row::Cells;
use crate::{Store, StoreError, Tx};
use model::event::Entity;
use model::id::{AppId, WebhookId};
use model::webhook::Webhook;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, app_id, include, level, url, created_at, updated_at FROM webhook ", $rest)
    };
}

const INSERT: &str = "INSERT INTO webhook (id, app_id, include, level, url, secret_sealed, authorization_sealed, \
     created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const UPDATE: &str = "UPDATE webhook SET include = $2, level = $3, url = $4, updated_at = $5 WHERE id = $1";
const SET_SECRET: &str = "UPDATE webhook SET secret_sealed = $2 WHERE id = $1";
const SET_AUTHORIZATION: &str = "UPDATE webhook SET authorization_sealed = $2 WHERE id = $1";
const DELETE: &str = "DELETE FROM webhook WHERE id = $1";
const LIST: &str = select!("WHERE app_id = $1 ORDER BY created_at, id");
const BY_ID: &str = select!("WHERE id = $1");
const KEYS: &str = "SELECT secret_sealed, authorization_sealed FROM webhook WHERE id = $1";
const DELETE_ORPHANS: &str = "DELETE FROM webhook WHERE app_id NOT IN (SELECT id FROM app) AND id NOT IN \
     (SELECT webhook_id FROM webhook_delivery WHERE state IN ('pending', 'retrying'))";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, SET_SECRET, SET_AUTHORIZATION, DELETE, LIST, BY_ID, KEYS, DELETE_ORPHANS];

/// What a notification is signed with, and what it says of who sends it.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The key of its signature.
    pub secret: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// Adds a webhook.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, webhook: &Webhook, keys: &Keys) -> Result<(), StoreError> {
    let secret = tx.vault.seal(&owner(webhook.id, "secret"), &keys.secret)?;
    let authorization = sealed_authorization(tx, webhook.id, keys.authorization.as_deref())?;
    let query = sqlx::query(INSERT).bind(webhook.id.to_string()).bind(webhook.app.to_string());
    let query = query.bind(words(&webhook.include)).bind(webhook.level.word()).bind(webhook.url.as_str());
    let query = query.bind(secret).bind(authorization).bind(webhook.created_at.0).bind(webhook.updated_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Stores what is told, how and where. `false`: it is gone.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, webhook: &Webhook) -> Result<bool, StoreError> {
    let query = sqlx::query(UPDATE).bind(webhook.id.to_string()).bind(words(&webhook.include));
    let query = query.bind(webhook.level.word()).bind(webhook.url.as_str()).bind(webhook.updated_at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Gives it another secret.
///
/// # Errors
/// When the database fails.
pub async fn set_secret(tx: &mut Tx, id: WebhookId, secret: &str) -> Result<(), StoreError> {
    let sealed = tx.vault.seal(&owner(id, "secret"), secret)?;
    sqlx::query(SET_SECRET).bind(id.to_string()).bind(sealed).execute(tx.db()).await?;
    Ok(())
}

/// Gives it another `Authorization`, or none.
///
/// # Errors
/// When the database fails.
pub async fn set_authorization(tx: &mut Tx, id: WebhookId, authorization: Option<&str>) -> Result<(), StoreError> {
    let sealed = sealed_authorization(tx, id, authorization)?;
    sqlx::query(SET_AUTHORIZATION).bind(id.to_string()).bind(sealed).execute(tx.db()).await?;
    Ok(())
}

/// Removes a webhook and what was to be delivered to it. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: WebhookId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Removes the webhooks of apps that are gone, once nothing is to be delivered to them any more; how many went.
///
/// # Errors
/// When the database fails.
pub async fn delete_orphans(tx: &mut Tx) -> Result<u64, StoreError> {
    Ok(sqlx::query(DELETE_ORPHANS).execute(tx.db()).await?.rows_affected())
}

/// The webhooks of an app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Webhook>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// One webhook.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// Its secrets, to send something with.
///
/// # Errors
/// When they do not open or the database fails.
pub async fn keys(store: &Store, id: WebhookId) -> Result<Option<Keys>, StoreError> {
    let row = sqlx::query(KEYS).bind(id.to_string()).fetch_optional(store.db()).await?;
    let open = |row: SqliteRow| {
        let cells = Cells { table: "webhook", row: &row };
        let secret = store.vault().open(&owner(id, "secret"), &cells.text("secret_sealed")?)?;
        let authorization = cells.maybe_text("authorization_sealed")?;
        let open = |sealed: String| store.vault().open(&owner(id, "authorization"), &sealed);
        Ok(Keys { secret, authorization: authorization.map(open).transpose()? })
    };
    row.map(open).transpose()
}

fn sealed_authorization(tx: &Tx, id: WebhookId, plain: Option<&str>) -> Result<Option<String>, StoreError> {
    Ok(plain.map(|plain| tx.vault.seal(&owner(id, "authorization"), plain)).transpose()?)
}

fn owner(id: WebhookId, what: &str) -> String {
    format!("webhook/{id}/{what}")
}

fn words(entities: &[Entity]) -> String {
    entities.iter().map(|entity| entity.word()).collect::<Vec<_>>().join(",")
}

fn read(row: &SqliteRow) -> Result<Webhook, StoreError> {
    let cells = Cells { table: "webhook", row };
    let include = cells.text("include")?;
    let include: Result<_, _> = include.split(',').map(str::parse).collect();
    Ok(Webhook {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        include: include.map_err(|error| cells.bad(error))?,
        level: cells.parsed("level")?,
        url: cells.parsed("url")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
