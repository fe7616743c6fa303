//! Pipelines: make, list, rename, destroy; what their apps last did; config vars of the stages that have some.

use crate::build::BuildDetail;
use crate::gate::{Authorized, GateError};
use crate::pipeline_coupling::{self, CouplingDetail};
use crate::release::{self, ReleaseDetail, ReleaseError};
use crate::{Control, app};
use model::account::Account;
use model::app::App;
use model::config_var::{ConfigError, ConfigPatch, ConfigVars, apply};
use model::id::{AccountId, TeamId};
use model::permission::Right;
use model::pipeline::{BadPipelineName, NoSuchStage, Pipeline, PipelineOwner, Stage};
use model::stack::Stack;
use store::StoreError;

/// Pipelines of one account or one team: as many as an account has apps.
pub const PIPELINE_LIMIT: u64 = 1000;

/// Why a pipeline is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// PIPE-2.
    #[error(transparent)]
    BadName(#[from] BadPipelineName),
    /// Too many.
    #[error("There are {PIPELINE_LIMIT} pipelines of this owner, which is the limit; destroy one first")]
    TooMany,
    /// Nobody makes pipelines for another account.
    #[error("A new pipeline belongs to you or to one of your teams; `flowline pipelines:transfer` hands one over")]
    OtherOwner,
    /// An owner that is neither.
    #[error("`owner.type` is `user` or `team`")]
    OwnerType,
    /// An id that is none.
    #[error("`owner.id` is the id of an account or of a team")]
    OwnerId,
    /// PIPE-3.
    #[error(transparent)]
    Stage(#[from] NoSuchStage),
    /// PIPE-12.
    #[error(
        "The stage {0} has no config vars of its own, only test and review have: set them on its apps (`flowline config:set`)"
    )]
    NoConfigVars(Stage),
    /// A name, a value or the size.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Somebody destroyed it meanwhile.
    #[error("Couldn't find that pipeline.")]
    Gone,
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A release cannot be shown.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An owner as a client names it.
#[derive(Debug, Clone)]
pub struct OwnerName {
    /// An id; of a team also its name.
    pub id: String,
    /// `user` or `team`.
    pub kind: String,
}

/// What of a pipeline's apps is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// The newest release of each.
    Release,
    /// The newest release of each that moved code (PIPE-14).
    Deployment,
}

/// Makes a pipeline (PIPE-8).
///
/// # Errors
/// A bad name, an owner that the caller may not make pipelines for, too many.
pub async fn create(
    control: &Control,
    who: &Account,
    name: &str,
    owner: Option<OwnerName>,
) -> Result<Pipeline, PipelineError> {
    let name = name.parse()?;
    let owner = owned_by(control, who, owner).await?;
    let now = control.now();
    let pipeline = Pipeline { id: control.world.new_id(), name, owner, created_at: now, updated_at: now };
    let mut tx = control.store.begin().await?;
    if store::pipeline::count_of_owner(tx.db(), owner).await? >= PIPELINE_LIMIT {
        return Err(PipelineError::TooMany);
    }
    store::pipeline::insert(&mut tx, &pipeline).await?;
    tx.commit().await?;
    Ok(pipeline)
}

async fn owned_by(control: &Control, who: &Account, owner: Option<OwnerName>) -> Result<PipelineOwner, PipelineError> {
    let Some(OwnerName { id, kind }) = owner else { return Ok(PipelineOwner::User(who.id)) };
    match kind.as_str() {
        "user" => match id.parse::<AccountId>() {
            Ok(id) if id == who.id => Ok(PipelineOwner::User(id)),
            Ok(_) => Err(PipelineError::OtherOwner),
            Err(_) => Err(PipelineError::OwnerId),
        },
        "team" => Ok(PipelineOwner::Team(control.team(who, &id, Right::Run).await?.id)),
        _ => Err(PipelineError::OwnerType),
    }
}

/// Those that an account may see, the oldest first; with a name, those that are called so (PIPE-2).
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account, name: Option<&str>) -> Result<Vec<Pipeline>, PipelineError> {
    let mut all = store::pipeline::visible(control.store.db(), who.id).await?;
    all.retain(|one| name.is_none_or(|name| one.name.as_str() == name));
    Ok(all)
}

/// Gives it another name; without one it stays as it is.
///
/// # Errors
/// A bad name, a pipeline that is gone.
pub async fn rename(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    name: Option<&str>,
) -> Result<Pipeline, PipelineError> {
    let mut next = Pipeline::clone(pipeline);
    if let Some(name) = name {
        next.name = name.parse()?;
    }
    if next != **pipeline {
        next.updated_at = control.now();
        let mut tx = control.store.begin().await?;
        if !store::pipeline::update(&mut tx, &next).await? {
            return Err(PipelineError::Gone);
        }
        tx.commit().await?;
    }
    Ok(next)
}

