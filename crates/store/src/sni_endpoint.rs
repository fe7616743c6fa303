//! Certificates that people brought, each key sealed for its certificate.

use crate::row::Cells;
use crate::{Store, StoreError, Tx};
use model::id::{AppId, SniEndpointId};
use model::sni_endpoint::SniEndpoint;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO sni_endpoint (id, app_id, name, certificate_chain, private_key_sealed, created_at, \
     updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)";
const REPLACE: &str =
    "UPDATE sni_endpoint SET certificate_chain = $2, private_key_sealed = $3, updated_at = $4 WHERE id = $1";
const DELETE: &str = "DELETE FROM sni_endpoint WHERE id = $1";
const LIST: &str = "SELECT id, app_id, name, certificate_chain, created_at, updated_at FROM sni_endpoint \
     WHERE app_id = $1 ORDER BY created_at, name";
const PRIVATE_KEY: &str = "SELECT private_key_sealed FROM sni_endpoint WHERE id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, REPLACE, DELETE, LIST, PRIVATE_KEY];

/// Adds one.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the app has one of that name.
pub async fn insert(tx: &mut Tx, endpoint: &SniEndpoint, private_key: &str) -> Result<(), StoreError> {
    let sealed = tx.vault.seal(&owner(endpoint.id), private_key)?;
    let query = sqlx::query(INSERT).bind(endpoint.id.to_string()).bind(endpoint.app.to_string()).bind(&endpoint.name);
    let query = query.bind(&endpoint.certificate_chain).bind(sealed).bind(endpoint.created_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Puts another certificate and key in its place. `false`: it is gone.
///
/// # Errors
/// When the database fails.
pub async fn replace(tx: &mut Tx, endpoint: &SniEndpoint, private_key: &str) -> Result<bool, StoreError> {
    let sealed = tx.vault.seal(&owner(endpoint.id), private_key)?;
    let query = sqlx::query(REPLACE).bind(endpoint.id.to_string()).bind(&endpoint.certificate_chain).bind(sealed);
    Ok(query.bind(endpoint.updated_at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// Removes it. `false`: it was gone already.
///
/// # Errors
/// When a domain is served with it, or the database fails.
pub async fn delete(tx: &mut Tx, id: SniEndpointId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Those of an app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<SniEndpoint>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// The key of one, for whoever serves TLS with it.
///
/// # Errors
/// When it does not open, or the database fails.
pub async fn private_key(store: &Store, id: SniEndpointId) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(PRIVATE_KEY).bind(id.to_string()).fetch_optional(store.db()).await?;
    let Some(row) = row else { return Ok(None) };
    let sealed = Cells { table: "sni_endpoint", row: &row }.text("private_key_sealed")?;
    Ok(Some(store.vault().open(&owner(id), &sealed)?))
}

fn owner(id: SniEndpointId) -> String {
    format!("sni_endpoint/{id}")
}

fn read(row: &SqliteRow) -> Result<SniEndpoint, StoreError> {
    let cells = Cells { table: "sni_endpoint", row };
    Ok(SniEndpoint {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        name: cells.text("name")?,
        certificate_chain: cells.text("certificate_chain")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
