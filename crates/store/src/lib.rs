//! The SQL, one file per noun. Rows become nouns at this edge; a half-set row is an error, not a guess.
//!
//! Reads take any executor ([`Store::db`] or [`Tx::db`]); changes take a [`Tx`], so that what belongs together commits together.

pub mod account;
pub mod acm;
pub mod alarm;
pub mod app;
pub mod app_setup;
pub mod approval;
pub mod audit;
pub mod authorization;
pub mod build;
pub mod buildpack_installation;
pub mod collaborator;
pub mod commit_check;
pub mod config_var;
pub mod delivery;
pub mod deployment;
pub mod domain;
pub mod error_count;
pub mod event;
pub mod favorite;
pub mod feature;
pub mod formation;
pub mod idempotency;
pub mod idle;
pub mod image;
pub mod log_drain;
pub mod monitor;
pub mod notice;
pub mod notification_route;
pub mod oauth_client;
pub mod password_reset;
pub mod pipeline;
pub mod pipeline_config_var;
pub mod pipeline_coupling;
pub mod promotion;
pub mod receipt;
pub mod release;
pub mod release_phase;
pub mod release_step;
mod row;
pub mod slug;
pub mod sni_endpoint;
pub mod source;
pub mod ssh_key;
pub mod stage_lock;
pub mod stage_policy;
pub mod team;
pub mod telemetry_drain;
pub mod test_case;
pub mod test_gate;
pub mod test_node;
pub mod test_run;
pub mod traffic;
pub mod transfer;
pub mod user_notification;
mod vault;
pub mod verification;
pub mod verification_artifact;
pub mod verify_setting;
pub mod webhook;

pub use sqlx::SqliteConnection as Connection;
pub use vault::{Vault, VaultError};

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlSafeStr, Sqlite, SqliteConnection, Transaction};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;

/// Readers beside the one writer: more would only hold memory on a small server.
const READERS: u32 = 3;

/// Page cache per connection, in KiB (negative is SQLite's way to say KiB).
const CACHE_KIB: &str = "-512";

/// What went wrong below the nouns.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("The database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that no version of this program writes.
    #[error("The database holds a {table} row that this version cannot read: {what}. Was it edited by hand?")]
    BadRow {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A newer version has been here.
    #[error(
        "The data folder was used by a newer Flowline ({0}); start that version, or restore a backup made before the upgrade"
    )]
    NewerVersion(String),
    /// The schema could not be brought up to date.
    #[error("The database could not be brought up to date: {0}")]
    Migration(String),
    /// A sealed value cannot be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl StoreError {
    /// Did a change violate a uniqueness that the database keeps (a name taken, a build already pending)?
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Did a change break what the database keeps together: is something else still using what was to be removed?
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_foreign_key_violation())
    }
}

/// The database of one data folder.
#[derive(Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
    vault: Arc<Vault>,
    outbox: Arc<Notify>,
    notices: Arc<Notify>,
}

impl Store {
    /// Opens the SQLite file at `path`, makes it when missing, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::NewerVersion`] when a newer Flowline has used it; other variants when the file cannot be used.
    pub async fn open(path: &Path, vault: Vault) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged must outlive a power cut, so every commit reaches the disk.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", CACHE_KIB);
        // One writer: changes queue here instead of failing with SQLITE_BUSY.
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            // A full disk makes SQLite end a transaction by itself, which the driver does not see: it would take every later
            // one for nested and refuse it. Such a connection is replaced.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(options.clone())
            .await?;
        migrate(&writer).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { readers, writer, vault: Arc::new(vault), outbox: Arc::default(), notices: Arc::default() })
    }

    /// For reads outside a transaction.
    #[must_use]
    pub fn db(&self) -> &SqlitePool {
        &self.readers
    }

    /// For several reads that also a change makes: what takes a [`Connection`] works with both.
    ///
    /// # Errors
    /// When there is none.
    pub async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// Begins a change.
    ///
    /// # Errors
    /// When no transaction can be begun.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        // IMMEDIATE: a transaction that reads first and writes later must not lose its turn in between.
        let inner = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let (outbox, notices) = (Arc::clone(&self.outbox), Arc::clone(&self.notices));
        Ok(Tx { inner, vault: Arc::clone(&self.vault), outbox, notices, filled: false, noticed: false })
    }

    /// Tells whenever something to be delivered was committed.
    #[must_use]
    pub fn outbox(&self) -> &Notify {
        &self.outbox
    }

    /// Tells whenever a notice of an alarm was committed.
    #[must_use]
    pub fn notices(&self) -> &Notify {
        &self.notices
    }

    /// Closes all connections; what was committed is on disk.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn vault(&self) -> &Vault {
        &self.vault
    }
}

