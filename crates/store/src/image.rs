//! Images that were pushed: manifests, tags, and who may use which blob.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::AppId;
use model::image::kept::{Blob, LATEST, Pushed};
use model::image::manifest::MediaType;
use model::image::{Digest, Image};
use model::procfile::ProcessType;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT app_id, process_type, digest, media_type, content, names, image, platform_digest, pushed_at FROM ",
            "image_manifest ",
            $rest
        )
    };
}

const PUT_BLOB: &str = "INSERT INTO image_blob (app_id, digest, size_bytes, used_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (app_id, digest) DO UPDATE SET used_at = excluded.used_at";
const BLOB_SIZE: &str = "SELECT size_bytes FROM image_blob WHERE app_id = $1 AND digest = $2";
const BLOBS: &str = "SELECT app_id, digest, used_at FROM image_blob";
const DELETE_BLOB: &str = "DELETE FROM image_blob WHERE app_id = $1 AND digest = $2";
const BLOB_USES: &str = "SELECT COUNT(*) FROM image_blob WHERE digest = $1";
const PUT_MANIFEST: &str = "INSERT INTO image_manifest (app_id, process_type, digest, media_type, content, names, image, \
     image_id, platform_digest, pushed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     ON CONFLICT (app_id, process_type, digest) DO UPDATE SET media_type = excluded.media_type, names = excluded.names, \
     image = excluded.image, image_id = excluded.image_id, platform_digest = excluded.platform_digest, \
     pushed_at = excluded.pushed_at";
const MANIFEST: &str = select!("WHERE app_id = $1 AND process_type = $2 AND digest = $3");
const OF_APP: &str =
    select!("WHERE app_id = $1 AND (image_id = $2 OR digest = $2) ORDER BY pushed_at DESC, process_type");
const COUNT: &str = "SELECT COUNT(*) FROM image_manifest WHERE app_id = $1";
const PUSHED: &str = "SELECT app_id, process_type, digest, names, pushed_at, EXISTS (SELECT 1 FROM image_tag WHERE \
     image_tag.app_id = image_manifest.app_id AND image_tag.process_type = image_manifest.process_type \
     AND image_tag.digest = image_manifest.digest AND tag = $1) AS latest FROM image_manifest";
const DELETE_MANIFEST: &str = "DELETE FROM image_manifest WHERE app_id = $1 AND process_type = $2 AND digest = $3";
const PUT_TAG: &str = "INSERT INTO image_tag (app_id, process_type, tag, digest) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (app_id, process_type, tag) DO UPDATE SET digest = excluded.digest";
const TAGGED: &str = "SELECT digest FROM image_tag WHERE app_id = $1 AND process_type = $2 AND tag = $3";
const TAGS: &str = "SELECT tag FROM image_tag WHERE app_id = $1 AND process_type = $2 ORDER BY tag";
const TAG_COUNT: &str = "SELECT COUNT(*) FROM image_tag WHERE app_id = $1";
const DELETE_TAG: &str = "DELETE FROM image_tag WHERE app_id = $1 AND process_type = $2 AND tag = $3";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    PUT_BLOB,
    BLOB_SIZE,
    BLOBS,
    DELETE_BLOB,
    BLOB_USES,
    PUT_MANIFEST,
    MANIFEST,
    OF_APP,
    COUNT,
    PUSHED,
    DELETE_MANIFEST,
    PUT_TAG,
    TAGGED,
    TAGS,
    TAG_COUNT,
    DELETE_TAG,
];

/// A manifest as it was pushed, and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Whose.
    pub app: AppId,
    /// Of which repository of the app.
    pub process_type: ProcessType,
    /// Of its bytes.
    pub digest: Digest,
    /// Which kind it is.
    pub media_type: MediaType,
    /// Its bytes.
    pub content: String,
    /// The blobs or manifests in it.
    pub names: Vec<Digest>,
    /// What a dyno needs of it; `None`: no dyno can run it itself.
    pub image: Option<Image>,
    /// Of an index: the manifest for this machine.
    pub for_here: Option<Digest>,
    /// When it was pushed last.
    pub pushed_at: Timestamp,
}

