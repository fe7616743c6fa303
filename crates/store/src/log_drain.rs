//! Log drains, each address sealed for its drain: it may hold a password.

use crate::row::Cells;
use crate::{Store, StoreError, Tx, Vault};
use model::id::{AppId, LogDrainId};
use model::log_drain::LogDrain;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO log_drain (id, app_id, token, url_sealed, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $5)";
const DELETE: &str = "DELETE FROM log_drain WHERE id = $1";
const OF_APP: &str = "SELECT id, app_id, token, url_sealed, created_at, updated_at FROM log_drain \
     WHERE app_id = $1 ORDER BY created_at, id";
const LIST: &str = "SELECT id, app_id, token, url_sealed, created_at, updated_at FROM log_drain";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, DELETE, OF_APP, LIST];

/// Adds a drain.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn insert(tx: &mut Tx, drain: &LogDrain) -> Result<(), StoreError> {
    let sealed = tx.vault.seal(&owner(drain.id), drain.url.as_str())?;
    let query = sqlx::query(INSERT).bind(drain.id.to_string()).bind(drain.app.to_string()).bind(&drain.token);
    query.bind(sealed).bind(drain.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes it. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: LogDrainId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Those of an app, oldest first.
///
/// # Errors
/// When an address does not open, or the database fails.
pub async fn of_app(store: &Store, app: AppId) -> Result<Vec<LogDrain>, StoreError> {
    let rows = sqlx::query(OF_APP).bind(app.to_string()).fetch_all(store.db()).await?;
    rows.iter().map(|row| read(store.vault(), row)).collect()
}

/// The same, as this change sees it.
///
/// # Errors
/// As [`of_app`].
pub async fn of_app_in(tx: &mut Tx, app: AppId) -> Result<Vec<LogDrain>, StoreError> {
    let rows = sqlx::query(OF_APP).bind(app.to_string()).fetch_all(tx.db()).await?;
    rows.iter().map(|row| read(&tx.vault, row)).collect()
}

/// Those of every app.
///
/// # Errors
/// As [`of_app`].
pub async fn list(store: &Store) -> Result<Vec<LogDrain>, StoreError> {
    let rows = sqlx::query(LIST).fetch_all(store.db()).await?;
    rows.iter().map(|row| read(store.vault(), row)).collect()
}

fn owner(id: LogDrainId) -> String {
    format!("log_drain/{id}")
}

fn read(vault: &Vault, row: &SqliteRow) -> Result<LogDrain, StoreError> {
    let cells = Cells { table: "log_drain", row };
    let id = cells.parsed("id")?;
    let url = vault.open(&owner(id), &cells.text("url_sealed")?)?;
    Ok(LogDrain {
        id,
        app: cells.parsed("app_id")?,
        token: cells.text("token")?,
        url: url.parse().map_err(|error| cells.bad(error))?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