/// Removes it with its couplings and settings; its apps go on (PIPE-7).
///
/// # Errors
/// When it is gone already.
pub async fn destroy(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<(), PipelineError> {
    let mut tx = control.store.begin().await?;
    for coupling in store::pipeline_coupling::of_pipeline(tx.db(), pipeline.id).await? {
        let detail = CouplingDetail { coupling, pipeline: Pipeline::clone(pipeline) };
        pipeline_coupling::left(control, &mut tx, pipeline.by(), &detail).await?;
    }
    if !store::pipeline::delete(&mut tx, pipeline.id).await? {
        return Err(PipelineError::Gone);
    }
    Ok(tx.commit().await?)
}

/// The config vars of a stage (PIPE-12).
///
/// # Errors
/// A stage that has none.
pub async fn config_vars(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: &str,
) -> Result<ConfigVars, PipelineError> {
    Ok(store::pipeline_config_var::all(&control.store, pipeline.id, with_config_vars(stage)?).await?)
}

/// Changes them; what is set then.
///
/// # Errors
/// A stage that has none, the first bad name or value; then nothing of the change is applied.
pub async fn patch_config_vars(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: &str,
    patch: &ConfigPatch,
) -> Result<ConfigVars, PipelineError> {
    let stage = with_config_vars(stage)?;
    let mut tx = control.store.begin().await?;
    let present = store::pipeline_config_var::all_in(&mut tx, pipeline.id, stage).await?;
    let Some(vars) = apply(&present, patch)? else { return Ok(present) };
    match store::pipeline_config_var::replace(&mut tx, pipeline.id, stage, &vars).await {
        Err(error) if error.is_in_use() => return Err(PipelineError::Gone),
        other => other?,
    }
    tx.commit().await?;
    Ok(vars)
}

fn with_config_vars(stage: &str) -> Result<Stage, PipelineError> {
    let stage: Stage = stage.parse()?;
    if stage.has_config_vars() { Ok(stage) } else { Err(PipelineError::NoConfigVars(stage)) }
}

/// What test and review apps run on when app.json does not say: as the app nearest to production (PIPE-13). `None`: no app.
///
/// # Errors
/// When the database fails.
pub async fn stack(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<Option<Stack>, PipelineError> {
    let couplings = store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await?;
    let Some(last) = couplings.iter().max_by_key(|coupling| coupling.stage) else { return Ok(None) };
    Ok(store::app::by_id(control.store.db(), last.app).await?.map(|app| app.stack))
}

/// The apps of the pipeline that the caller may see (PERM-21), the oldest coupling first.
///
/// # Errors
/// When the database fails.
pub async fn apps(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<Vec<App>, PipelineError> {
    let mut apps = Vec::new();
    for coupling in store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await? {
        let Some(app) = app::by_id(control, coupling.app).await? else { continue };
        if control.permissions(pipeline.by(), &app).await?.grant(Right::View) {
            apps.push(app);
        }
    }
    Ok(apps)
}

/// The newest build of each app that has one (PIPE-14).
///
/// # Errors
/// When the database fails.
pub async fn latest_builds(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
) -> Result<Vec<BuildDetail>, PipelineError> {
    let mut all = Vec::new();
    for app in apps(control, pipeline).await? {
        if let Some(build) = store::build::latest(control.store.db(), app.id).await? {
            let by = store::account::known(control.store.db(), build.by).await?;
            all.push(BuildDetail { build, by });
        }
    }
    Ok(all)
}

/// The newest release or deployment of each app that has one (PIPE-14).
///
/// # Errors
/// When the database fails.
pub async fn latest_releases(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    which: Newest,
) -> Result<Vec<(App, ReleaseDetail)>, PipelineError> {
    let mut all = Vec::new();
    for app in apps(control, pipeline).await? {
        let newest = match which {
            Newest::Release => store::release::latest(control.store.db(), app.id).await?,
            Newest::Deployment => store::release::latest_deployment(control.store.db(), app.id).await?,
        };
        if let Some(newest) = newest {
            all.push((app, release::detail(control, newest).await?));
        }
    }
    Ok(all)
}

/// The team of an owner, where it is one.
#[must_use]
pub fn team_of(owner: PipelineOwner) -> Option<TeamId> {
    match owner {
        PipelineOwner::Team(team) => Some(team),
        PipelineOwner::User(_) => None,
    }
}
