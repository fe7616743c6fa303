//! How a pipeline tests: whether what is pushed to its apps is tested first, and for how long.

use crate::gate::Authorized;
use crate::{Control, alarm};
use model::alarm::AlarmKind;
use model::id::{AppId, PipelineId};
use model::pipeline::Pipeline;
use model::pipeline_coupling::PipelineCoupling;
use model::stack::Stack;
use model::test_run::{BadTimeLimit, TestGate};
use store::StoreError;

/// Why the setting is not changed.
#[derive(Debug, thiserror::Error)]
pub enum TestGateError {
    /// Too short or too long.
    #[error(transparent)]
    TimeLimit(#[from] BadTimeLimit),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How it tests.
///
/// # Errors
/// When the database fails.
pub async fn show(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<TestGate, TestGateError> {
    Ok(store::test_gate::find(control.store.db(), pipeline.id).await?)
}

/// How it tests from the next push on; what is not said stays.
///
/// # Errors
/// [`TestGateError::TimeLimit`].
pub async fn update(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    enabled: Option<bool>,
    time_limit_s: Option<u64>,
) -> Result<TestGate, TestGateError> {
    let mut tx = control.store.begin().await?;
    let gate = store::test_gate::find(tx.db(), pipeline.id).await?.with(enabled, time_limit_s)?;
    store::test_gate::set(&mut tx, pipeline.id, gate).await?;
    if !gate.enabled {
        for coupling in store::pipeline_coupling::of_pipeline(tx.db(), pipeline.id).await? {
            let why = "What is pushed is not tested any more";
            alarm::moot(control, &mut tx, coupling.app, &[AlarmKind::Test], why).await?;
        }
    }
    tx.commit().await?;
    Ok(gate)
}

/// The pipeline of an app whose pushes are tested, and how; `None` where they are not.
pub(crate) async fn of_app(control: &Control, app: AppId) -> Result<Option<(Pipeline, TestGate)>, StoreError> {
    let db = control.store.db();
    let Some(coupling) = store::pipeline_coupling::of_app(db, app).await? else { return Ok(None) };
    let gate = store::test_gate::find(db, coupling.pipeline).await?;
    if !gate.enabled {
        return Ok(None);
    }
    Ok(store::pipeline::by_id(db, coupling.pipeline).await?.map(|pipeline| (pipeline, gate)))
}

/// What a run stands on that no push began: stack and packs of the app that its code would come to first.
pub(crate) async fn ground(control: &Control, pipeline: PipelineId) -> Result<(Stack, Vec<String>), StoreError> {
    let db = control.store.db();
    let couplings = store::pipeline_coupling::of_pipeline(db, pipeline).await?;
    let Some(first) = first_app(&couplings) else { return Ok((Stack::default(), Vec::new())) };
    let stack = store::app::by_id(db, first).await?.map(|app| app.stack).unwrap_or_default();
    // Tests run on a stack that has languages; whose app runs images tests its code here all the same.
    let stack = if stack.is_container() { Stack::default() } else { stack };
    Ok((stack, buildpacks(control, first).await?))
}

/// The app that code of a pipeline comes to first.
pub(crate) fn first_app(couplings: &[PipelineCoupling]) -> Option<AppId> {
    couplings.iter().min_by_key(|one| one.stage).map(|one| one.app)
}

/// The packs that somebody chose for an app.
pub(crate) async fn buildpacks(control: &Control, app: AppId) -> Result<Vec<String>, StoreError> {
    let installed = store::buildpack_installation::list(control.store.db(), app).await?;
    Ok(installed.iter().map(ToString::to_string).collect())
}
