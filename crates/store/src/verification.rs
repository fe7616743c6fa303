//! Checks of releases on the running server.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AppId, ReleaseId, VerificationId};
use model::time::Timestamp;
use model::verification::{Baseline, Policy, Verdict, Verification, VerificationState};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT verification.id, verification.app_id, number, release_id, release.version, verification.by_id, stage, ",
            "policy, command, limit_s, secret, state, why, requests, before_router_pid, before_ended, before_failed, ",
            "started_at, rollback_release_id, verification.created_at, verification.updated_at ",
            "FROM verification JOIN release ON release.id = verification.release_id ",
            $rest
        )
    };
}

const NEXT_NUMBER: &str = "SELECT COALESCE(MAX(number), 0) + 1 FROM verification WHERE app_id = $1";
const INSERT: &str = "INSERT INTO verification (id, app_id, number, release_id, by_id, stage, policy, command, limit_s, \
     secret, state, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', $11, $11)";
const BEGIN: &str = "UPDATE verification SET state = 'running', before_router_pid = $2, before_ended = $3, \
     before_failed = $4, started_at = $5, updated_at = $5 WHERE id = $1 AND state = 'pending'";
const FINISH: &str = "UPDATE verification SET state = $2, why = $3, requests = $4, updated_at = $5 \
     WHERE id = $1 AND state IN ('pending', 'running')";
const SET_ROLLBACK: &str = "UPDATE verification SET rollback_release_id = $2 WHERE id = $1";
const BY_ID: &str = select!("WHERE verification.id = $1");
const BY_NUMBER: &str = select!("WHERE verification.app_id = $1 AND number = $2");
const LIST: &str = select!("WHERE verification.app_id = $1 ORDER BY number");
const LATEST_OF_RELEASE: &str = select!("WHERE release_id = $1 ORDER BY number DESC LIMIT 1");
const OPEN_OF_APP: &str = select!("WHERE verification.app_id = $1 AND state IN ('pending', 'running')");
const OPEN: &str = select!("WHERE state IN ('pending', 'running') ORDER BY verification.created_at");
const IS_ROLLBACK: &str = "SELECT COUNT(*) FROM verification WHERE rollback_release_id = $1";
const RELEASES: &str = "SELECT id, release_id FROM verification";
// The newest check of a release counts; one that was stopped or could not run takes no green light away.
const GREEN: &str = "SELECT DISTINCT release_id, version FROM verification JOIN release ON release.id = release_id \
     WHERE verification.app_id = $1 AND version < $2 AND state = 'green' AND NOT EXISTS \
     (SELECT 1 FROM verification AS later WHERE later.release_id = verification.release_id \
     AND later.number > verification.number AND later.state IN ('red', 'untested')) ORDER BY version DESC LIMIT 20";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    NEXT_NUMBER,
    INSERT,
    BEGIN,
    FINISH,
    SET_ROLLBACK,
    BY_ID,
    BY_NUMBER,
    LIST,
    LATEST_OF_RELEASE,
    OPEN_OF_APP,
    OPEN,
    IS_ROLLBACK,
    RELEASES,
    GREEN,
];

/// The number that the app's next check gets. Only sound inside the transaction that inserts it.
///
/// # Errors
/// When the database fails.
pub async fn next_number(tx: &mut Tx, app: AppId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(NEXT_NUMBER).bind(app.to_string()).fetch_one(tx.db()).await?)
}

