//! App setups. What comes after the build is sealed: it holds the environment of a command.

use crate::row::Cells;
use crate::{Store, StoreError, Tx, Vault};
use model::app_setup::{AppSetup, AppSetupState, Failure, Plan, Ran};
use model::id::{AppSetupId, BuildId, DynoId};
use model::time::Timestamp;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app_id, by_id, state, why, manifest_errors, build_id, plan_sealed, dyno_id, output, exit_code, ",
            "created_at, updated_at FROM app_setup ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO app_setup (id, app_id, by_id, state, created_at, updated_at) \
     VALUES ($1, $2, $3, 'pending', $4, $4)";
const SET_BUILD: &str = "UPDATE app_setup SET build_id = $2, plan_sealed = $3, updated_at = $4 \
     WHERE id = $1 AND state = 'pending' AND build_id IS NULL";
const SET_DYNO: &str = "UPDATE app_setup SET dyno_id = $2, updated_at = $3 \
     WHERE id = $1 AND state = 'pending' AND dyno_id IS NULL";
const FINISH: &str = "UPDATE app_setup SET state = $2, why = $3, manifest_errors = $4, output = $5, exit_code = $6, \
     updated_at = $7 WHERE id = $1 AND state = 'pending'";
const BY_ID: &str = select!("WHERE id = $1");
const BY_DYNO: &str = select!("WHERE dyno_id = $1 AND state = 'pending'");
const PENDING: &str = select!("WHERE state = 'pending' ORDER BY created_at");

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, SET_BUILD, SET_DYNO, FINISH, BY_ID, BY_DYNO, PENDING];

/// Adds a pending one.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn insert(tx: &mut Tx, setup: &AppSetup) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(setup.id.to_string()).bind(setup.app.to_string()).bind(setup.by.to_string());
    query.bind(setup.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Notes its build, and what comes after it. `false`: it is over, or has one.
///
/// # Errors
/// When the database fails.
pub async fn set_build(
    tx: &mut Tx,
    id: AppSetupId,
    build: BuildId,
    plan: &Plan,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let text = serde_json::to_string(plan).map_err(|error| bad(&error))?;
    let sealed = tx.vault.seal(&owner(id), &text)?;
    let query = sqlx::query(SET_BUILD).bind(id.to_string()).bind(build.to_string()).bind(sealed).bind(at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Notes the dyno of its postdeploy command. `false`: it is over, or has one: the command runs once.
///
/// # Errors
/// When the database fails.
pub async fn set_dyno(tx: &mut Tx, id: AppSetupId, dyno: DynoId, at: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query(SET_DYNO).bind(id.to_string()).bind(dyno.to_string()).bind(at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// Stores how it ended. `false`: it was over already.
///
/// # Errors
/// When the database fails.
pub async fn finish(
    tx: &mut Tx,
    id: AppSetupId,
    state: &AppSetupState,
    ran: Option<&Ran>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let (why, errors) = match state {
        AppSetupState::Pending | AppSetupState::Succeeded => (None, None),
        AppSetupState::Failed(Failure { why, manifest_errors }) => {
            (Some(why), Some(serde_json::to_string(manifest_errors).map_err(|error| bad(&error))?))
        }
    };
    let query = sqlx::query(FINISH).bind(id.to_string()).bind(state.word()).bind(why).bind(errors);
    let query = query.bind(ran.map(|ran| ran.output.clone())).bind(ran.map(|ran| i64::from(ran.exit_code)));
    Ok(query.bind(at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// The one with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id(store: &Store, id: AppSetupId) -> Result<Option<AppSetup>, StoreError> {
    let row = sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(store.db()).await?;
    row.as_ref().map(|row| read(store.vault(), row)).transpose()
}

/// The pending one whose postdeploy command runs in this dyno.
///
/// # Errors
/// When the database fails.
pub async fn by_dyno(store: &Store, dyno: DynoId) -> Result<Option<AppSetup>, StoreError> {
    let row = sqlx::query(BY_DYNO).bind(dyno.to_string()).fetch_optional(store.db()).await?;
    row.as_ref().map(|row| read(store.vault(), row)).transpose()
}

/// All that are under way.
///
/// # Errors
/// When the database fails.
pub async fn pending(store: &Store) -> Result<Vec<AppSetup>, StoreError> {
    let rows = sqlx::query(PENDING).fetch_all(store.db()).await?;
    rows.iter().map(|row| read(store.vault(), row)).collect()
}

fn owner(id: AppSetupId) -> String {
    format!("app_setup/{id}")
}

fn bad(error: &serde_json::Error) -> StoreError {
    StoreError::BadRow { table: "app_setup", what: error.to_string() }
}

fn read(vault: &Vault, row: &SqliteRow) -> Result<AppSetup, StoreError> {
    let cells = Cells { table: "app_setup", row };
    let id: AppSetupId = cells.parsed("id")?;
    let state = match (cells.text("state")?.as_str(), cells.maybe_text("why")?) {
        ("pending", None) => AppSetupState::Pending,
        ("succeeded", None) => AppSetupState::Succeeded,
        ("failed", Some(why)) => {
            let errors = cells.maybe_text("manifest_errors")?.unwrap_or_else(|| "[]".to_owned());
            let manifest_errors = serde_json::from_str(&errors).map_err(|error| bad(&error))?;
            AppSetupState::Failed(Failure { why, manifest_errors })
        }
        (word, why) => return Err(cells.bad(format!("state {word} with reason {why:?}"))),
    };
    let plan = match cells.maybe_text("plan_sealed")? {
        Some(sealed) => {
            let text = vault.open(&owner(id), &sealed)?;
            serde_json::from_str(&text).map_err(|error| bad(&error))?
        }
        None => Plan::default(),
    };
    let code = cells.maybe_number("exit_code")?.map(i32::try_from).transpose().map_err(|error| cells.bad(error))?;
    Ok(AppSetup {
        id,
        app: cells.parsed("app_id")?,
        by: cells.parsed("by_id")?,
        build: cells.maybe_parsed("build_id")?,
        plan,
        dyno: cells.maybe_parsed("dyno_id")?,
        postdeploy: cells.maybe_text("output")?.zip(code).map(|(output, exit_code)| Ran { output, exit_code }),
        state,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
