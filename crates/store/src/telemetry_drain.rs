//! Telemetry drains, address and headers sealed for each: they hold the receiver's keys.

use crate::row::Cells;
use crate::{Store, StoreError, Tx, Vault};
use model::id::{AppId, TelemetryDrainId};
use model::telemetry_drain::{Exporter, Signals, TelemetryDrain};
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app_id, signals, kind, endpoint_sealed, headers_sealed, created_at, updated_at FROM telemetry_drain ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO telemetry_drain (id, app_id, signals, kind, endpoint_sealed, headers_sealed, created_at, \
     updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const UPDATE: &str = "UPDATE telemetry_drain SET signals = $2, kind = $3, endpoint_sealed = $4, headers_sealed = $5, \
     updated_at = $6 WHERE id = $1";
const DELETE: &str = "DELETE FROM telemetry_drain WHERE id = $1";
const BY_ID: &str = select!("WHERE id = $1");
const OF_APP: &str = select!("WHERE app_id = $1 ORDER BY created_at, id");
const COUNT: &str = "SELECT COUNT(*) FROM telemetry_drain WHERE app_id = $1";
const LIST: &str = select!("ORDER BY created_at, id");

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, DELETE, BY_ID, OF_APP, COUNT, LIST];

/// Adds a drain.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn insert(tx: &mut Tx, drain: &TelemetryDrain) -> Result<(), StoreError> {
    let (endpoint, headers) = seal(&tx.vault, drain)?;
    let query = sqlx::query(INSERT).bind(drain.id.to_string()).bind(drain.app.to_string());
    let query =
        query.bind(drain.signals.words().join(",")).bind(drain.exporter.kind.word()).bind(endpoint).bind(headers);
    query.bind(drain.created_at.0).bind(drain.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Writes what can change of it. `false`: it is gone.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, drain: &TelemetryDrain) -> Result<bool, StoreError> {
    let (endpoint, headers) = seal(&tx.vault, drain)?;
    let query = sqlx::query(UPDATE).bind(drain.id.to_string()).bind(drain.signals.words().join(","));
    let query = query.bind(drain.exporter.kind.word()).bind(endpoint).bind(headers).bind(drain.updated_at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Removes it. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: TelemetryDrainId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// How many an app has, as this change sees it.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx, app: AppId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(COUNT).bind(app.to_string()).fetch_one(tx.db()).await?)
}

/// The drain with this id.
///
/// # Errors
/// When what is sealed does not open, or the database fails.
pub async fn by_id(store: &Store, id: TelemetryDrainId) -> Result<Option<TelemetryDrain>, StoreError> {
    let row = sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(store.db()).await?;
    row.as_ref().map(|row| read(store.vault(), row)).transpose()
}

/// Those of an app, oldest first.
///
/// # Errors
/// As [`by_id`].
pub async fn of_app(store: &Store, app: AppId) -> Result<Vec<TelemetryDrain>, StoreError> {
    let rows = sqlx::query(OF_APP).bind(app.to_string()).fetch_all(store.db()).await?;
    rows.iter().map(|row| read(store.vault(), row)).collect()
}

/// Those of every app.
///
/// # Errors
/// As [`by_id`].
pub async fn list(store: &Store) -> Result<Vec<TelemetryDrain>, StoreError> {
    let rows = sqlx::query(LIST).fetch_all(store.db()).await?;
    rows.iter().map(|row| read(store.vault(), row)).collect()
}

fn owner(id: TelemetryDrainId, what: &str) -> String {
    format!("telemetry_drain/{id}/{what}")
}

fn seal(vault: &Vault, drain: &TelemetryDrain) -> Result<(String, String), StoreError> {
    let headers = serde_json::to_string(&drain.exporter.headers);
    let headers = headers.map_err(|error| StoreError::BadRow { table: "telemetry_drain", what: error.to_string() })?;
    let endpoint = vault.seal(&owner(drain.id, "endpoint"), drain.exporter.endpoint.as_str())?;
    Ok((endpoint, vault.seal(&owner(drain.id, "headers"), &headers)?))
}

fn read(vault: &Vault, row: &SqliteRow) -> Result<TelemetryDrain, StoreError> {
    let cells = Cells { table: "telemetry_drain", row };
    let id = cells.parsed("id")?;
    let endpoint = vault.open(&owner(id, "endpoint"), &cells.text("endpoint_sealed")?)?;
    let headers = vault.open(&owner(id, "headers"), &cells.text("headers_sealed")?)?;
    let headers: BTreeMap<String, String> = serde_json::from_str(&headers).map_err(|error| cells.bad(error))?;
    let signals: Vec<String> = cells.text("signals")?.split(',').map(str::to_owned).collect();
    let exporter = Exporter::read(cells.parsed("kind")?, &endpoint, headers);
    Ok(TelemetryDrain {
        id,
        app: cells.parsed("app_id")?,
        signals: Signals::read(&signals).map_err(|error| cells.bad(error))?,
        exporter: exporter.map_err(|error| cells.bad(error))?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