/// Lets an app use a blob, and notes that it is in use now.
///
/// # Errors
/// When the database fails.
pub async fn put_blob(
    tx: &mut Tx,
    app: AppId,
    digest: &Digest,
    size_bytes: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    let size_bytes = i64::try_from(size_bytes).unwrap_or(i64::MAX);
    let query = sqlx::query(PUT_BLOB).bind(app.to_string()).bind(digest.as_str()).bind(size_bytes).bind(at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// How many bytes a blob has that the app may use; `None`: it may not, or there is none.
///
/// # Errors
/// When the database fails.
pub async fn blob_size<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    digest: &Digest,
) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query(BLOB_SIZE).bind(app.to_string()).bind(digest.as_str()).fetch_optional(db).await?;
    row.map(|row| Cells { table: "image_blob", row: &row }.unsigned("size_bytes")).transpose()
}

/// Every blob of every app.
///
/// # Errors
/// When the database fails.
pub async fn blobs<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Blob>, StoreError> {
    let rows = sqlx::query(BLOBS).fetch_all(db).await?;
    let read = |row: &SqliteRow| {
        let cells = Cells { table: "image_blob", row };
        Ok(Blob { app: cells.parsed("app_id")?, digest: cells.parsed("digest")?, at: cells.time("used_at")? })
    };
    rows.iter().map(read).collect()
}

/// An app may not use a blob any more.
///
/// # Errors
/// When the database fails.
pub async fn delete_blob(tx: &mut Tx, app: AppId, digest: &Digest) -> Result<(), StoreError> {
    sqlx::query(DELETE_BLOB).bind(app.to_string()).bind(digest.as_str()).execute(tx.db()).await?;
    Ok(())
}

/// How many apps may use a blob.
///
/// # Errors
/// When the database fails.
pub async fn blob_uses<'e>(db: impl SqliteExecutor<'e>, digest: &Digest) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(BLOB_USES).bind(digest.as_str()).fetch_one(db).await?)
}

/// Stores a manifest; one that is there already is as if it were pushed now.
///
/// # Errors
/// When the database fails.
pub async fn put_manifest(tx: &mut Tx, new: &StoredManifest) -> Result<(), StoreError> {
    let bad = |error: serde_json::Error| StoreError::BadRow { table: "image_manifest", what: error.to_string() };
    let names = serde_json::to_string(&new.names).map_err(bad)?;
    let image = new.image.as_ref().map(serde_json::to_string).transpose().map_err(bad)?;
    let query = sqlx::query(PUT_MANIFEST).bind(new.app.to_string()).bind(new.process_type.as_str());
    let query = query.bind(new.digest.as_str()).bind(new.media_type.word()).bind(&new.content).bind(names).bind(image);
    let query = query.bind(new.image.as_ref().map(|image| image.id.as_str()));
    let query = query.bind(new.for_here.as_ref().map(Digest::as_str)).bind(new.pushed_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// A manifest by its digest.
///
/// # Errors
/// When the database fails.
pub async fn manifest<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    process_type: &ProcessType,
    digest: &Digest,
) -> Result<Option<StoredManifest>, StoreError> {
    let query = sqlx::query(MANIFEST).bind(app.to_string()).bind(process_type.as_str()).bind(digest.as_str());
    query.fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The manifests of an app that are this image, by the digest of its configuration or by its own; the newest first.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    image: &Digest,
) -> Result<Vec<StoredManifest>, StoreError> {
    let rows = sqlx::query(OF_APP).bind(app.to_string()).bind(image.as_str()).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// How many manifests an app has.
///
/// # Errors
/// When the database fails.
pub async fn count<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(COUNT).bind(app.to_string()).fetch_one(db).await?)
}

