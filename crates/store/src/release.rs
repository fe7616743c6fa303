//! The ledger: releases, each with the config it runs with, sealed.

use crate::row::Cells;
use crate::{Store, StoreError, Tx, Vault};
use model::config_var::ConfigVars;
use model::id::{AppId, ReleaseId};
use model::release::{Release, ReleaseStatus};
use model::retention::Code;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

/// A release that succeeded is expired when its slug is (RLS-11): said here, kept nowhere.
macro_rules! status {
    () => {
        "CASE WHEN status = 'succeeded' AND EXISTS (SELECT 1 FROM slug WHERE slug.id = release.slug_id \
         AND slug.expired_at IS NOT NULL) THEN 'expired' ELSE status END AS status"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app_id, version, ",
            status!(),
            ", description, slug_id, by_id, output_secret, created_at, updated_at FROM release ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO release (id, app_id, version, status, description, slug_id, by_id, output_secret, \
     config_sealed, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
const FINISH: &str =
    "UPDATE release SET status = $2, updated_at = $3, decided_at = $3 WHERE id = $1 AND status = 'pending'";
const NEXT_VERSION: &str = "SELECT COALESCE(MAX(version), 0) + 1 FROM release WHERE app_id = $1";
const BY_ID: &str = select!("WHERE app_id = $1 AND id = $2");
const BY_VERSION: &str = select!("WHERE app_id = $1 AND version = $2");
const BY_OWN_ID: &str = select!("WHERE id = $1");
const LIST: &str = select!("WHERE app_id = $1 ORDER BY version");
const NEWEST: &str = select!("WHERE app_id = $1 AND version <= $2 ORDER BY version DESC LIMIT $3");
const CURRENT: &str = select!("WHERE app_id = $1 AND status = 'succeeded' ORDER BY version DESC LIMIT 1");
const LATEST: &str = select!("WHERE app_id = $1 ORDER BY version DESC LIMIT 1");
/// Its slug is not that of the release before it.
const LATEST_DEPLOYMENT: &str = select!(
    "WHERE app_id = $1 AND slug_id IS NOT NULL AND slug_id IS NOT (SELECT earlier.slug_id FROM release AS earlier \
     WHERE earlier.app_id = $1 AND earlier.version < release.version ORDER BY earlier.version DESC LIMIT 1) \
     ORDER BY version DESC LIMIT 1"
);
const PENDING: &str = select!("WHERE status = 'pending' ORDER BY created_at");
const CODES: &str =
    concat!("SELECT app_id, id, version, ", status!(), ", slug_id FROM release WHERE slug_id IS NOT NULL");
const CONFIG: &str = "SELECT config_sealed FROM release WHERE id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    FINISH,
    NEXT_VERSION,
    BY_ID,
    BY_VERSION,
    BY_OWN_ID,
    LIST,
    NEWEST,
    CURRENT,
    LATEST,
    LATEST_DEPLOYMENT,
    PENDING,
    CODES,
    CONFIG,
];

/// The number that the app's next release gets. Only sound inside the transaction that inserts it.
///
/// # Errors
/// When the database fails.
pub async fn next_version(tx: &mut Tx, app: AppId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(NEXT_VERSION).bind(app.to_string()).fetch_one(tx.db()).await?)
}

