//! What apps and their code say of checks: policy and time limit of an app, command and environment of a slug's stage.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::browser::Browser;
use model::id::{AppId, PipelineId, SlugId};
use model::pipeline::Stage;
use model::verification::{Environment, Policy};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

const PUT: &str = "INSERT INTO verify_setting (app_id, policy, limit_s) VALUES ($1, $2, $3) \
     ON CONFLICT (app_id) DO UPDATE SET policy = $2, limit_s = $3";
const OF_APP: &str = "SELECT policy, limit_s FROM verify_setting WHERE app_id = $1";
const PUT_OF_STAGE: &str = "INSERT INTO verify_stage_setting (pipeline_id, stage, policy, limit_s) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (pipeline_id, stage) DO UPDATE SET policy = $3, limit_s = $4";
const OF_STAGE: &str = "SELECT policy, limit_s FROM verify_stage_setting WHERE pipeline_id = $1 AND stage = $2";
const PUT_ENVIRONMENT: &str =
    "INSERT INTO slug_environment (slug_id, stage, verify, env, browser) VALUES ($1, $2, $3, $4, $5)";
const ENVIRONMENT: &str = "SELECT verify, env, browser FROM slug_environment WHERE slug_id = $1 AND stage = $2";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[PUT, OF_APP, PUT_OF_STAGE, OF_STAGE, PUT_ENVIRONMENT, ENVIRONMENT];

/// What an app or a stage says; `None`: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifySetting {
    /// What follows when a check does not come out green.
    pub policy: Option<Policy>,
    /// How long it may run.
    pub limit: Option<Duration>,
}

/// Sets them.
///
/// # Errors
/// When the app is gone or the database fails.
pub async fn put(tx: &mut Tx, app: AppId, setting: &VerifySetting) -> Result<(), StoreError> {
    let limit = setting.limit.map(|limit| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
    let query = sqlx::query(PUT).bind(app.to_string()).bind(setting.policy.map(Policy::word)).bind(limit);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Those of an app.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<VerifySetting, StoreError> {
    let row = sqlx::query(OF_APP).bind(app.to_string()).fetch_optional(db).await?;
    row.as_ref().map_or(Ok(VerifySetting::default()), read)
}

/// Sets what a stage of a pipeline says.
///
/// # Errors
/// When the pipeline is gone or the database fails.
pub async fn put_of_stage(
    tx: &mut Tx,
    pipeline: PipelineId,
    stage: Stage,
    setting: &VerifySetting,
) -> Result<(), StoreError> {
    let limit = setting.limit.map(|limit| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
    let query = sqlx::query(PUT_OF_STAGE).bind(pipeline.to_string()).bind(stage.word());
    query.bind(setting.policy.map(Policy::word)).bind(limit).execute(tx.db()).await?;
    Ok(())
}

/// What a stage of a pipeline says.
///
/// # Errors
/// When the database fails.
pub async fn of_stage<'e>(
    db: impl SqliteExecutor<'e>,
    pipeline: PipelineId,
    stage: Stage,
) -> Result<VerifySetting, StoreError> {
    let row = sqlx::query(OF_STAGE).bind(pipeline.to_string()).bind(stage.word()).fetch_optional(db).await?;
    row.as_ref().map_or(Ok(VerifySetting::default()), read)
}

fn read(row: &SqliteRow) -> Result<VerifySetting, StoreError> {
    let cells = Cells { table: "verify_setting", row };
    let limit = cells.maybe_number("limit_s")?.map(|_| cells.unsigned("limit_s")).transpose()?;
    Ok(VerifySetting { policy: cells.maybe_parsed("policy")?, limit: limit.map(Duration::from_secs) })
}

/// Keeps what app.json says of a stage.
///
/// # Errors
/// When the database fails.
pub async fn put_environment(
    tx: &mut Tx,
    slug: SlugId,
    stage: &str,
    environment: &Environment,
) -> Result<(), StoreError> {
    let bad = |error: serde_json::Error| StoreError::BadRow { table: "slug_environment", what: error.to_string() };
    let env = serde_json::to_string(&environment.env).map_err(bad)?;
    let query = sqlx::query(PUT_ENVIRONMENT).bind(slug.to_string()).bind(stage).bind(&environment.verify).bind(env);
    query.bind(environment.browser.map(Browser::word)).execute(tx.db()).await?;
    Ok(())
}

/// What a slug's app.json says of a stage; nothing where it says nothing.
///
/// # Errors
/// When the database fails.
pub async fn environment<'e>(
    db: impl SqliteExecutor<'e>,
    slug: SlugId,
    stage: &str,
) -> Result<Environment, StoreError> {
    let row = sqlx::query(ENVIRONMENT).bind(slug.to_string()).bind(stage).fetch_optional(db).await?;
    let Some(row) = &row else { return Ok(Environment::default()) };
    let cells = Cells { table: "slug_environment", row };
    let env = serde_json::from_str(&cells.text("env")?).map_err(|error| cells.bad(error))?;
    Ok(Environment { env, verify: cells.maybe_text("verify")?, browser: cells.maybe_parsed("browser")? })
}