/// Every manifest of every app, as far as its keeping goes.
///
/// # Errors
/// When the database fails.
pub async fn pushed<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Pushed>, StoreError> {
    let rows = sqlx::query(PUSHED).bind(LATEST).fetch_all(db).await?;
    let read = |row: &SqliteRow| {
        let cells = Cells { table: "image_manifest", row };
        Ok(Pushed {
            app: cells.parsed("app_id")?,
            process_type: cells.parsed("process_type")?,
            digest: cells.parsed("digest")?,
            names: names(&cells)?,
            latest: cells.flag("latest")?,
            at: cells.time("pushed_at")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Removes a manifest and its tags. `false`: it was not there.
///
/// # Errors
/// When the database fails.
pub async fn delete_manifest(
    tx: &mut Tx,
    app: AppId,
    process_type: &ProcessType,
    digest: &Digest,
) -> Result<bool, StoreError> {
    let query = sqlx::query(DELETE_MANIFEST).bind(app.to_string()).bind(process_type.as_str()).bind(digest.as_str());
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Gives a manifest a tag, which another may have had.
///
/// # Errors
/// When the database fails.
pub async fn put_tag(
    tx: &mut Tx,
    app: AppId,
    process_type: &ProcessType,
    tag: &str,
    digest: &Digest,
) -> Result<(), StoreError> {
    let query = sqlx::query(PUT_TAG).bind(app.to_string()).bind(process_type.as_str()).bind(tag);
    query.bind(digest.as_str()).execute(tx.db()).await?;
    Ok(())
}

/// What a tag stands for.
///
/// # Errors
/// When the database fails.
pub async fn tagged<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    process_type: &ProcessType,
    tag: &str,
) -> Result<Option<Digest>, StoreError> {
    let query = sqlx::query(TAGGED).bind(app.to_string()).bind(process_type.as_str()).bind(tag);
    let row = query.fetch_optional(db).await?;
    row.map(|row| Cells { table: "image_tag", row: &row }.parsed("digest")).transpose()
}

/// The tags of a repository, in alphabetical order.
///
/// # Errors
/// When the database fails.
pub async fn tags<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    process_type: &ProcessType,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(TAGS).bind(app.to_string()).bind(process_type.as_str()).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "image_tag", row }.text("tag")).collect()
}

/// How many tags an app has.
///
/// # Errors
/// When the database fails.
pub async fn tag_count<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(TAG_COUNT).bind(app.to_string()).fetch_one(db).await?)
}

/// Takes a tag away. `false`: there was none.
///
/// # Errors
/// When the database fails.
pub async fn delete_tag(tx: &mut Tx, app: AppId, process_type: &ProcessType, tag: &str) -> Result<bool, StoreError> {
    let query = sqlx::query(DELETE_TAG).bind(app.to_string()).bind(process_type.as_str()).bind(tag);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

fn names(cells: &Cells<'_>) -> Result<Vec<Digest>, StoreError> {
    serde_json::from_str(&cells.text("names")?).map_err(|error| cells.bad(format!("names: {error}")))
}

fn read(row: &SqliteRow) -> Result<StoredManifest, StoreError> {
    let cells = Cells { table: "image_manifest", row };
    let kind = cells.text("media_type")?;
    let image = cells.maybe_text("image")?.as_deref().map(serde_json::from_str).transpose();
    Ok(StoredManifest {
        app: cells.parsed("app_id")?,
        process_type: cells.parsed("process_type")?,
        digest: cells.parsed("digest")?,
        media_type: MediaType::from_word(&kind).ok_or_else(|| cells.bad(format!("media_type: {kind}")))?,
        content: cells.text("content")?,
        names: names(&cells)?,
        image: image.map_err(|error| cells.bad(format!("image: {error}")))?,
        for_here: cells.maybe_parsed("platform_digest")?,
        pushed_at: cells.time("pushed_at")?,
    })
}
