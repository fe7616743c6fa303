//! Which apps want their certificates made for them (ROUTE-5).

use crate::{StoreError, Tx};
use model::id::AppId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;

const ENABLE: &str = "INSERT INTO app_acm (app_id, enabled_at) VALUES ($1, $2) ON CONFLICT (app_id) DO NOTHING";
const DISABLE: &str = "DELETE FROM app_acm WHERE app_id = $1";
const ENABLED: &str = "SELECT COUNT(*) FROM app_acm WHERE app_id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[ENABLE, DISABLE, ENABLED];

/// Switches it on. `false`: it was.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn enable(tx: &mut Tx, app: AppId, at: Timestamp) -> Result<bool, StoreError> {
    Ok(sqlx::query(ENABLE).bind(app.to_string()).bind(at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// Switches it off. `false`: it was.
///
/// # Errors
/// When the database fails.
pub async fn disable(tx: &mut Tx, app: AppId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DISABLE).bind(app.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Is it on?
///
/// # Errors
/// When the database fails.
pub async fn enabled<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<bool, StoreError> {
    let count: i64 = sqlx::query_scalar(ENABLED).bind(app.to_string()).fetch_one(db).await?;
    Ok(count > 0)
}
