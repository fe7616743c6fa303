//! Promotions and where they go.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AppId, PipelineId, PromotionId, PromotionTargetId, ReleaseId, SlugId};
use model::promotion::{Made, Passage, Promotion, PromotionTarget, TargetState};
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! promotion {
    ($rest:literal) => {
        concat!(
            "SELECT id, pipeline_id, pipeline_name, by_id, by_email, source_id, source_name, release_id, version, slug_id, ",
            "commit_sha, gates, secret, completed, created_at, updated_at FROM promotion ",
            $rest
        )
    };
}

macro_rules! target {
    ($rest:literal) => {
        concat!(
            "SELECT id, promotion_id, app_id, app_name, state, release_id, version, why, in_flight, requests, held, failed, ",
            "cut_over_us, live_at, updated_at FROM promotion_target ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO promotion (id, pipeline_id, pipeline_name, by_id, by_email, source_id, source_name, \
     release_id, version, slug_id, commit_sha, gates, secret, completed, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)";
const INSERT_TARGET: &str = "INSERT INTO promotion_target (id, promotion_id, app_id, app_name, place, state, why, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const UPDATE_TARGET: &str = "UPDATE promotion_target SET state = $2, release_id = $3, version = $4, why = $5, updated_at = $6 \
     WHERE id = $1 AND state IN ('waiting', 'releasing')";
const COMPLETE: &str = "UPDATE promotion SET completed = TRUE, updated_at = $2 WHERE id = $1 AND completed = FALSE \
     AND NOT EXISTS (SELECT 1 FROM promotion_target WHERE promotion_id = $1 AND state IN ('waiting', 'releasing'))";
const KEEP_PASSAGE: &str = "UPDATE promotion_target SET in_flight = $2, requests = $3, held = $4, failed = $5, cut_over_us = $6, \
     live_at = $7 WHERE release_id = $1 AND live_at IS NULL";
const BY_ID: &str = promotion!("WHERE id = $1");
const OF_PIPELINE: &str = promotion!("WHERE pipeline_id = $1 ORDER BY created_at DESC, id LIMIT $2");
const TARGETS: &str = target!("WHERE promotion_id = $1 ORDER BY place");
const TARGET: &str = target!("WHERE id = $1");
const WAS_TRIED: &str = "SELECT EXISTS (SELECT 1 FROM release WHERE app_id = $1 AND slug_id = $2) OR EXISTS ( \
     SELECT 1 FROM promotion_target JOIN promotion ON promotion.id = promotion_target.promotion_id \
     WHERE promotion_target.app_id = $1 AND promotion.slug_id = $2) AS tried";
const OPEN: &str = target!("WHERE state IN ('waiting', 'releasing')");
const OPEN_TO: &str = target!("WHERE app_id = $1 AND state IN ('waiting', 'releasing')");
const OPEN_BY_RELEASE: &str = target!("WHERE release_id = $1 AND state = 'releasing'");

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    INSERT_TARGET,
    UPDATE_TARGET,
    COMPLETE,
    KEEP_PASSAGE,
    BY_ID,
    OF_PIPELINE,
    TARGETS,
    TARGET,
    OPEN,
    OPEN_TO,
    OPEN_BY_RELEASE,
    WAS_TRIED,
];

/// Adds a promotion with its targets, in their order.
///
/// # Errors
/// [`StoreError::is_duplicate`] when one of the apps is being promoted to already.
pub async fn insert(tx: &mut Tx, promotion: &Promotion, targets: &[PromotionTarget]) -> Result<(), StoreError> {
    let gates = serde_json::to_string(&promotion.gates).map_err(|error| bad(&error.to_string()))?;
    let query = sqlx::query(INSERT).bind(promotion.id.to_string()).bind(promotion.pipeline.to_string());
    let query = query.bind(&promotion.pipeline_name).bind(promotion.by.to_string()).bind(&promotion.by_email);
    let query = query.bind(promotion.source.to_string()).bind(&promotion.source_name);
    let query = query.bind(promotion.release.to_string()).bind(promotion.version).bind(promotion.slug.to_string());
    let query = query.bind(&promotion.commit).bind(gates).bind(&promotion.secret).bind(promotion.completed);
    query.bind(promotion.created_at.0).execute(tx.db()).await?;
    for (place, target) in (0_i64..).zip(targets) {
        let query = sqlx::query(INSERT_TARGET).bind(target.id.to_string()).bind(target.promotion.to_string());
        let query = query.bind(target.app.to_string()).bind(&target.app_name).bind(place);
        let query = query.bind(column(&target.state)).bind(target.state.why()).bind(target.updated_at.0);
        query.execute(tx.db()).await?;
    }
    Ok(())
}

/// Stores how far a target is, and with its last one that the promotion is completed. `false`: it was settled before.
///
/// # Errors
/// When the database fails.
pub async fn update_target(tx: &mut Tx, target: &PromotionTarget) -> Result<bool, StoreError> {
    let made = target.state.made();
    let query = sqlx::query(UPDATE_TARGET).bind(target.id.to_string()).bind(column(&target.state));
    let query = query.bind(made.map(|made| made.release.to_string())).bind(made.map(|made| made.version));
    let query = query.bind(target.state.why()).bind(target.updated_at.0);
    if query.execute(tx.db()).await?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(COMPLETE).bind(target.promotion.to_string()).bind(target.updated_at.0).execute(tx.db()).await?;
    Ok(true)
}

/// Keeps what requests met while a promoted release took over; the first one counts. `false`: no promotion made the release.
///
/// # Errors
/// When the database fails.
pub async fn keep_passage(tx: &mut Tx, release: ReleaseId, passage: &Passage) -> Result<bool, StoreError> {
    let mut query = sqlx::query(KEEP_PASSAGE).bind(release.to_string());
    for count in [passage.in_flight, passage.requests, passage.held, passage.failed, passage.cut_over_us] {
        query = query.bind(i64::try_from(count).unwrap_or(i64::MAX));
    }
    Ok(query.bind(passage.live_at.0).execute(tx.db()).await?.rows_affected() > 0)
}

/// The promotion with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: PromotionId) -> Result<Option<Promotion>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// So many of a pipeline's, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn of_pipeline<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
    limit: i64,
) -> Result<Vec<Promotion>, StoreError> {
    let query = sqlx::query(OF_PIPELINE).bind(pipeline.to_string()).bind(limit);
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// The targets of a promotion, in their order.
///
/// # Errors
/// When the database fails.
pub async fn targets<'e>(
    db: impl SqliteExecutor<'e>,
    promotion: PromotionId,
) -> Result<Vec<PromotionTarget>, StoreError> {
    sqlx::query(TARGETS).bind(promotion.to_string()).fetch_all(db).await?.iter().map(read_target).collect()
}

/// One target.
///
/// # Errors
/// When the database fails.
pub async fn target<'e>(
    db: impl SqliteExecutor<'e>,
    id: PromotionTargetId,
) -> Result<Option<PromotionTarget>, StoreError> {
    sqlx::query(TARGET).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read_target).transpose()
}