/// Adds a release with the config that it runs with.
///
/// # Errors
/// When the version is taken or the database fails.
pub async fn insert(tx: &mut Tx, release: &Release, config: &ConfigVars) -> Result<(), StoreError> {
    let json = serde_json::to_string(config).map_err(bad_config)?;
    let sealed = tx.vault.seal(&owner(release.id), &json)?;
    let query = sqlx::query(INSERT).bind(release.id.to_string()).bind(release.app.to_string()).bind(release.version);
    let query = query.bind(release.status.word()).bind(&release.description);
    let query = query.bind(release.slug.map(|id| id.to_string())).bind(release.by.to_string());
    query.bind(&release.output_secret).bind(sealed).bind(release.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores how a release command ended. `false`: it was decided before.
///
/// # Errors
/// When the database fails.
pub async fn finish(tx: &mut Tx, id: ReleaseId, status: ReleaseStatus, at: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query(FINISH).bind(id.to_string()).bind(status.word()).bind(at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// A release of the app by id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, app: AppId, id: ReleaseId) -> Result<Option<Release>, StoreError> {
    let row = sqlx::query(BY_ID).bind(app.to_string()).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// A release by id alone: for addresses that carry their own secret.
///
/// # Errors
/// When the database fails.
pub async fn by_own_id<'e>(db: impl SqliteExecutor<'e>, id: ReleaseId) -> Result<Option<Release>, StoreError> {
    sqlx::query(BY_OWN_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// A release of the app by number.
///
/// # Errors
/// When the database fails.
pub async fn by_version<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    version: i64,
) -> Result<Option<Release>, StoreError> {
    let row = sqlx::query(BY_VERSION).bind(app.to_string()).bind(version).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The releases of an app, oldest first (RLS-9).
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Release>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// The newest releases of an app up to a version, newest first, and at most so many.
///
/// # Errors
/// When the database fails.
pub async fn newest<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    at_most: i64,
    count: usize,
) -> Result<Vec<Release>, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let query = sqlx::query(NEWEST).bind(app.to_string()).bind(at_most).bind(count);
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// The one that runs: the newest that succeeded (RELPH-21).
///
/// # Errors
/// When the database fails.
pub async fn current<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<Release>, StoreError> {
    sqlx::query(CURRENT).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The newest, whatever became of it.
///
/// # Errors
/// When the database fails.
pub async fn latest<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<Release>, StoreError> {
    sqlx::query(LATEST).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The newest that moved code (PIPE-14).
///
/// # Errors
/// When the database fails.
pub async fn latest_deployment<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<Release>, StoreError> {
    sqlx::query(LATEST_DEPLOYMENT).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All whose command runs.
///
/// # Errors
/// When the database fails.
pub async fn pending<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Release>, StoreError> {
    sqlx::query(PENDING).fetch_all(db).await?.iter().map(read).collect()
}

/// The releases of all apps that have code.
///
/// # Errors
/// When the database fails.
pub async fn codes<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Code>, StoreError> {
    let read = |row: &SqliteRow| {
        let cells = Cells { table: "release", row };
        Ok(Code {
            app: cells.parsed("app_id")?,
            release: cells.parsed("id")?,
            version: cells.number("version")?,
            status: status(&cells)?,
            slug: cells.parsed("slug_id")?,
        })
    };
    sqlx::query(CODES).fetch_all(db).await?.iter().map(read).collect()
}

/// The config that a release runs with.
///
/// # Errors
/// When it does not open, the release is gone, or the database fails.
pub async fn config(store: &Store, id: ReleaseId) -> Result<ConfigVars, StoreError> {
    let sealed: String = sqlx::query_scalar(CONFIG).bind(id.to_string()).fetch_one(store.db()).await?;
    open(store.vault(), id, &sealed)
}

/// The same, as this change sees it.
///
/// # Errors
/// When it does not open, the release is gone, or the database fails.
pub async fn config_in(tx: &mut Tx, id: ReleaseId) -> Result<ConfigVars, StoreError> {
    let sealed: String = sqlx::query_scalar(CONFIG).bind(id.to_string()).fetch_one(tx.db()).await?;
    open(&tx.vault, id, &sealed)
}

fn open(vault: &Vault, id: ReleaseId, sealed: &str) -> Result<ConfigVars, StoreError> {
    serde_json::from_str(&vault.open(&owner(id), sealed)?).map_err(bad_config)
}

fn owner(id: ReleaseId) -> String {
    format!("release/{id}/config")
}

fn bad_config(error: serde_json::Error) -> StoreError {
    StoreError::BadRow { table: "release", what: format!("config: {error}") }
}

fn status(cells: &Cells<'_>) -> Result<ReleaseStatus, StoreError> {
    let word = cells.text("status")?;
    ReleaseStatus::from_word(&word).ok_or_else(|| cells.bad(format!("status {word}")))
}

fn read(row: &SqliteRow) -> Result<Release, StoreError> {
    let cells = Cells { table: "release", row };
    Ok(Release {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        version: cells.number("version")?,
        status: status(&cells)?,
        description: cells.text("description")?,
        slug: cells.maybe_parsed("slug_id")?,
        by: cells.parsed("by_id")?,
        output_secret: cells.maybe_text("output_secret")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