/// Adds a check that is pending.
///
/// # Errors
/// When one of the app is open already ([`StoreError::is_duplicate`]), or the database fails.
pub async fn insert(tx: &mut Tx, new: &Verification) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(new.id.to_string()).bind(new.app.to_string()).bind(new.number);
    let query =
        query.bind(new.release.to_string()).bind(new.by.to_string()).bind(new.stage.word()).bind(new.policy.word());
    let query = query.bind(&new.command).bind(count(new.limit.as_secs())).bind(&new.secret).bind(new.created_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Its command is to run; what the router counted until then. `false`: it is not pending any more.
///
/// # Errors
/// When the database fails.
pub async fn begin(tx: &mut Tx, id: VerificationId, before: &Baseline, at: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query(BEGIN).bind(id.to_string()).bind(i64::from(before.router_pid));
    let query = query.bind(count(before.ended)).bind(count(before.failed)).bind(at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Stores how it ended. `false`: that was decided before.
///
/// # Errors
/// When the database fails.
pub async fn finish(
    tx: &mut Tx,
    id: VerificationId,
    (verdict, why): (Verdict, &str),
    requests: Option<u64>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let query = sqlx::query(FINISH).bind(id.to_string()).bind(verdict.word()).bind(why);
    Ok(query.bind(requests.map(count)).bind(at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// Notes the release that went back because of it.
///
/// # Errors
/// When the database fails.
pub async fn set_rollback(tx: &mut Tx, id: VerificationId, release: ReleaseId) -> Result<(), StoreError> {
    sqlx::query(SET_ROLLBACK).bind(id.to_string()).bind(release.to_string()).execute(tx.db()).await?;
    Ok(())
}

/// One by its id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: VerificationId) -> Result<Option<Verification>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// One of an app by its number.
///
/// # Errors
/// When the database fails.
pub async fn by_number<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    number: i64,
) -> Result<Option<Verification>, StoreError> {
    let row = sqlx::query(BY_NUMBER).bind(app.to_string()).bind(number).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// Those of an app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Verification>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// The newest of a release.
///
/// # Errors
/// When the database fails.
pub async fn latest_of_release<'e>(
    db: impl SqliteExecutor<'e>,
    release: ReleaseId,
) -> Result<Option<Verification>, StoreError> {
    let row = sqlx::query(LATEST_OF_RELEASE).bind(release.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The one of an app that is not over.
///
/// # Errors
/// When the database fails.
pub async fn open_of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<Verification>, StoreError> {
    sqlx::query(OPEN_OF_APP).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All that are not over.
///
/// # Errors
/// When the database fails.
pub async fn open<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Verification>, StoreError> {
    sqlx::query(OPEN).fetch_all(db).await?.iter().map(read).collect()
}

/// Was this release made by going back from a red one?
///
/// # Errors
/// When the database fails.
pub async fn is_rollback<'e>(db: impl SqliteExecutor<'e>, release: ReleaseId) -> Result<bool, StoreError> {
    let found: i64 = sqlx::query_scalar(IS_ROLLBACK).bind(release.to_string()).fetch_one(db).await?;
    Ok(found > 0)
}

/// Releases of an app below a version that have their green light, newest first: as many as one would go back to.
///
/// # Errors
/// When the database fails.
pub async fn green<'e>(db: impl SqliteExecutor<'e>, app: AppId, below: i64) -> Result<Vec<ReleaseId>, StoreError> {
    let rows = sqlx::query(GREEN).bind(app.to_string()).bind(below).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "verification", row }.parsed("release_id")).collect()
}

/// All of them with their releases.
///
/// # Errors
/// When the database fails.
pub async fn releases<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<(VerificationId, ReleaseId)>, StoreError> {
    let cells = |row| Cells { table: "verification", row };
    let rows = sqlx::query(RELEASES).fetch_all(db).await?;
    rows.iter().map(|row| Ok((cells(row).parsed("id")?, cells(row).parsed("release_id")?))).collect()
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn state(cells: &Cells<'_>) -> Result<VerificationState, StoreError> {
    let missing = |column: &str| cells.bad(format!("{column} is missing"));
    let number = |column: &'static str| -> Result<u64, StoreError> {
        let number = cells.maybe_number(column)?.ok_or_else(|| missing(column))?;
        u64::try_from(number).map_err(|_| cells.bad(format!("{column} is {number}")))
    };
    let word = cells.text("state")?;
    Ok(match word.as_str() {
        "pending" => VerificationState::Pending,
        "running" => VerificationState::Running {
            before: Baseline {
                router_pid: u32::try_from(number("before_router_pid")?).map_err(|error| cells.bad(error))?,
                ended: number("before_ended")?,
                failed: number("before_failed")?,
            },
            since: cells.maybe_time("started_at")?.ok_or_else(|| missing("started_at"))?,
        },
        _over => VerificationState::Over {
            verdict: Verdict::from_word(&word).ok_or_else(|| cells.bad(format!("state {word}")))?,
            why: cells.maybe_text("why")?.ok_or_else(|| missing("why"))?,
            requests: cells.maybe_number("requests")?.map(|_| number("requests")).transpose()?,
        },
    })
}

fn read(row: &SqliteRow) -> Result<Verification, StoreError> {
    let cells = Cells { table: "verification", row };
    Ok(Verification {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        number: cells.number("number")?,
        release: cells.parsed("release_id")?,
        version: cells.number("version")?,
        by: cells.parsed("by_id")?,
        stage: cells.parsed("stage")?,
        policy: cells.parsed::<Policy>("policy")?,
        command: cells.text("command")?,
        limit: Duration::from_secs(cells.unsigned("limit_s")?),
        secret: cells.text("secret")?,
        state: state(&cells)?,
        rolled_back_by: cells.maybe_parsed("rollback_release_id")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
