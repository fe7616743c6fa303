//! Release commands: how long an app's may run, and whether two may run at once.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::AppId;
use model::release::PhaseSetting;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

const EARLIER: &str =
    "SELECT version FROM release WHERE app_id = $1 AND version < $2 AND status = 'pending' ORDER BY version LIMIT 1";
const PUT: &str = "INSERT INTO release_phase_setting (app_id, limit_s, at_once) VALUES ($1, $2, $3) \
     ON CONFLICT (app_id) DO UPDATE SET limit_s = $2, at_once = $3";
const OF_APP: &str = "SELECT limit_s, at_once FROM release_phase_setting WHERE app_id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[EARLIER, PUT, OF_APP];

/// The oldest release of the app below `version` that is not decided.
///
/// # Errors
/// When the database fails.
pub async fn earlier<'e>(db: impl SqliteExecutor<'e>, app: AppId, version: i64) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(EARLIER).bind(app.to_string()).bind(version).fetch_optional(db).await?)
}

/// Sets how an app's release commands run.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn put(tx: &mut Tx, app: AppId, setting: &PhaseSetting) -> Result<(), StoreError> {
    let limit = setting.limit.map(|limit| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
    sqlx::query(PUT).bind(app.to_string()).bind(limit).bind(setting.at_once).execute(tx.db()).await?;
    Ok(())
}

/// How an app's release commands run.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<PhaseSetting, StoreError> {
    let row = sqlx::query(OF_APP).bind(app.to_string()).fetch_optional(db).await?;
    row.as_ref().map_or(Ok(PhaseSetting::default()), read)
}

fn read(row: &SqliteRow) -> Result<PhaseSetting, StoreError> {
    let cells = Cells { table: "release_phase_setting", row };
    let limit = cells.maybe_number("limit_s")?.map(|_| cells.unsigned("limit_s")).transpose()?;
    Ok(PhaseSetting { limit: limit.map(Duration::from_secs), at_once: cells.flag("at_once")? })
}
