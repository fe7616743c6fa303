//! Slugs.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AppId, SlugId};
use model::procfile::ProcessTypes;
use model::slug::Slug;
use model::stack::Stack;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app_id, checksum, size_bytes, process_types, images, commit_sha, commit_description, buildpack, ",
            "stack, secret, created_at, expired_at FROM slug ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO slug (id, app_id, checksum, size_bytes, process_types, commit_sha, commit_description, \
     buildpack, stack, secret, created_at, images) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const SET_BLOB: &str = "UPDATE slug SET checksum = $2, size_bytes = $3 WHERE id = $1";
const EXPIRE: &str = "UPDATE slug SET expired_at = $2 WHERE id = $1 AND expired_at IS NULL";
const BY_ID: &str = select!("WHERE id = $1");
const PRESENT: &str = select!("WHERE expired_at IS NULL");
const OF_APP: &str = "SELECT id FROM slug WHERE app_id = $1";
const REHOME: &str = "UPDATE slug SET app_id = (SELECT release.app_id FROM release WHERE release.slug_id = slug.id \
     AND release.app_id <> $1 ORDER BY release.created_at DESC LIMIT 1) \
     WHERE app_id = $1 AND EXISTS (SELECT 1 FROM release WHERE release.slug_id = slug.id AND release.app_id <> $1)";
const RELEASED_BY: &str = "SELECT EXISTS (SELECT 1 FROM release WHERE slug_id = $1 AND app_id = $2) AS released";
const CHECKSUM_USES: &str = "SELECT COUNT(*) FROM slug WHERE checksum = $1 AND expired_at IS NULL";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, SET_BLOB, EXPIRE, BY_ID, PRESENT, OF_APP, REHOME, RELEASED_BY, CHECKSUM_USES];

/// Adds a slug.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, slug: &Slug) -> Result<(), StoreError> {
    let types = serde_json::to_string(&slug.process_types);
    let bad = |error: serde_json::Error| StoreError::BadRow { table: "slug", what: error.to_string() };
    let types = types.map_err(bad)?;
    let images = Some(&slug.images).filter(|images| !images.is_empty());
    let images = images.map(serde_json::to_string).transpose().map_err(bad)?;
    let query = sqlx::query(INSERT).bind(slug.id.to_string()).bind(slug.app.to_string()).bind(&slug.checksum);
    let query = query.bind(size(slug.size_bytes)).bind(types).bind(&slug.commit).bind(&slug.commit_description);
    let query = query.bind(&slug.buildpack).bind(slug.stack.as_str()).bind(&slug.secret).bind(slug.created_at.0);
    let query = query.bind(images);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Stores what was uploaded for a slug. `false`: no such slug.
///
/// # Errors
/// When the database fails.
pub async fn set_blob(tx: &mut Tx, id: SlugId, checksum: &str, size_bytes: u64) -> Result<bool, StoreError> {
    let query = sqlx::query(SET_BLOB).bind(id.to_string()).bind(checksum).bind(size(size_bytes));
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Notes that a slug's files go (RLS-11). `false`: they are gone already.
///
/// # Errors
/// When the database fails.
pub async fn expire(tx: &mut Tx, id: SlugId, at: Timestamp) -> Result<bool, StoreError> {
    Ok(sqlx::query(EXPIRE).bind(id.to_string()).bind(at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// The slug with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: SlugId) -> Result<Option<Slug>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All slugs whose files are there.
///
/// # Errors
/// When the database fails.
pub async fn present<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Slug>, StoreError> {
    sqlx::query(PRESENT).fetch_all(db).await?.iter().map(read).collect()
}

/// The slugs that were built for an app.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<SlugId>, StoreError> {
    let rows = sqlx::query(OF_APP).bind(app.to_string()).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "slug", row }.parsed("id")).collect()
}

/// Gives the slugs of an app that other apps' releases name to those apps: the app is about to go, its code runs on.
///
/// # Errors
/// When the database fails.
pub async fn rehome(tx: &mut Tx, app: AppId) -> Result<(), StoreError> {
    sqlx::query(REHOME).bind(app.to_string()).execute(tx.db()).await?;
    Ok(())
}

/// Does a release of the app have this slug?
///
/// # Errors
/// When the database fails.
pub async fn released_by<'e>(db: impl SqliteExecutor<'e>, id: SlugId, app: AppId) -> Result<bool, StoreError> {
    let row = sqlx::query(RELEASED_BY).bind(id.to_string()).bind(app.to_string()).fetch_one(db).await?;
    Cells { table: "slug", row: &row }.flag("released")
}

/// How many slugs are these very bytes: the object may go only when none is.
///
/// # Errors
/// When the database fails.
pub async fn checksum_uses<'e>(db: impl SqliteExecutor<'e>, checksum: &str) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(CHECKSUM_USES).bind(checksum).fetch_one(db).await?)
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn read(row: &SqliteRow) -> Result<Slug, StoreError> {
    let cells = Cells { table: "slug", row };
    let types: ProcessTypes = serde_json::from_str(&cells.text("process_types")?)
        .map_err(|error| cells.bad(format!("process_types: {error}")))?;
    let images = cells.maybe_text("images")?.as_deref().map(serde_json::from_str).transpose();
    Ok(Slug {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        checksum: cells.maybe_text("checksum")?,
        size_bytes: cells.unsigned("size_bytes")?,
        process_types: types,
        images: images.map_err(|error| cells.bad(format!("images: {error}")))?.unwrap_or_default(),
        commit: cells.maybe_text("commit_sha")?,
        commit_description: cells.maybe_text("commit_description")?,
        buildpack: cells.maybe_text("buildpack")?,
        stack: Stack::named(&cells.text("stack")?).map_err(|error| cells.bad(error))?,
        secret: cells.text("secret")?,
        created_at: cells.time("created_at")?,
        expired_at: cells.maybe_time("expired_at")?,
    })
}
