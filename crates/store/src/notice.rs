//! Notices: the outbox of alarms.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::alarm::AlarmKey;
use model::id::{AppId, NotificationRouteId};
use model::notice::{Notice, NoticeState, WAITING_LIMIT};
use model::notification_route::Addressee;
use model::pipeline::Stage;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, seq, route_id, channel, address, app_id, app_name, stage, kind, thing, turn, severity, what, first_line, ",
            "author, since, failures, withheld, state, due, attempts, why, created_at, updated_at FROM notice ",
            $rest
        )
    };
}

const NEXT: &str = "SELECT COALESCE(MAX(seq), 0) + 1 FROM notice";
const WAITING: &str =
    "SELECT COUNT(*) FROM notice WHERE address = $1 AND channel = $2 AND state IN ('pending', 'retrying')";
const INSERT: &str = "INSERT INTO notice (id, seq, route_id, channel, address, app_id, app_name, stage, kind, thing, turn, severity, \
     what, first_line, author, since, failures, withheld, state, due, attempts, why, created_at, updated_at) VALUES ($1, $2, \
     $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'pending', $19, 0, NULL, $20, $20)";
const OPEN: &str = select!("WHERE state IN ('pending', 'retrying') ORDER BY seq LIMIT $1");
const TOLD: &str = select!(
    "WHERE app_id = $1 AND kind = $2 AND thing = $3 AND since = $4 AND turn IN ('broken', 'still-broken') \
     AND state <> 'withdrawn' ORDER BY seq"
);
const WITHDRAW: &str =
    "UPDATE notice SET state = 'withdrawn', due = NULL, updated_at = $2 WHERE id = $1 AND state = 'pending'";
const NOTE: &str = "UPDATE notice SET state = $2, due = $3, attempts = $4, why = $5, updated_at = $6 WHERE id = $1 \
     AND state IN ('pending', 'retrying')";
// The mails of an hour: what went together is one.
const SENT: &str = "SELECT DISTINCT updated_at FROM notice WHERE address = $1 AND state = 'sent' AND updated_at > $2 \
     ORDER BY updated_at";
const OF_APP: &str = select!("WHERE app_id = $1 ORDER BY seq DESC LIMIT $2");
// The newest stays whatever its age: the next one's number follows from it.
const DELETE_OLD: &str = "DELETE FROM notice WHERE created_at < $1 AND seq < (SELECT MAX(seq) FROM notice)";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[NEXT, WAITING, INSERT, OPEN, TOLD, WITHDRAW, NOTE, SENT, OF_APP, DELETE_OLD];

/// Open notices that are looked at together: more than is ever open at once unless nothing can be delivered for days.
const OPEN_LIMIT: i64 = 5000;

/// Notices that a list shows: as many as one answer holds.
const LIST_LIMIT: i64 = 1000;

/// Adds a notice that was not tried yet. `false`: too many wait there already. The commit tells whoever delivers.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, notice: &Notice) -> Result<bool, StoreError> {
    let (channel, address) = place(notice);
    let waiting: i64 = sqlx::query_scalar(WAITING).bind(&address).bind(channel).fetch_one(tx.db()).await?;
    if usize::try_from(waiting).unwrap_or(usize::MAX) >= WAITING_LIMIT {
        return Ok(false);
    }
    let query = sqlx::query(INSERT).bind(notice.id.to_string()).bind(next_sequence(tx).await?);
    let query = query.bind(notice.route.map(|id| id.to_string())).bind(channel).bind(address);
    let query = query.bind(notice.key.app.to_string()).bind(notice.app_name.as_str());
    let query = query.bind(notice.stage.map(Stage::word)).bind(notice.key.kind.word());
    let query = query.bind(&notice.key.thing).bind(notice.turn.word()).bind(notice.severity.word()).bind(&notice.what);
    let query = query.bind(&notice.first_line).bind(&notice.author).bind(notice.since.0);
    let query = query.bind(i64::from(notice.failures)).bind(notice.delayed);
    query.bind(notice.state.due().map(|due| due.0)).bind(notice.created_at.0).execute(tx.db()).await?;
    tx.fill_notices();
    Ok(true)
}

async fn next_sequence(tx: &mut Tx) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(NEXT).fetch_one(tx.db()).await?)
}