/// All targets that are not settled.
///
/// # Errors
/// When the database fails.
pub async fn open<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<PromotionTarget>, StoreError> {
    sqlx::query(OPEN).fetch_all(db).await?.iter().map(read_target).collect()
}

/// The one of an app that is not settled.
///
/// # Errors
/// When the database fails.
pub async fn open_to<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<PromotionTarget>, StoreError> {
    sqlx::query(OPEN_TO).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(read_target).transpose()
}

/// The one that waits for the command of this release.
///
/// # Errors
/// When the database fails.
pub async fn open_by_release<'e>(
    db: impl SqliteExecutor<'e>,
    release: ReleaseId,
) -> Result<Option<PromotionTarget>, StoreError> {
    let row = sqlx::query(OPEN_BY_RELEASE).bind(release.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read_target).transpose()
}

fn column(state: &TargetState) -> &'static str {
    match state {
        TargetState::Waiting => "waiting",
        TargetState::Releasing(_) => "releasing",
        TargetState::Succeeded(_) => "succeeded",
        TargetState::Failed { .. } => "failed",
    }
}

fn bad(what: &str) -> StoreError {
    StoreError::BadRow { table: "promotion", what: what.to_owned() }
}

/// Was this code ever released to the app, or promoted to it in vain?
///
/// # Errors
/// When the database fails.
pub async fn was_tried<'e>(db: impl SqliteExecutor<'e>, app: AppId, slug: SlugId) -> Result<bool, StoreError> {
    let row = sqlx::query(WAS_TRIED).bind(app.to_string()).bind(slug.to_string()).fetch_one(db).await?;
    Cells { table: "promotion", row: &row }.flag("tried")
}

fn read(row: &SqliteRow) -> Result<Promotion, StoreError> {
    let cells = Cells { table: "promotion", row };
    Ok(Promotion {
        id: cells.parsed("id")?,
        pipeline: cells.parsed("pipeline_id")?,
        pipeline_name: cells.text("pipeline_name")?,
        by: cells.parsed("by_id")?,
        by_email: cells.text("by_email")?,
        source: cells.parsed("source_id")?,
        source_name: cells.text("source_name")?,
        release: cells.parsed("release_id")?,
        version: cells.number("version")?,
        slug: cells.parsed("slug_id")?,
        commit: cells.maybe_text("commit_sha")?,
        gates: serde_json::from_str(&cells.text("gates")?).map_err(|error| cells.bad(format!("gates: {error}")))?,
        secret: cells.text("secret")?,
        completed: cells.flag("completed")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}

fn read_target(row: &SqliteRow) -> Result<PromotionTarget, StoreError> {
    let cells = Cells { table: "promotion_target", row };
    let made = match (cells.maybe_parsed("release_id")?, cells.maybe_number("version")?) {
        (Some(release), Some(version)) => Some(Made { release, version }),
        (None, None) => None,
        (release, version) => return Err(cells.bad(format!("release {release:?} with version {version:?}"))),
    };
    let state = match (cells.text("state")?.as_str(), made, cells.maybe_text("why")?) {
        ("waiting", None, None) => TargetState::Waiting,
        ("releasing", Some(made), None) => TargetState::Releasing(made),
        ("succeeded", Some(made), None) => TargetState::Succeeded(made),
        ("failed", made, Some(why)) => TargetState::Failed { made, why },
        (word, made, why) => return Err(cells.bad(format!("state {word} with release {made:?} and reason {why:?}"))),
    };
    Ok(PromotionTarget {
        id: cells.parsed("id")?,
        promotion: cells.parsed("promotion_id")?,
        app: cells.parsed("app_id")?,
        app_name: cells.text("app_name")?,
        state,
        passage: passage(&cells)?,
        updated_at: cells.time("updated_at")?,
    })
}

fn passage(cells: &Cells<'_>) -> Result<Option<Passage>, StoreError> {
    let live_at: Option<Timestamp> = cells.maybe_time("live_at")?;
    let Some(live_at) = live_at else { return Ok(None) };
    Ok(Some(Passage {
        in_flight: cells.unsigned("in_flight")?,
        requests: cells.unsigned("requests")?,
        held: cells.unsigned("held")?,
        failed: cells.unsigned("failed")?,
        cut_over_us: cells.unsigned("cut_over_us")?,
        live_at,
    }))
}
