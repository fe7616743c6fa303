//! Notification routes, their addresses and secrets sealed.

use crate::row::Cells;
use crate::vault::Vault;
use crate::webhook::Keys;
use crate::{Store, StoreError, Tx};
use model::id::{AppId, NotificationRouteId};
use model::notification_route::{Channel, NotificationRoute, Scope};
use model::pipeline::Stage;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, app_id, pipeline_id, stage, kinds, severity, to_sealed, after_s, created_at FROM notification_route ", $rest)
    };
}

const INSERT: &str = "INSERT INTO notification_route (id, app_id, pipeline_id, stage, kinds, severity, to_sealed, \
     secret_sealed, after_s, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const DELETE: &str = "DELETE FROM notification_route WHERE id = $1";
const OF_APP: &str = select!("WHERE app_id = $1 ORDER BY created_at, id");
const OF_PIPELINE: &str = select!("WHERE pipeline_id = $1 ORDER BY created_at, id");
const OF_SERVER: &str = select!("WHERE app_id IS NULL AND pipeline_id IS NULL ORDER BY created_at, id");
// The narrowest first.
const ASKED: &str = select!(
    "WHERE app_id = $1 OR (app_id IS NULL AND (pipeline_id IS NULL OR pipeline_id = \
     (SELECT pipeline_id FROM pipeline_coupling WHERE pipeline_coupling.app_id = $1))) \
     ORDER BY app_id IS NULL, pipeline_id IS NULL, created_at, id"
);
const COUNT_OF_APP: &str = "SELECT COUNT(*) FROM notification_route WHERE app_id = $1";
const COUNT_OF_PIPELINE: &str = "SELECT COUNT(*) FROM notification_route WHERE pipeline_id = $1";
const COUNT_OF_SERVER: &str = "SELECT COUNT(*) FROM notification_route WHERE app_id IS NULL AND pipeline_id IS NULL";
const BY_ID: &str = select!("WHERE id = $1");
const SECRET: &str = "SELECT secret_sealed FROM notification_route WHERE id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    DELETE,
    OF_APP,
    OF_PIPELINE,
    OF_SERVER,
    ASKED,
    COUNT_OF_APP,
    COUNT_OF_PIPELINE,
    COUNT_OF_SERVER,
    BY_ID,
    SECRET,
];

/// Adds a route; one that posts comes with a secret.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, route: &NotificationRoute, secret: Option<&str>) -> Result<(), StoreError> {
    let to = tx.vault.seal(&owner(route.id, "to"), &route.channel.to().join("\n"))?;
    let secret = secret.map(|secret| tx.vault.seal(&owner(route.id, "secret"), secret)).transpose()?;
    let kinds: Vec<&str> = route.kinds.iter().map(|kind| kind.word()).collect();
    let (app, pipeline) = match route.scope {
        Scope::App(app) => (Some(app.to_string()), None),
        Scope::Pipeline(pipeline) => (None, Some(pipeline.to_string())),
        Scope::Server => (None, None),
    };
    let query = sqlx::query(INSERT).bind(route.id.to_string()).bind(app).bind(pipeline);
    let query = query
        .bind(route.stage.map(Stage::word))
        .bind(kinds.join(","))
        .bind(route.severity.word())
        .bind(to)
        .bind(secret)
        .bind(i64::from(route.after_s));
    query.bind(route.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes a route, and what it was to tell. `false`: it was gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: NotificationRouteId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// The routes of this scope alone, oldest first.
///
/// # Errors
/// When they do not open or the database fails.
pub async fn list(store: &Store, scope: Scope) -> Result<Vec<NotificationRoute>, StoreError> {
    let query = match scope {
        Scope::App(app) => sqlx::query(OF_APP).bind(app.to_string()),
        Scope::Pipeline(pipeline) => sqlx::query(OF_PIPELINE).bind(pipeline.to_string()),
        Scope::Server => sqlx::query(OF_SERVER),
    };
    query.fetch_all(store.db()).await?.iter().map(|row| read(row, store.vault())).collect()
}

/// How many there are of this scope.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx, scope: Scope) -> Result<usize, StoreError> {
    let query = match scope {
        Scope::App(app) => sqlx::query_scalar(COUNT_OF_APP).bind(app.to_string()),
        Scope::Pipeline(pipeline) => sqlx::query_scalar(COUNT_OF_PIPELINE).bind(pipeline.to_string()),
        Scope::Server => sqlx::query_scalar(COUNT_OF_SERVER),
    };
    let count: i64 = query.fetch_one(tx.db()).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// All routes that an alarm of this app asks: its own, its pipeline's and the server's.
///
/// # Errors
/// When they do not open or the database fails.
pub async fn asked(tx: &mut Tx, app: AppId) -> Result<Vec<NotificationRoute>, StoreError> {
    let rows = sqlx::query(ASKED).bind(app.to_string()).fetch_all(tx.db()).await?;
    rows.iter().map(|row| read(row, &tx.vault)).collect()
}

/// One route.
///
/// # Errors
/// When it does not open or the database fails.
pub async fn by_id(store: &Store, id: NotificationRouteId) -> Result<Option<NotificationRoute>, StoreError> {
    let row = sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(store.db()).await?;
    row.map(|row| read(&row, store.vault())).transpose()
}

/// What its posts are signed with.
///
/// # Errors
/// When it does not open or the database fails.
pub async fn keys(store: &Store, id: NotificationRouteId) -> Result<Option<Keys>, StoreError> {
    let sealed: Option<Option<String>> =
        sqlx::query_scalar(SECRET).bind(id.to_string()).fetch_optional(store.db()).await?;
    let open = |sealed: String| store.vault().open(&owner(id, "secret"), &sealed);
    let secret = sealed.flatten().map(open).transpose()?;
    Ok(secret.map(|secret| Keys { secret, authorization: None }))
}

fn owner(id: NotificationRouteId, what: &str) -> String {
    format!("notification-route/{id}/{what}")
}

fn read(row: &SqliteRow, vault: &Vault) -> Result<NotificationRoute, StoreError> {
    let cells = Cells { table: "notification_route", row };
    let id = cells.parsed("id")?;
    let to = vault.open(&owner(id, "to"), &cells.text("to_sealed")?)?;
    let to: Vec<String> = to.lines().map(str::to_owned).collect();
    let kinds = cells.text("kinds")?;
    let kinds: Result<_, _> = kinds.split(',').filter(|word| !word.is_empty()).map(str::parse).collect();
    let scope = match (cells.maybe_parsed("app_id")?, cells.maybe_parsed("pipeline_id")?) {
        (Some(app), None) => Scope::App(app),
        (None, Some(pipeline)) => Scope::Pipeline(pipeline),
        (None, None) => Scope::Server,
        (Some(_), Some(_)) => return Err(cells.bad("an app and a pipeline")),
    };
    Ok(NotificationRoute {
        id,
        scope,
        stage: cells.maybe_parsed("stage")?,
        kinds: kinds.map_err(|error| cells.bad(error))?,
        severity: cells.parsed("severity")?,
        channel: Channel::read(&to).map_err(|error| cells.bad(error))?,
        after_s: cells.unsigned("after_s")?,
        created_at: cells.time("created_at")?,
    })
}
