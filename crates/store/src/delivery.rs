//! Deliveries: the outbox of the webhooks.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::delivery::{Attempt, Delivery, DeliveryState, Outcome};
use model::id::{AppId, DeliveryId};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT webhook_delivery.id, webhook_id, event_id, webhook_delivery.seq, level, state, attempts, \
             next_attempt_at, attempt_id, attempt_code, attempt_error, attempt_created_at, attempt_updated_at, entity, \
             webhook_delivery.created_at, webhook_delivery.updated_at FROM webhook_delivery \
             JOIN event ON event.id = webhook_delivery.event_id ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO webhook_delivery (id, webhook_id, event_id, seq, level, state, attempts, created_at, \
     updated_at) VALUES ($1, $2, $3, $4, $5, 'pending', 0, $6, $6)";
const NOTE: &str = "UPDATE webhook_delivery SET state = $2, attempts = $3, next_attempt_at = $4, attempt_id = $5, \
     attempt_code = $6, attempt_error = $7, attempt_created_at = $8, attempt_updated_at = $9, updated_at = $10 \
     WHERE id = $1 AND attempts = $3 - 1 AND state IN ('pending', 'retrying')";
// The oldest that is not over, of each webhook: a later one waits for it.
const HEADS: &str = select!(
    "WHERE state IN ('pending', 'retrying') AND webhook_delivery.seq = (SELECT MIN(earlier.seq) FROM webhook_delivery \
     AS earlier WHERE earlier.webhook_id = webhook_delivery.webhook_id AND earlier.state IN ('pending', 'retrying')) \
     ORDER BY COALESCE(next_attempt_at, webhook_delivery.created_at)"
);
const LIST: &str = select!("WHERE app_id = $1 ORDER BY webhook_delivery.seq");
const BY_ID: &str = select!("WHERE app_id = $1 AND webhook_delivery.id = $2");

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, NOTE, HEADS, LIST, BY_ID];

/// Adds a delivery that was not tried yet. The commit tells whoever delivers.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, delivery: &Delivery) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(delivery.id.to_string()).bind(delivery.webhook.to_string());
    let query = query.bind(delivery.event.to_string()).bind(delivery.sequence).bind(delivery.level.word());
    query.bind(delivery.created_at.0).execute(tx.db()).await?;
    tx.fill_outbox();
    Ok(())
}

/// Stores what became of an attempt. `false`: another one was noted first, or the webhook is gone.
///
/// # Errors
/// When the database fails.
pub async fn note(tx: &mut Tx, delivery: &Delivery, attempt: Attempt) -> Result<bool, StoreError> {
    let (code, error) = match attempt.outcome {
        Outcome::Answered(status) => (Some(i64::from(status)), None),
        Outcome::Unanswered(why) => (None, Some(why.word())),
    };
    let query = sqlx::query(NOTE).bind(delivery.id.to_string()).bind(delivery.state.word());
    let query = query.bind(i64::from(delivery.attempts)).bind(delivery.state.next_attempt_at().map(|at| at.0));
    let query = query.bind(attempt.id.to_string()).bind(code).bind(error);
    let query = query.bind(attempt.created_at.0).bind(attempt.updated_at.0).bind(delivery.updated_at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// The next delivery of every webhook that has one, due or not.
///
/// # Errors
/// When the database fails.
pub async fn heads<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Delivery>, StoreError> {
    sqlx::query(HEADS).fetch_all(db).await?.iter().map(read).collect()
}

/// The deliveries of an app's events, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Delivery>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// One of them.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    id: DeliveryId,
) -> Result<Option<Delivery>, StoreError> {
    let row = sqlx::query(BY_ID).bind(app.to_string()).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let cells = Cells { table: "webhook_delivery", row };
    let state = match (cells.text("state")?.as_str(), cells.maybe_time("next_attempt_at")?) {
        ("pending", None) => DeliveryState::Pending,
        ("retrying", Some(at)) => DeliveryState::Retrying { at },
        ("succeeded", None) => DeliveryState::Succeeded,
        ("failed", None) => DeliveryState::Failed,
        (word, next) => return Err(cells.bad(format!("state {word} with the next attempt at {next:?}"))),
    };
    Ok(Delivery {
        id: cells.parsed("id")?,
        webhook: cells.parsed("webhook_id")?,
        level: cells.parsed("level")?,
        event: cells.parsed("event_id")?,
        entity: cells.parsed("entity")?,
        sequence: cells.number("seq")?,
        state,
        attempts: cells.unsigned("attempts")?,
        last: last(&cells)?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}

fn last(cells: &Cells<'_>) -> Result<Option<Attempt>, StoreError> {
    let Some(id) = cells.maybe_parsed("attempt_id")? else { return Ok(None) };
    let outcome = match cells.maybe_parsed("attempt_error")? {
        Some(why) => Outcome::Unanswered(why),
        None => Outcome::Answered(cells.unsigned("attempt_code")?),
    };
    let (created_at, updated_at) = (cells.time("attempt_created_at")?, cells.time("attempt_updated_at")?);
    Ok(Some(Attempt { id, outcome, created_at, updated_at }))
}
