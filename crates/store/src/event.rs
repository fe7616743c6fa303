//! Events: what happened to apps, and what is removed of it.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::event::{Actor, Event, KEPT_PER_APP};
use model::id::{AppId, EventId};
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, seq, app_id, entity, action, actor_id, actor_email, content, previous, created_at FROM event ",
            $rest
        )
    };
}

const NEXT: &str = "SELECT COALESCE(MAX(seq), 0) + 1 FROM event";
const INSERT: &str = "INSERT INTO event (id, seq, app_id, entity, action, actor_id, actor_email, content, previous, \
     created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const LIST: &str = select!("WHERE app_id = $1 ORDER BY seq DESC LIMIT $2");
const BY_ID: &str = select!("WHERE app_id = $1 AND id = $2");
const BY_OWN_ID: &str = select!("WHERE id = $1");
const CROWDED: &str = "SELECT app_id FROM event GROUP BY app_id HAVING COUNT(*) > $1";
const KEPT_SEQ: &str =
    "SELECT MIN(seq) FROM (SELECT seq FROM event WHERE app_id = $1 ORDER BY seq DESC LIMIT $2) AS kept";
const DELETE_BELOW: &str = "DELETE FROM event WHERE app_id = $1 AND seq < $2";
// The newest stays whatever its age: the next event's number follows from it.
const DELETE_OLD: &str = "DELETE FROM event WHERE created_at < $1 AND seq < (SELECT MAX(seq) FROM event)";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[NEXT, INSERT, LIST, BY_ID, BY_OWN_ID, CROWDED, KEPT_SEQ, DELETE_BELOW, DELETE_OLD];

/// The number of the next event. Only sound inside the transaction that inserts it.
///
/// # Errors
/// When the database fails.
pub async fn next_sequence(tx: &mut Tx) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(NEXT).fetch_one(tx.db()).await?)
}

/// Adds an event.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(event.id.to_string()).bind(event.sequence).bind(event.app.to_string());
    let query = query.bind(event.entity.word()).bind(event.action.word()).bind(event.actor.id.to_string());
    let query = query.bind(&event.actor.email).bind(&event.content).bind(&event.previous);
    query.bind(event.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// The newest events of an app, newest first: as many as are kept.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Event>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).bind(kept()).fetch_all(db).await?.iter().map(read).collect()
}

/// One event of an app.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, app: AppId, id: EventId) -> Result<Option<Event>, StoreError> {
    let row = sqlx::query(BY_ID).bind(app.to_string()).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// One event by id alone, to be delivered.
///
/// # Errors
/// When the database fails.
pub async fn by_own_id<'e>(db: impl SqliteExecutor<'e>, id: EventId) -> Result<Option<Event>, StoreError> {
    sqlx::query(BY_OWN_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The apps with more events than are kept.
///
/// # Errors
/// When the database fails.
pub async fn crowded<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<AppId>, StoreError> {
    let rows = sqlx::query(CROWDED).bind(kept()).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "event", row }.parsed("app_id")).collect()
}

/// Removes all but an app's newest, with their deliveries; how many went.
///
/// # Errors
/// When the database fails.
pub async fn delete_surplus(tx: &mut Tx, app: AppId) -> Result<u64, StoreError> {
    let query = sqlx::query_scalar(KEPT_SEQ).bind(app.to_string()).bind(kept());
    let first: Option<i64> = query.fetch_one(tx.db()).await?;
    let delete = sqlx::query(DELETE_BELOW).bind(app.to_string()).bind(first.unwrap_or(0));
    Ok(delete.execute(tx.db()).await?.rows_affected())
}

/// Removes what happened before `moment`, with its deliveries; how many went.
///
/// # Errors
/// When the database fails.
pub async fn delete_older(tx: &mut Tx, moment: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query(DELETE_OLD).bind(moment.0).execute(tx.db()).await?.rows_affected())
}

fn kept() -> i64 {
    i64::try_from(KEPT_PER_APP).unwrap_or(i64::MAX)
}

fn read(row: &SqliteRow) -> Result<Event, StoreError> {
    let cells = Cells { table: "event", row };
    Ok(Event {
        id: cells.parsed("id")?,
        sequence: cells.number("seq")?,
        app: cells.parsed("app_id")?,
        entity: cells.parsed("entity")?,
        action: cells.parsed("action")?,
        actor: Actor { id: cells.parsed("actor_id")?, email: cells.text("actor_email")? },
        content: cells.text("content")?,
        previous: cells.text("previous")?,
        created_at: cells.time("created_at")?,
    })
}
