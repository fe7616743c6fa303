//! App features: what was switched, by app.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::app::App;
use model::feature::{AppFeature, Feature};
use model::id::AppId;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const UPSERT: &str = "INSERT INTO app_feature (app_id, name, enabled, updated_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (app_id, name) DO UPDATE SET enabled = $3, updated_at = $4";
const LIST: &str = "SELECT name, enabled, updated_at FROM app_feature WHERE app_id = $1";
const ENABLED: &str = "SELECT enabled FROM app_feature WHERE app_id = $1 AND name = $2";
const APPS: &str = "SELECT app_id FROM app_feature WHERE name = $1 AND enabled = TRUE";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[UPSERT, LIST, ENABLED, APPS];

/// Switches a feature of an app.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn put(tx: &mut Tx, app: AppId, feature: &AppFeature) -> Result<(), StoreError> {
    let query = sqlx::query(UPSERT).bind(app.to_string()).bind(feature.feature.word());
    query.bind(feature.enabled).bind(feature.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// All features of an app, by name; those that were never switched too.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: &App) -> Result<Vec<AppFeature>, StoreError> {
    let rows = sqlx::query(LIST).bind(app.id.to_string()).fetch_all(db).await?;
    let switched: Vec<AppFeature> = rows.iter().map(|row| read(row, app)).collect::<Result<_, _>>()?;
    let as_it_is = |feature: Feature| {
        let found = switched.iter().find(|switched| switched.feature == feature).copied();
        found.unwrap_or_else(|| feature.untouched(app))
    };
    Ok(Feature::ALL.into_iter().map(as_it_is).collect())
}

/// Is it on?
///
/// # Errors
/// When the database fails.
pub async fn enabled<'e>(db: impl SqliteExecutor<'e>, app: AppId, feature: Feature) -> Result<bool, StoreError> {
    let switched = sqlx::query_scalar(ENABLED).bind(app.to_string()).bind(feature.word()).fetch_optional(db).await?;
    Ok(switched.unwrap_or_else(|| feature.is_on_at_first()))
}

/// The apps that have switched it on.
///
/// # Errors
/// When the database fails.
pub async fn apps<'e>(db: impl SqliteExecutor<'e>, feature: Feature) -> Result<Vec<AppId>, StoreError> {
    let rows = sqlx::query(APPS).bind(feature.word()).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "app_feature", row }.parsed("app_id")).collect()
}

fn read(row: &SqliteRow, app: &App) -> Result<AppFeature, StoreError> {
    let cells = Cells { table: "app_feature", row };
    Ok(AppFeature {
        feature: cells.parsed("name")?,
        enabled: cells.flag("enabled")?,
        created_at: app.created_at,
        updated_at: cells.time("updated_at")?,
    })
}
