//! Couplings: which app is at which stage of which pipeline.

use crate::event::{self, Change, Resource};
use crate::gate::{Authorized, GateError};
use crate::{Control, alarm, pipeline};
use model::account::Account;
use model::alarm::AlarmKind;
use model::app::{App, AppName};
use model::id::PipelineCouplingId;
use model::permission::Right;
use model::pipeline::{NoSuchStage, Pipeline, PipelineName};
use model::pipeline_coupling::PipelineCoupling;
use store::{StoreError, Tx};

/// Apps of one pipeline: as many as an account has.
pub const COUPLING_LIMIT: usize = 1000;

/// Why an app is not put into a pipeline, moved or taken out.
#[derive(Debug, thiserror::Error)]
pub enum CouplingError {
    /// PIPE-5.
    #[error("{0} is in no pipeline; `flowline pipelines:add PIPELINE -a {0}` puts it into one")]
    Uncoupled(AppName),
    /// No such coupling, or one of a pipeline that the caller may not see.
    #[error("Couldn't find that pipeline coupling.")]
    NoSuchCoupling,
    /// PIPE-5, CLI-39.
    #[error("{app} is already in a pipeline ({pipeline}); take it out first: `flowline pipelines:remove -a {app}`")]
    Already {
        /// The app.
        app: AppName,
        /// Where it is.
        pipeline: PipelineName,
    },
    /// Too many.
    #[error("A pipeline has at most {COUPLING_LIMIT} apps; take one out first")]
    TooMany,
    /// PIPE-3.
    #[error(transparent)]
    Stage(#[from] NoSuchStage),
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A coupling with its pipeline.
#[derive(Debug, Clone)]
pub struct CouplingDetail {
    /// The coupling.
    pub coupling: PipelineCoupling,
    /// Its pipeline.
    pub pipeline: Pipeline,
}

/// Puts an app into a pipeline (PIPE-6).
///
/// # Errors
/// An app that is in one, an unknown stage, no right to the app or the pipeline.
pub async fn create(
    control: &Control,
    who: &Account,
    app: &str,
    pipeline: &str,
    stage: &str,
) -> Result<CouplingDetail, CouplingError> {
    let pipeline = control.pipeline(who, pipeline, Right::Run).await?;
    let app = control.app(who, app, Right::Run).await?;
    let now = control.now();
    let coupling = PipelineCoupling {
        id: control.world.new_id(),
        pipeline: pipeline.id,
        app: app.id,
        stage: stage.parse()?,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    if let Some(other) = store::pipeline_coupling::of_app(tx.db(), app.id).await? {
        let of = store::pipeline::by_id(tx.db(), other.pipeline).await?;
        let name = of.map_or_else(|| pipeline.name.clone(), |of| of.name);
        return Err(CouplingError::Already { app: app.name.clone(), pipeline: name });
    }
    let detail =
        insert(control, &mut tx, who, &app, CouplingDetail { coupling, pipeline: Pipeline::clone(&pipeline) }).await?;
    tx.commit().await?;
    Ok(detail)
}

/// The same as part of a larger change, for an app that is in no pipeline.
pub(crate) async fn insert(
    control: &Control,
    tx: &mut Tx,
    who: &Account,
    app: &App,
    detail: CouplingDetail,
) -> Result<CouplingDetail, CouplingError> {
    if store::pipeline_coupling::of_pipeline(tx.db(), detail.pipeline.id).await?.len() >= COUPLING_LIMIT {
        return Err(CouplingError::TooMany);
    }
    match store::pipeline_coupling::insert(tx, &detail.coupling).await {
        // Somebody destroyed one of the two meanwhile.
        Err(error) if error.is_in_use() => return Err(GateError::NoSuchPipeline.into()),
        other => other?,
    }
    event::note(control, tx, who.id, &Change::create(Resource::PipelineCoupling(app, &detail))).await?;
    Ok(detail)
}

/// Those of a pipeline, the oldest first; also of apps that the caller may not see, who are told as ids (PERM-21).
///
/// # Errors
/// When the database fails.
pub async fn of_pipeline(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
) -> Result<Vec<CouplingDetail>, CouplingError> {
    let all = store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await?;
    let detail = |coupling| CouplingDetail { coupling, pipeline: Pipeline::clone(pipeline) };
    Ok(all.into_iter().map(detail).collect())
}

/// Those of all these pipelines.
///
/// # Errors
/// When the database fails.
pub async fn of_pipelines(control: &Control, all: Vec<Pipeline>) -> Result<Vec<CouplingDetail>, CouplingError> {
    let mut couplings = Vec::new();
    for pipeline in all {
        for coupling in store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await? {
            couplings.push(CouplingDetail { coupling, pipeline: pipeline.clone() });
        }
    }
    Ok(couplings)
}

/// The one of an app (PIPE-5).
///
/// # Errors
/// [`CouplingError::Uncoupled`].
pub async fn of_app(control: &Control, app: &Authorized<App>) -> Result<CouplingDetail, CouplingError> {
    let uncoupled = || CouplingError::Uncoupled(app.name.clone());
    let coupling = store::pipeline_coupling::of_app(control.store.db(), app.id).await?.ok_or_else(uncoupled)?;
    let pipeline = store::pipeline::by_id(control.store.db(), coupling.pipeline).await?.ok_or_else(uncoupled)?;
    Ok(CouplingDetail { coupling, pipeline })
}

/// One by id, for whoever sees its pipeline.
///
/// # Errors
/// [`CouplingError::NoSuchCoupling`].
pub async fn find(control: &Control, who: &Account, which: &str) -> Result<CouplingDetail, CouplingError> {
    Ok(open(control, who, which).await?.0)
}

async fn open(
    control: &Control,
    who: &Account,
    which: &str,
) -> Result<(CouplingDetail, Authorized<Pipeline>), CouplingError> {
    let id = which.parse::<PipelineCouplingId>().map_err(|_| CouplingError::NoSuchCoupling)?;
    let found = store::pipeline_coupling::by_id(control.store.db(), id).await?;
    let coupling = found.ok_or(CouplingError::NoSuchCoupling)?;
    let pipeline = control.pipeline(who, &coupling.pipeline.to_string(), Right::View).await;
    let pipeline = pipeline.map_err(|error| match error {
        GateError::NoSuchPipeline => CouplingError::NoSuchCoupling,
        error => error.into(),
    })?;
    Ok((CouplingDetail { coupling, pipeline: Pipeline::clone(&pipeline) }, pipeline))
}

/// Moves an app to another stage; without one it stays.
///
/// # Errors
/// An unknown stage, no right to the pipeline.
pub async fn update(
    control: &Control,
    who: &Account,
    which: &str,
    stage: Option<&str>,
) -> Result<CouplingDetail, CouplingError> {
    let (mut detail, pipeline) = open(control, who, which).await?;
    if !pipeline.allows(Right::Run) {
        return Err(GateError::lacks_pipeline(&pipeline, Right::Run).into());
    }
    let stage = stage.map_or(Ok(detail.coupling.stage), str::parse)?;
    if stage != detail.coupling.stage {
        let before = detail.clone();
        (detail.coupling.stage, detail.coupling.updated_at) = (stage, control.now());
        let mut tx = control.store.begin().await?;
        if !store::pipeline_coupling::update(&mut tx, &detail.coupling).await? {
            return Err(CouplingError::NoSuchCoupling);
        }
        if let Some(app) = store::app::by_id(tx.db(), detail.coupling.app).await? {
            let place = |detail| Resource::PipelineCoupling(&app, detail);
            event::note(control, &mut tx, who.id, &Change::update(place(&before), place(&detail))).await?;
        }
        tx.commit().await?;
    }
    Ok(detail)
}

/// Takes an app out, which never touches it (PIPE-6): for who runs the pipeline, and for who manages the app.
///
/// # Errors
/// No right to either.
pub async fn destroy(control: &Control, who: &Account, which: &str) -> Result<CouplingDetail, CouplingError> {
    let (detail, pipeline) = open(control, who, which).await?;
    let theirs = control.app(who, &detail.coupling.app.to_string(), Right::Manage).await.is_ok();
    if !pipeline.allows(Right::Run) && !theirs {
        return Err(GateError::lacks_pipeline(&pipeline, Right::Run).into());
    }
    let mut tx = control.store.begin().await?;
    left(control, &mut tx, who, &detail).await?;
    if !store::pipeline_coupling::delete(&mut tx, detail.coupling.id).await? {
        return Err(CouplingError::NoSuchCoupling);
    }
    tx.commit().await?;
    Ok(detail)
}

/// An app is taken out of its pipeline, as part of that: an event, and what only a pipeline can break is broken no more.
pub(crate) async fn left(
    control: &Control,
    tx: &mut Tx,
    who: &Account,
    detail: &CouplingDetail,
) -> Result<(), StoreError> {
    let Some(app) = store::app::by_id(tx.db(), detail.coupling.app).await? else { return Ok(()) };
    event::note(control, tx, who.id, &Change::destroy(Resource::PipelineCoupling(&app, detail))).await?;
    let kinds = [AlarmKind::Test, AlarmKind::Promotion, AlarmKind::Gate];
    let why = format!("{} left the pipeline {}", app.name, detail.pipeline.name);
    alarm::moot(control, tx, app.id, &kinds, &why).await
}

/// Those of all pipelines that an account may see.
///
/// # Errors
/// When the database fails.
pub async fn visible(control: &Control, who: &Account) -> Result<Vec<CouplingDetail>, CouplingError> {
    let all = store::pipeline::visible(control.store.db(), who.id).await?;
    of_pipelines(control, all).await
}

/// Those of all pipelines of a team.
///
/// # Errors
/// When the database fails.
pub async fn of_team(
    control: &Control,
    team: &Authorized<model::team::Team>,
) -> Result<Vec<CouplingDetail>, CouplingError> {
    let mut all = store::pipeline::visible(control.store.db(), team.by().id).await?;
    all.retain(|one| pipeline::team_of(one.owner) == Some(team.id));
    of_pipelines(control, all).await
}
