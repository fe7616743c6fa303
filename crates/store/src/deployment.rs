//! What went live, for whoever counts: releases with the way their code came. Every question is bounded by app and period, and
//! answered from indexes: what lies outside costs nothing.

use crate::StoreError;
use crate::row::Cells;
use model::deployment::{LiveRelease, Made, Tested};
use model::id::AppId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const LIVE: &str = "SELECT release.id, release.app_id, release.version, COALESCE(release.cause, 'custom') AS cause, \
     release.slug_id, release.created_at, release.begun_at, COALESCE(release.decided_at, release.created_at) AS decided_at, \
     release.live_at, NOT EXISTS (SELECT 1 FROM release AS earlier WHERE earlier.slug_id = release.slug_id \
     AND earlier.live_at < release.live_at AND earlier.app_id = release.app_id) AS is_new_code, build.committed_at, \
     build.commit_subject, build.created_at AS asked_at, build.begun_at AS build_begun_at, build.updated_at AS built_at, \
     build.tests_asked_at, build.tests_begun_at, build.tests_ended_at, \
     EXISTS (SELECT 1 FROM verification WHERE verification.release_id = release.id AND verification.state = 'red') AS is_rejected \
     FROM release LEFT JOIN build ON build.slug_id = release.slug_id \
     WHERE release.app_id = $1 AND release.live_at >= $2 AND release.live_at < $3 AND release.slug_id IS NOT NULL \
     ORDER BY release.live_at, release.version LIMIT $4";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[LIVE];

/// The releases of an app that went live in a period, in that order, and at most so many.
///
/// # Errors
/// When the database fails.
pub async fn live<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    from: Timestamp,
    to: Timestamp,
    limit: usize,
) -> Result<Vec<LiveRelease>, StoreError> {
    let query = sqlx::query(LIVE).bind(app.to_string()).bind(from.0).bind(to.0);
    let rows = query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<LiveRelease, StoreError> {
    let cells = Cells { table: "release", row };
    Ok(LiveRelease {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        version: cells.number("version")?,
        cause: cells.text("cause")?,
        slug: cells.parsed("slug_id")?,
        is_new_code: cells.flag("is_new_code")?,
        made: made(&cells)?,
        released_at: cells.time("created_at")?,
        begun_at: cells.maybe_time("begun_at")?,
        decided_at: cells.time("decided_at")?,
        live_at: cells.time("live_at")?,
        is_rejected: cells.flag("is_rejected")?,
    })
}

fn made(cells: &Cells<'_>) -> Result<Option<Made>, StoreError> {
    let Some(asked_at) = cells.maybe_time("asked_at")? else { return Ok(None) };
    Ok(Some(Made {
        committed_at: cells.maybe_time("committed_at")?,
        subject: cells.maybe_text("commit_subject")?,
        tested: tested(cells)?,
        asked_at,
        begun_at: cells.maybe_time("build_begun_at")?,
        ended_at: cells.time("built_at")?,
    }))
}

/// The three columns are set together.
fn tested(cells: &Cells<'_>) -> Result<Option<Tested>, StoreError> {
    let time = |column| cells.maybe_time(column);
    match (time("tests_asked_at")?, time("tests_begun_at")?, time("tests_ended_at")?) {
        (None, None, None) => Ok(None),
        (Some(asked_at), Some(begun_at), Some(ended_at)) => Ok(Some(Tested { asked_at, begun_at, ended_at })),
        times => Err(cells.bad(format!("tests of a build at {times:?}"))),
    }
}