/// One change: dropped without [`Tx::commit`], nothing of it has happened.
pub struct Tx {
    inner: Transaction<'static, Sqlite>,
    vault: Arc<Vault>,
    outbox: Arc<Notify>,
    notices: Arc<Notify>,
    filled: bool,
    noticed: bool,
}

impl Tx {
    /// For reads that must see this change.
    pub fn db(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }

    /// Makes it last.
    ///
    /// # Errors
    /// When the disk did not take it; then nothing of it has happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        if self.filled {
            self.outbox.notify_one();
        }
        if self.noticed {
            self.notices.notify_one();
        }
        Ok(())
    }

    /// It holds notices of alarms: its commit tells so.
    pub(crate) fn fill_notices(&mut self) {
        self.noticed = true;
    }

    /// It holds something to be delivered: its commit tells so.
    pub(crate) fn fill_outbox(&mut self) {
        self.filled = true;
    }
}

/// Every change of the tables, in order; one that was released is never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (2, "lifecycle", include_str!("../migrations/0002_lifecycle.sql")),
    (3, "survival", include_str!("../migrations/0003_survival.sql")),
    (4, "access", include_str!("../migrations/0004_access.sql")),
    (5, "edge", include_str!("../migrations/0005_edge.sql")),
    (6, "events", include_str!("../migrations/0006_events.sql")),
    (7, "write_only", include_str!("../migrations/0007_write_only.sql")),
    (8, "idempotency", include_str!("../migrations/0008_idempotency.sql")),
    (9, "pipelines", include_str!("../migrations/0009_pipelines.sql")),
    (10, "test_runs", include_str!("../migrations/0010_test_runs.sql")),
    (11, "verify", include_str!("../migrations/0011_verify.sql")),
    (12, "notifications", include_str!("../migrations/0012_notifications.sql")),
    (13, "app_setups", include_str!("../migrations/0013_app_setups.sql")),
    (14, "gates", include_str!("../migrations/0014_gates.sql")),
    (15, "favorites", include_str!("../migrations/0015_favorites.sql")),
    (16, "password_resets", include_str!("../migrations/0016_password_resets.sql")),
    (17, "alarms_of_pipelines", include_str!("../migrations/0017_alarms_of_pipelines.sql")),
    (19, "verify_browser", include_str!("../migrations/0019_verify_browser.sql")),
    (20, "cancelled_builds", include_str!("../migrations/0020_cancelled_builds.sql")),
    (21, "tests_of_builds", include_str!("../migrations/0021_tests_of_builds.sql")),
    (22, "error_counts", include_str!("../migrations/0022_error_counts.sql")),
    (23, "traffic", include_str!("../migrations/0023_traffic.sql")),
    (24, "monitors", include_str!("../migrations/0024_monitors.sql")),
    (25, "user_notifications", include_str!("../migrations/0025_user_notifications.sql")),
    (26, "telemetry_drains", include_str!("../migrations/0026_telemetry_drains.sql")),
    (27, "images", include_str!("../migrations/0027_images.sql")),
];

async fn migrate(writer: &SqlitePool) -> Result<(), StoreError> {
    let migration = |(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    let migrator = Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect());
    migrator.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            StoreError::NewerVersion(format!("its tables are at version {version}"))
        }
        other => StoreError::Migration(other.to_string()),
    })
}
