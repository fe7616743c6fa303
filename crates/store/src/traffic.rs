//! Requests of apps by hour.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::AppId;
use model::latency::Latency;
use model::time::Timestamp;
use model::traffic::Traffic;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

/// An app that went meanwhile has no requests any more.
const PUT: &str = "INSERT INTO traffic (app_id, hour, statuses, latency, longest_ms) \
    SELECT id, $2, $3, $4, $5 FROM app WHERE id = $1 \
    ON CONFLICT (app_id, hour) DO UPDATE SET \
    statuses = excluded.statuses, latency = excluded.latency, longest_ms = excluded.longest_ms";
const FORGET: &str = "DELETE FROM traffic WHERE hour < $1";
const OF_APP: &str = "SELECT hour, statuses, latency, longest_ms FROM traffic \
    WHERE app_id = $1 AND hour >= $2 AND hour <= $3 ORDER BY hour";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[PUT, FORGET, OF_APP];

/// Adds these to what an hour has.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, app: AppId, hour: Timestamp, more: &Traffic) -> Result<(), StoreError> {
    let mut all = of_app(&mut *tx.db(), app, (hour, hour)).await?.pop().map(|(_, kept)| kept).unwrap_or_default();
    all.merge(more);
    let query = sqlx::query(PUT).bind(app.to_string()).bind(hour.0).bind(all.statuses.to_string());
    let longest_ms = i64::try_from(all.latency.longest_ms).unwrap_or(i64::MAX);
    query.bind(all.latency.classes.to_string()).bind(longest_ms).execute(tx.db()).await?;
    Ok(())
}

/// Forgets the hours before this one.
///
/// # Errors
/// When the database fails.
pub async fn forget_before(tx: &mut Tx, hour: Timestamp) -> Result<(), StoreError> {
    sqlx::query(FORGET).bind(hour.0).execute(tx.db()).await?;
    Ok(())
}

/// What an app had in these hours, both included, in their order; hours without requests are not there.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    (first, last): (Timestamp, Timestamp),
) -> Result<Vec<(Timestamp, Traffic)>, StoreError> {
    let query = sqlx::query(OF_APP).bind(app.to_string()).bind(first.0).bind(last.0);
    query.fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<(Timestamp, Traffic), StoreError> {
    let cells = Cells { table: "traffic", row };
    let latency = Latency { classes: cells.parsed("latency")?, longest_ms: cells.unsigned("longest_ms")? };
    Ok((cells.time("hour")?, Traffic { statuses: cells.parsed("statuses")?, latency }))
}
