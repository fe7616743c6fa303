//! The audit log. Rows are added at its end and removed at its beginning; none is changed.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::audit::{AuditRecord, Change};
use model::id::AppId;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT number, at, actor_id, actor, address, request_id, action, path, app_id, stage, status, content, ",
            "hash FROM audit ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO audit (number, at, actor_id, actor, address, request_id, action, path, app_id, \
     stage, status, content, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const LAST: &str = select!("ORDER BY number DESC LIMIT 1");
const UP: &str = select!("WHERE number >= $1 ORDER BY number LIMIT $2");
const DOWN: &str = select!("WHERE number <= $1 ORDER BY number DESC LIMIT $2");
const UP_OF_APP: &str = select!("WHERE app_id = $3 AND number >= $1 ORDER BY number LIMIT $2");
const DOWN_OF_APP: &str = select!("WHERE app_id = $3 AND number <= $1 ORDER BY number DESC LIMIT $2");
const TRIM: &str = "DELETE FROM audit WHERE number <= $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, LAST, UP, DOWN, UP_OF_APP, DOWN_OF_APP, TRIM];

/// Adds a record at the end.
///
/// # Errors
/// When the database fails.
pub async fn append(tx: &mut Tx, record: &AuditRecord) -> Result<(), StoreError> {
    let change = &record.change;
    let query = sqlx::query(INSERT).bind(record.number).bind(record.at.0).bind(&change.actor_id).bind(&change.actor);
    let query = query.bind(&change.address).bind(&change.request_id).bind(&change.action).bind(&change.path);
    let query = query.bind(change.app.map(|app| app.to_string())).bind(record.stage.word()).bind(record.status);
    query.bind(&record.content).bind(&record.hash).execute(tx.db()).await?;
    Ok(())
}

/// The newest record.
///
/// # Errors
/// When the database fails.
pub async fn last<'e>(db: impl SqliteExecutor<'e>) -> Result<Option<AuditRecord>, StoreError> {
    sqlx::query(LAST).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// At most so many records from a number on, upwards or downwards; of one app or of all.
///
/// # Errors
/// When the database fails.
pub async fn page<'e>(
    db: impl SqliteExecutor<'e>,
    app: Option<AppId>,
    from: i64,
    down: bool,
    limit: i64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = match (app, down) {
        (None, false) => UP,
        (None, true) => DOWN,
        (Some(_), false) => UP_OF_APP,
        (Some(_), true) => DOWN_OF_APP,
    };
    let query = sqlx::query(sql).bind(from).bind(limit);
    let query = match app {
        Some(app) => query.bind(app.to_string()),
        None => query,
    };
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// Removes all up to this number.
///
/// # Errors
/// When the database fails.
pub async fn trim(tx: &mut Tx, up_to: i64) -> Result<(), StoreError> {
    sqlx::query(TRIM).bind(up_to).execute(tx.db()).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<AuditRecord, StoreError> {
    let cells = Cells { table: "audit", row };
    Ok(AuditRecord {
        number: cells.number("number")?,
        at: cells.time("at")?,
        change: Change {
            actor_id: cells.text("actor_id")?,
            actor: cells.text("actor")?,
            address: cells.text("address")?,
            request_id: cells.text("request_id")?,
            action: cells.text("action")?,
            path: cells.text("path")?,
            app: cells.maybe_parsed("app_id")?,
        },
        stage: cells.parsed("stage")?,
        status: cells.maybe_number("status")?,
        content: cells.text("content")?,
        hash: cells.text("hash")?,
    })
}
