//! Monitors: what scales the dynos of an app.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AppId, MonitorId};
use model::monitor::Monitor;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO monitor (id, app_id, process_type, is_active, min_quantity, max_quantity, p95_ms, name, \
     reminds, notification_period_min, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const UPDATE: &str = "UPDATE monitor SET is_active = $2, min_quantity = $3, max_quantity = $4, p95_ms = $5, name = $6, \
     reminds = $7, notification_period_min = $8, updated_at = $9 WHERE id = $1";
const OF_APP: &str = "SELECT id, app_id, process_type, is_active, min_quantity, max_quantity, p95_ms, name, reminds, \
     notification_period_min, created_at, updated_at FROM monitor WHERE app_id = $1 ORDER BY process_type";
const ACTIVE: &str = "SELECT id, app_id, process_type, is_active, min_quantity, max_quantity, p95_ms, name, reminds, \
     notification_period_min, created_at, updated_at FROM monitor WHERE is_active ORDER BY app_id, process_type";
const BY_ID: &str = "SELECT id, app_id, process_type, is_active, min_quantity, max_quantity, p95_ms, name, reminds, \
     notification_period_min, created_at, updated_at FROM monitor WHERE id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, OF_APP, ACTIVE, BY_ID];

/// Adds one.
///
/// # Errors
/// [`StoreError::is_duplicate`] when its process type has one already.
pub async fn insert(tx: &mut Tx, monitor: &Monitor) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(monitor.id.to_string()).bind(monitor.app.to_string());
    let query = query.bind(monitor.process_type.as_str()).bind(monitor.is_active);
    let query = query.bind(i64::from(monitor.min_quantity)).bind(i64::from(monitor.max_quantity));
    let query = query.bind(i64::from(monitor.p95_ms)).bind(&monitor.name).bind(monitor.reminds);
    let query = query.bind(i64::from(monitor.notification_period_min));
    query.bind(monitor.created_at.0).bind(monitor.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Changes one. Nothing happens when its app was destroyed meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, monitor: &Monitor) -> Result<(), StoreError> {
    let query = sqlx::query(UPDATE).bind(monitor.id.to_string()).bind(monitor.is_active);
    let query = query.bind(i64::from(monitor.min_quantity)).bind(i64::from(monitor.max_quantity));
    let query = query.bind(i64::from(monitor.p95_ms)).bind(&monitor.name).bind(monitor.reminds);
    let query = query.bind(i64::from(monitor.notification_period_min)).bind(monitor.updated_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// All of an app.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Monitor>, StoreError> {
    sqlx::query(OF_APP).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// All that scale, of every app.
///
/// # Errors
/// When the database fails.
pub async fn active<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Monitor>, StoreError> {
    sqlx::query(ACTIVE).fetch_all(db).await?.iter().map(read).collect()
}

/// One.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: MonitorId) -> Result<Option<Monitor>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<Monitor, StoreError> {
    let cells = Cells { table: "monitor", row };
    Ok(Monitor {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        process_type: cells.parsed("process_type")?,
        is_active: cells.flag("is_active")?,
        min_quantity: cells.unsigned("min_quantity")?,
        max_quantity: cells.unsigned("max_quantity")?,
        p95_ms: cells.unsigned("p95_ms")?,
        name: cells.text("name")?,
        reminds: cells.flag("reminds")?,
        notification_period_min: cells.unsigned("notification_period_min")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
