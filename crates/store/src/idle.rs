//! Idle apps: after what time each is put to sleep, and which sleep now.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::AppId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

const SET_AFTER: &str = "INSERT INTO app_idle (app_id, sleep_after_s) VALUES ($1, $2) \
     ON CONFLICT (app_id) DO UPDATE SET sleep_after_s = $2";
const SET_ASLEEP: &str = "INSERT INTO app_idle (app_id, asleep_since) \
     SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM app WHERE id = $1) \
     ON CONFLICT (app_id) DO UPDATE SET asleep_since = $2";
const AFTER: &str = "SELECT sleep_after_s FROM app_idle WHERE app_id = $1 AND sleep_after_s IS NOT NULL";
const SLEEPERS: &str = "SELECT app_id, sleep_after_s FROM app_idle WHERE sleep_after_s IS NOT NULL";
const ASLEEP: &str = "SELECT app_id, asleep_since FROM app_idle WHERE asleep_since IS NOT NULL";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[SET_AFTER, SET_ASLEEP, AFTER, SLEEPERS, ASLEEP];

/// Sets after what time without a request an app is put to sleep; `None`: never.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn set_after(tx: &mut Tx, app: AppId, after: Option<Duration>) -> Result<(), StoreError> {
    let seconds = after.map(|after| i64::try_from(after.as_secs()).unwrap_or(i64::MAX));
    sqlx::query(SET_AFTER).bind(app.to_string()).bind(seconds).execute(tx.db()).await?;
    Ok(())
}

/// Notes that an app sleeps, or woke. Nothing happens when it was destroyed meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn set_asleep(tx: &mut Tx, app: AppId, since: Option<Timestamp>) -> Result<(), StoreError> {
    sqlx::query(SET_ASLEEP).bind(app.to_string()).bind(since.map(|since| since.0)).execute(tx.db()).await?;
    Ok(())
}

/// After what time an app is put to sleep.
///
/// # Errors
/// When the database fails.
pub async fn after<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<Duration>, StoreError> {
    sqlx::query(AFTER).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(seconds).transpose()
}

/// All apps that are to be put to sleep, with the time.
///
/// # Errors
/// When the database fails.
pub async fn sleepers<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<(AppId, Duration)>, StoreError> {
    let rows = sqlx::query(SLEEPERS).fetch_all(db).await?;
    rows.iter().map(|row| Ok((Cells { table: "app_idle", row }.parsed("app_id")?, seconds(row)?))).collect()
}

/// All apps that sleep, and since when.
///
/// # Errors
/// When the database fails.
pub async fn asleep<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<(AppId, Timestamp)>, StoreError> {
    let cells = |row| Cells { table: "app_idle", row };
    let rows = sqlx::query(ASLEEP).fetch_all(db).await?;
    rows.iter().map(|row| Ok((cells(row).parsed("app_id")?, cells(row).time("asleep_since")?))).collect()
}

fn seconds(row: &SqliteRow) -> Result<Duration, StoreError> {
    Ok(Duration::from_secs(Cells { table: "app_idle", row }.unsigned("sleep_after_s")?))
}
