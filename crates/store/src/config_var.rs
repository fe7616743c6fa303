//! Config vars, each value sealed for its app and name.

use crate::row::Cells;
use crate::{Store, StoreError, Tx, Vault};
use model::config_var::ConfigVars;
use model::id::AppId;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeSet;

const LIST: &str = "SELECT name, value_sealed FROM config_var WHERE app_id = $1";
const CLEAR: &str = "DELETE FROM config_var WHERE app_id = $1";
const INSERT: &str = "INSERT INTO config_var (app_id, name, value_sealed) VALUES ($1, $2, $3)";

const WRITE_ONLY: &str = "SELECT name FROM config_var_write_only WHERE app_id = $1 ORDER BY name";
const HIDE: &str = "INSERT INTO config_var_write_only (app_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const FORGET: &str = "DELETE FROM config_var_write_only WHERE app_id = $1 AND name = $2";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[LIST, CLEAR, INSERT, WRITE_ONLY, HIDE, FORGET];

/// What is set on the app now.
///
/// # Errors
/// When a value does not open, or the database fails.
pub async fn all(store: &Store, app: AppId) -> Result<ConfigVars, StoreError> {
    let rows = sqlx::query(LIST).bind(app.to_string()).fetch_all(store.db()).await?;
    open(store.vault(), app, &rows)
}

/// The same, as this change sees it.
///
/// # Errors
/// When a value does not open, or the database fails.
pub async fn all_in(tx: &mut Tx, app: AppId) -> Result<ConfigVars, StoreError> {
    let rows = sqlx::query(LIST).bind(app.to_string()).fetch_all(tx.db()).await?;
    open(&tx.vault, app, &rows)
}

/// Replaces all of them.
///
/// # Errors
/// When the database fails.
pub async fn replace(tx: &mut Tx, app: AppId, vars: &ConfigVars) -> Result<(), StoreError> {
    sqlx::query(CLEAR).bind(app.to_string()).execute(tx.db()).await?;
    for (name, value) in vars {
        let sealed = tx.vault.seal(&owner(app, name), value)?;
        sqlx::query(INSERT).bind(app.to_string()).bind(name).bind(sealed).execute(tx.db()).await?;
    }
    Ok(())
}

/// The names whose values are never shown again.
///
/// # Errors
/// When the database fails.
pub async fn write_only<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<BTreeSet<String>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(WRITE_ONLY).bind(app.to_string()).fetch_all(db).await?;
    Ok(names.into_iter().collect())
}

/// From now on the value of this name is never shown.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn hide(tx: &mut Tx, app: AppId, name: &str) -> Result<(), StoreError> {
    sqlx::query(HIDE).bind(app.to_string()).bind(name).execute(tx.db()).await?;
    Ok(())
}

/// The name was removed; another value under it is shown again.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, app: AppId, name: &str) -> Result<(), StoreError> {
    sqlx::query(FORGET).bind(app.to_string()).bind(name).execute(tx.db()).await?;
    Ok(())
}

fn open(vault: &Vault, app: AppId, rows: &[SqliteRow]) -> Result<ConfigVars, StoreError> {
    let read = |row: &SqliteRow| {
        let cells = Cells { table: "config_var", row };
        let name = cells.text("name")?;
        let value = vault.open(&owner(app, &name), &cells.text("value_sealed")?)?;
        Ok((name, value))
    };
    rows.iter().map(read).collect()
}

fn owner(app: AppId, name: &str) -> String {
    format!("config_var/{app}/{name}")
}
