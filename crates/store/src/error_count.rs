//! Errors of apps by hour.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::error_count::{ErrorBucket, ErrorCode, ErrorPlace};
use model::id::AppId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

/// An app that went meanwhile has no errors any more.
const ADD: &str = "INSERT INTO error_count (app_id, hour, process_type, code, count) \
    SELECT id, $2, $3, $4, $5 FROM app WHERE id = $1 \
    ON CONFLICT (app_id, hour, process_type, code) DO UPDATE SET count = error_count.count + excluded.count";
const FORGET: &str = "DELETE FROM error_count WHERE hour < $1";
const OF_PLACE: &str = "SELECT hour, code, count FROM error_count \
    WHERE app_id = $1 AND hour >= $2 AND hour <= $3 AND process_type = $4 ORDER BY code, hour";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[ADD, FORGET, OF_PLACE];

/// Adds so many to a bucket.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, bucket: &ErrorBucket, count: u64) -> Result<(), StoreError> {
    let query = sqlx::query(ADD).bind(bucket.app.to_string()).bind(bucket.hour.0).bind(place(&bucket.place));
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    query.bind(bucket.code.to_string()).bind(count).execute(tx.db()).await?;
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

/// The counts of an app at one place in these hours, both included: by code, then by hour.
///
/// # Errors
/// When the database fails.
pub async fn of_place<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    at: &ErrorPlace,
    (first, last): (Timestamp, Timestamp),
) -> Result<Vec<(ErrorCode, Timestamp, u64)>, StoreError> {
    let query = sqlx::query(OF_PLACE).bind(app.to_string()).bind(first.0).bind(last.0).bind(place(at));
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// No process type has an empty name.
fn place(place: &ErrorPlace) -> String {
    match place {
        ErrorPlace::Router => String::new(),
        ErrorPlace::Dynos(process_type) => process_type.to_string(),
    }
}

fn read(row: &SqliteRow) -> Result<(ErrorCode, Timestamp, u64), StoreError> {
    let cells = Cells { table: "error_count", row };
    Ok((cells.parsed("code")?, cells.time("hour")?, cells.unsigned("count")?))
}