/// What is to be sent, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn open<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Notice>, StoreError> {
    sqlx::query(OPEN).bind(OPEN_LIMIT).fetch_all(db).await?.iter().map(read).collect()
}

/// Who was told, or will be, that this broke at that moment.
///
/// # Errors
/// When the database fails.
pub async fn told<'e>(
    db: impl SqliteExecutor<'e>,
    key: &AlarmKey,
    since: Timestamp,
) -> Result<Vec<Notice>, StoreError> {
    let query = sqlx::query(TOLD).bind(key.app.to_string()).bind(key.kind.word()).bind(&key.thing).bind(since.0);
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// It is not to be told any more. `false`: it was tried already.
///
/// # Errors
/// When the database fails.
pub async fn withdraw(tx: &mut Tx, notice: &Notice, at: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query(WITHDRAW).bind(notice.id.to_string()).bind(at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Stores what became of an attempt.
///
/// # Errors
/// When the database fails.
pub async fn note(tx: &mut Tx, notice: &Notice) -> Result<(), StoreError> {
    let query = sqlx::query(NOTE).bind(notice.id.to_string()).bind(notice.state.word());
    let query = query.bind(notice.state.due().map(|due| due.0)).bind(i64::from(notice.attempts)).bind(&notice.why);
    query.bind(notice.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// When mails were taken for an address since a moment, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn sent<'e>(
    db: impl SqliteExecutor<'e>,
    address: &str,
    since: Timestamp,
) -> Result<Vec<Timestamp>, StoreError> {
    let sent: Vec<i64> = sqlx::query_scalar(SENT).bind(address).bind(since.0).fetch_all(db).await?;
    Ok(sent.into_iter().map(Timestamp).collect())
}

/// What was told of an app, newest first.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Notice>, StoreError> {
    sqlx::query(OF_APP).bind(app.to_string()).bind(LIST_LIMIT).fetch_all(db).await?.iter().map(read).collect()
}

/// Removes what was told before `moment`; how many went.
///
/// # Errors
/// When the database fails.
pub async fn delete_older(tx: &mut Tx, moment: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query(DELETE_OLD).bind(moment.0).execute(tx.db()).await?.rows_affected())
}

fn place(notice: &Notice) -> (&'static str, String) {
    match &notice.addressee {
        Addressee::Email(address) => ("email", address.clone()),
        Addressee::Webhook(route) => ("webhook", route.to_string()),
        Addressee::Log => ("log", notice.key.app.to_string()),
    }
}

fn read(row: &SqliteRow) -> Result<Notice, StoreError> {
    let cells = Cells { table: "notice", row };
    let state = match (cells.text("state")?.as_str(), cells.maybe_time("due")?) {
        ("pending", Some(due)) => NoticeState::Pending { due },
        ("retrying", Some(due)) => NoticeState::Retrying { due },
        ("sent", None) => NoticeState::Sent,
        ("failed", None) => NoticeState::Failed,
        ("withdrawn", None) => NoticeState::Withdrawn,
        (word, due) => return Err(cells.bad(format!("state {word}, due {due:?}"))),
    };
    let addressee = match cells.text("channel")?.as_str() {
        "email" => Addressee::Email(cells.text("address")?),
        "webhook" => Addressee::Webhook(cells.parsed::<NotificationRouteId>("address")?),
        "log" => Addressee::Log,
        word => return Err(cells.bad(format!("channel {word}"))),
    };
    Ok(Notice {
        id: cells.parsed("id")?,
        sequence: cells.number("seq")?,
        route: cells.maybe_parsed("route_id")?,
        addressee,
        key: AlarmKey { app: cells.parsed("app_id")?, kind: cells.parsed("kind")?, thing: cells.text("thing")? },
        app_name: cells.parsed("app_name")?,
        stage: cells.maybe_parsed("stage")?,
        turn: cells.parsed("turn")?,
        severity: cells.parsed("severity")?,
        what: cells.text("what")?,
        first_line: cells.maybe_text("first_line")?,
        author: cells.maybe_text("author")?,
        since: cells.time("since")?,
        failures: cells.unsigned("failures")?,
        delayed: cells.flag("withheld")?,
        state,
        attempts: cells.unsigned("attempts")?,
        why: cells.maybe_text("why")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
