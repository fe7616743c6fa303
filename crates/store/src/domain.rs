//! Domains that people added.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::domain::{Domain, DomainKind};
use model::id::{AppId, DomainId, SniEndpointId};
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO domain (id, app_id, hostname, target, sni_endpoint_id, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $6)";
const SET_SNI_ENDPOINT: &str = "UPDATE domain SET sni_endpoint_id = $2, updated_at = $3 WHERE id = $1";
const FORGET_SNI_ENDPOINT: &str =
    "UPDATE domain SET sni_endpoint_id = NULL, updated_at = $2 WHERE sni_endpoint_id = $1";
const DELETE: &str = "DELETE FROM domain WHERE id = $1";
const LIST: &str = "SELECT id, app_id, hostname, target, sni_endpoint_id, created_at, updated_at FROM domain \
     WHERE app_id = $1 ORDER BY hostname";
const HOSTNAMES: &str = "SELECT hostname FROM domain WHERE app_id = $1 ORDER BY hostname";
const COUNT: &str = "SELECT COUNT(*) FROM domain WHERE app_id = $1";
const OWNER: &str = "SELECT app_id FROM domain WHERE hostname = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, SET_SNI_ENDPOINT, FORGET_SNI_ENDPOINT, DELETE, LIST, HOSTNAMES, COUNT, OWNER];

/// Adds a domain; an app's own is not stored.
///
/// # Errors
/// [`StoreError::is_duplicate`] when an app has that host name already.
pub async fn insert(tx: &mut Tx, domain: &Domain) -> Result<(), StoreError> {
    let DomainKind::Custom { target, sni_endpoint } = &domain.kind else { return Ok(()) };
    let query = sqlx::query(INSERT).bind(domain.id.to_string()).bind(domain.app.to_string()).bind(&domain.hostname);
    let query = query.bind(target).bind(sni_endpoint.map(|id| id.to_string())).bind(domain.created_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Gives it another certificate, or none. `false`: the domain is gone.
///
/// # Errors
/// When the certificate is gone or the database fails.
pub async fn set_sni_endpoint(
    tx: &mut Tx,
    id: DomainId,
    sni_endpoint: Option<SniEndpointId>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let query = sqlx::query(SET_SNI_ENDPOINT).bind(id.to_string()).bind(sni_endpoint.map(|id| id.to_string()));
    Ok(query.bind(at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// Leaves the domains that are served with this certificate without one.
///
/// # Errors
/// When the database fails.
pub async fn forget_sni_endpoint(tx: &mut Tx, endpoint: SniEndpointId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(FORGET_SNI_ENDPOINT).bind(endpoint.to_string()).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes it. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: DomainId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Those of an app, by host name.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Domain>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// Only their host names.
///
/// # Errors
/// When the database fails.
pub async fn hostnames<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(HOSTNAMES).bind(app.to_string()).fetch_all(db).await?)
}

/// How many an app has.
///
/// # Errors
/// When the database fails.
pub async fn count<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<usize, StoreError> {
    let count: i64 = sqlx::query_scalar(COUNT).bind(app.to_string()).fetch_one(db).await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The app that has this host name.
///
/// # Errors
/// When the database fails.
pub async fn owner<'e>(db: impl SqliteExecutor<'e>, hostname: &str) -> Result<Option<AppId>, StoreError> {
    let row = sqlx::query(OWNER).bind(hostname).fetch_optional(db).await?;
    row.map(|row| Cells { table: "domain", row: &row }.parsed("app_id")).transpose()
}

fn read(row: &SqliteRow) -> Result<Domain, StoreError> {
    let cells = Cells { table: "domain", row };
    let kind =
        DomainKind::Custom { target: cells.text("target")?, sni_endpoint: cells.maybe_parsed("sni_endpoint_id")? };
    Ok(Domain {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        hostname: cells.text("hostname")?,
        kind,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
