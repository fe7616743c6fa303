//! How the gates of a pipeline's stages stand, for what could be promoted.

use crate::Control;
use crate::gate::Authorized;
use crate::stage_gate::{Candidate, GATED, StageGateError, file, locks, look, settings};
use model::app::App;
use model::permission::Right;
use model::pipeline::{Pipeline, Stage};
use model::release::Release;
use model::stage_gate::{Finding, Lock};
use model::stage_policy::StagePolicy;
use store::StoreError;

/// How the gates of a stage stand.
#[derive(Debug, Clone)]
pub struct StageBoard {
    /// Which.
    pub stage: Stage,
    /// As the settings have them.
    pub settings: StagePolicy,
    /// Its lock.
    pub lock: Option<Lock>,
    /// What is on the stage before, of the apps that the caller may see.
    pub candidates: Vec<CandidateGates>,
}

/// How they stand for one release.
#[derive(Debug, Clone)]
pub struct CandidateGates {
    /// Where it is.
    pub app: App,
    /// Which.
    pub release: Release,
    /// Of which commit.
    pub commit: Option<String>,
    /// Every gate.
    pub findings: Vec<Finding>,
}

/// Every stage with its gates, and how they stand for what could be promoted to it.
///
/// # Errors
/// When the database fails.
pub async fn board(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<Vec<StageBoard>, StageGateError> {
    let mut settings = settings(control, pipeline).await?;
    let locks = locks(control, pipeline).await?;
    let couplings = store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await?;
    let mut board = Vec::new();
    for stage in GATED {
        let mut candidates = Vec::new();
        for coupling in couplings.iter().filter(|coupling| Some(coupling.stage) == stage.before()) {
            let app = control.app(pipeline.by(), &coupling.app.to_string(), Right::View).await;
            let Ok(app) = app else { continue };
            candidates.extend(candidate(control, pipeline, stage, &app).await?);
        }
        let lock = locks.iter().find(|(of, _)| *of == stage).map(|(_, lock)| lock.clone());
        board.push(StageBoard { stage, settings: settings.remove(&stage).unwrap_or_default(), lock, candidates });
    }
    Ok(board)
}

/// What is on an app now, and how the gates of a stage stand for it; `None`: it has no code.
pub(crate) async fn candidate(
    control: &Control,
    pipeline: &Pipeline,
    stage: Stage,
    app: &App,
) -> Result<Option<CandidateGates>, StoreError> {
    let db = control.store.db();
    let Some(release) = store::release::current(db, app.id).await? else { return Ok(None) };
    let Some(slug) = release.slug else { return Ok(None) };
    let Some(slug) = store::slug::by_id(db, slug).await? else { return Ok(None) };
    let file = file(control, Some(slug.id)).await?;
    let (commit, known_since) = (slug.commit.as_deref(), slug.created_at);
    let asked = Candidate { pipeline, stage, commit, known_since, file: &file, from: Some((app, &release)) };
    let findings = look(control, &asked).await?;
    Ok(Some(CandidateGates { app: app.clone(), release, commit: slug.commit, findings }))
}
