//! Alarms: what of each app is broken, or was.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::alarm::{Alarm, AlarmKey, AlarmState};
use model::id::AppId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT app_id, kind, thing, state, since, mending_from, failures, author_id, what, first_line, updated_at ",
            "FROM alarm ",
            $rest
        )
    };
}

const FIND: &str = select!("WHERE app_id = $1 AND kind = $2 AND thing = $3");
const OF_APP: &str = select!("WHERE app_id = $1 AND state <> 'fine' ORDER BY since, kind, thing");
const CALM: &str = select!("WHERE state = 'mending' AND mending_from <= $1 ORDER BY mending_from");
const PUT: &str = "INSERT INTO alarm (app_id, kind, thing, state, since, mending_from, failures, author_id, what, first_line, \
     updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (app_id, kind, thing) DO UPDATE SET \
     state = $4, since = $5, mending_from = $6, failures = $7, author_id = $8, what = $9, first_line = $10, updated_at = $11";

const FORGET: &str = "DELETE FROM alarm WHERE kind = 'test' AND thing <> '' AND updated_at < $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[FIND, OF_APP, CALM, PUT, FORGET];

/// One alarm, if anything is known of it.
///
/// # Errors
/// When the database fails.
pub async fn find<'e>(db: impl SqliteExecutor<'e>, key: &AlarmKey) -> Result<Option<Alarm>, StoreError> {
    let query = sqlx::query(FIND).bind(key.app.to_string()).bind(key.kind.word()).bind(&key.thing);
    query.fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// What of an app is broken, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Alarm>, StoreError> {
    sqlx::query(OF_APP).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// What has worked again since this moment or longer.
///
/// # Errors
/// When the database fails.
pub async fn calm<'e>(db: impl SqliteExecutor<'e>, since: Timestamp) -> Result<Vec<Alarm>, StoreError> {
    sqlx::query(CALM).bind(since.0).fetch_all(db).await?.iter().map(read).collect()
}

/// Keeps an alarm as it is now. The app must be there.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, alarm: &Alarm) -> Result<(), StoreError> {
    let from = match alarm.state {
        AlarmState::Mending { from, .. } => Some(from.0),
        AlarmState::Fine | AlarmState::Broken { .. } => None,
    };
    let query = sqlx::query(PUT).bind(alarm.key.app.to_string()).bind(alarm.key.kind.word()).bind(&alarm.key.thing);
    let query = query.bind(alarm.state.word()).bind(alarm.state.since().map(|at| at.0)).bind(from);
    let query = query.bind(i64::from(alarm.failures)).bind(alarm.author.map(|id| id.to_string()));
    query.bind(&alarm.what).bind(&alarm.first_line).bind(alarm.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Forgets branches that were not tested since this moment: who heard of them is not known any more either.
///
/// # Errors
/// When the database fails.
pub async fn forget_branches(tx: &mut Tx, moment: Timestamp) -> Result<(), StoreError> {
    sqlx::query(FORGET).bind(moment.0).execute(tx.db()).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Alarm, StoreError> {
    let cells = Cells { table: "alarm", row };
    let moments = (cells.maybe_time("since")?, cells.maybe_time("mending_from")?);
    let state = match (cells.text("state")?.as_str(), moments) {
        ("fine", (None, None)) => AlarmState::Fine,
        ("broken", (Some(since), None)) => AlarmState::Broken { since },
        ("mending", (Some(since), Some(from))) => AlarmState::Mending { since, from },
        (word, moments) => return Err(cells.bad(format!("state {word} with {moments:?}"))),
    };
    Ok(Alarm {
        key: AlarmKey { app: cells.parsed("app_id")?, kind: cells.parsed("kind")?, thing: cells.text("thing")? },
        state,
        failures: cells.unsigned("failures")?,
        author: cells.maybe_parsed("author_id")?,
        what: cells.text("what")?,
        first_line: cells.maybe_text("first_line")?,
        updated_at: cells.time("updated_at")?,
    })
}
