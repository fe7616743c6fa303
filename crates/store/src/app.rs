//! Apps.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::app::{App, AppName};
use model::id::{AccountId, AppId, TeamId};
use model::stack::Stack;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, owner_id, team_id, locked, region, stack, maintenance, buildpack, created_at, updated_at FROM app ",
            $rest
        )
    };
}

/// The apps that the account $1 may see.
macro_rules! visible_apps {
    () => {
        "(SELECT id FROM app WHERE (owner_id = $1 AND team_id IS NULL) \
         OR id IN (SELECT app_id FROM collaborator WHERE account_id = $1) \
         OR team_id IN (SELECT team_id FROM team_member WHERE account_id = $1))"
    };
}
pub(crate) use visible_apps;

const INSERT: &str = "INSERT INTO app (id, name, owner_id, region, stack, maintenance, had_web, created_at, updated_at, team_id, \
     locked) VALUES ($1, $2, $3, $4, $5, FALSE, FALSE, $6, $6, $7, $8)";
const UPDATE: &str = "UPDATE app SET name = $2, maintenance = $3, stack = $4, updated_at = $5, owner_id = $6, \
     team_id = $7, locked = $8 WHERE id = $1";
const SET_BUILDPACK: &str = "UPDATE app SET buildpack = $2, updated_at = $3 WHERE id = $1";
const HAD_WEB: &str = "SELECT had_web FROM app WHERE id = $1";
const SET_HAD_WEB: &str = "UPDATE app SET had_web = TRUE WHERE id = $1 AND had_web = FALSE";
const DELETE_RELEASES: &str = "DELETE FROM release WHERE app_id = $1";
const DELETE: &str = "DELETE FROM app WHERE id = $1";
const BY_ID: &str = select!("WHERE id = $1");
const BY_NAME: &str = select!("WHERE name = $1");
const LIST: &str = select!("ORDER BY name");
const VISIBLE: &str = concat!(select!("WHERE id IN "), visible_apps!(), " ORDER BY name");
const OF_TEAM: &str = select!("WHERE team_id = $1 ORDER BY name");
const COUNT_OF_OWNER: &str = "SELECT COUNT(*) FROM app WHERE owner_id = $1";
const COUNT: &str = "SELECT COUNT(*) FROM app";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    UPDATE,
    SET_BUILDPACK,
    HAD_WEB,
    SET_HAD_WEB,
    DELETE_RELEASES,
    DELETE,
    BY_ID,
    BY_NAME,
    LIST,
    VISIBLE,
    OF_TEAM,
    COUNT_OF_OWNER,
    COUNT,
];

/// Adds an app.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the name is taken.
pub async fn insert(tx: &mut Tx, app: &App) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(app.id.to_string()).bind(app.name.as_str()).bind(app.owner.to_string());
    let query = query.bind(&app.region).bind(app.stack.as_str()).bind(app.created_at.0);
    query.bind(app.team.map(|team| team.to_string())).bind(app.locked).execute(tx.db()).await?;
    Ok(())
}

/// Stores name, maintenance, stack, owner, team and lock. `false`: the app is gone.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the name is taken.
pub async fn update(tx: &mut Tx, app: &App) -> Result<bool, StoreError> {
    let query = sqlx::query(UPDATE).bind(app.id.to_string()).bind(app.name.as_str()).bind(app.maintenance);
    let query = query.bind(app.stack.as_str()).bind(app.updated_at.0).bind(app.owner.to_string());
    let team = app.team.map(|team| team.to_string());
    let done = query.bind(team).bind(app.locked).execute(tx.db()).await?;
    Ok(done.rows_affected() == 1)
}

/// Remembers which pack built the app last (BLD-9).
///
/// # Errors
/// When the database fails.
pub async fn set_buildpack(tx: &mut Tx, id: AppId, buildpack: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(SET_BUILDPACK).bind(id.to_string()).bind(buildpack).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Has the app ever had a `web` type (DYNO-12)?
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn had_web<'e>(db: impl SqliteExecutor<'e>, id: AppId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(HAD_WEB).bind(id.to_string()).fetch_one(db).await?)
}

/// Remembers that it has.
///
/// # Errors
/// When the database fails.
pub async fn set_had_web(tx: &mut Tx, id: AppId) -> Result<(), StoreError> {
    sqlx::query(SET_HAD_WEB).bind(id.to_string()).execute(tx.db()).await?;
    Ok(())
}

/// Removes an app with its ledger, config, builds and formation. `false`: it was gone already.
///
/// # Errors
/// When another app still runs one of its slugs, or the database fails.
pub async fn delete(tx: &mut Tx, id: AppId) -> Result<bool, StoreError> {
    // Releases point to slugs; both belong to the app, and the releases must go first.
    sqlx::query(DELETE_RELEASES).bind(id.to_string()).execute(tx.db()).await?;
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// The app with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: AppId) -> Result<Option<App>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The app with this name.
///
/// # Errors
/// When the database fails.
pub async fn by_name<'e>(db: impl SqliteExecutor<'e>, name: &AppName) -> Result<Option<App>, StoreError> {
    sqlx::query(BY_NAME).bind(name.as_str()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All apps by name.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<App>, StoreError> {
    sqlx::query(LIST).fetch_all(db).await?.iter().map(read).collect()
}

/// Those that an account may see, by name: its own, those that it was added to, its teams'.
///
/// # Errors
/// When the database fails.
pub async fn visible<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<App>, StoreError> {
    sqlx::query(VISIBLE).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// Those of a team, by name.
///
/// # Errors
/// When the database fails.
pub async fn of_team<'e>(db: impl SqliteExecutor<'e>, team: TeamId) -> Result<Vec<App>, StoreError> {
    sqlx::query(OF_TEAM).bind(team.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// How many an account owns or made for a team.
///
/// # Errors
/// When the database fails.
pub async fn count_of_owner<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(COUNT_OF_OWNER).bind(account.to_string()).fetch_one(db).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How many there are.
///
/// # Errors
/// When the database fails.
pub async fn count<'e>(db: impl SqliteExecutor<'e>) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(COUNT).fetch_one(db).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn read(row: &SqliteRow) -> Result<App, StoreError> {
    let cells = Cells { table: "app", row };
    Ok(App {
        id: cells.parsed("id")?,
        name: cells.parsed("name")?,
        owner: cells.parsed("owner_id")?,
        team: cells.maybe_parsed("team_id")?,
        locked: cells.flag("locked")?,
        region: cells.text("region")?,
        stack: Stack::named(&cells.text("stack")?).map_err(|error| cells.bad(error))?,
        maintenance: cells.flag("maintenance")?,
        buildpack: cells.maybe_text("buildpack")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
