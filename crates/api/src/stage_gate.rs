//! `/pipelines/{pipeline}/gates` and what opens them: locks, approvals, checks of commits.

use crate::answer::Created;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForPipeline;
use crate::views::stage_gate::{
    ApprovalsView, ApproveBody, CheckBody, CheckView, ChecksOf, LockBody, LockView, StageGatesView,
};
use axum::Json;
use axum::extract::{Path, Query, State};
use control::Control;
use control::{commit_check, stage_board, stage_gate};
use model::policy_file::GateChange;
use serde_json::Value;

/// GET /pipelines/{pipeline}/gates - of each stage: its gates as the settings have them, its lock, and how every gate stands for what is on
/// the stage before.
pub(crate) async fn board(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
) -> Result<Json<Vec<StageGatesView>>, ApiError> {
    let board = stage_board::board(&control, &pipeline).await?;
    Ok(Json(board.iter().map(StageGatesView::from).collect()))
}

/// GET /pipelines/{pipeline}/stage/{stage}/gates - the gates of one stage as the settings have them.
pub(crate) async fn show(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let stage = stage_gate::gated(&stage)?;
    let policy = stage_gate::settings(&control, &pipeline).await?.remove(&stage).unwrap_or_default();
    Ok(Json(model::policy_file::write_stage(&policy)))
}

/// PATCH /pipelines/{pipeline}/stage/{stage}/gates - changes what is named, in the shape of `flowline.yml`; null takes a gate away.
pub(crate) async fn update(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
    JsonBody(change): JsonBody<GateChange>,
) -> Result<Json<Value>, ApiError> {
    let stage = stage_gate::gated(&stage)?;
    let policy = stage_gate::change(&control, &pipeline, stage, change).await?;
    Ok(Json(model::policy_file::write_stage(&policy)))
}

/// POST /pipelines/{pipeline}/stage/{stage}/lock - 201; nothing is deployed to the stage until it is lifted.
pub(crate) async fn lock(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
    JsonBody(body): JsonBody<LockBody>,
) -> Result<Created<LockView>, ApiError> {
    let stage = stage_gate::gated(&stage)?;
    Ok(Created((&stage_gate::lock(&control, &pipeline, stage, &body.reason).await?).into()))
}

/// DELETE /pipelines/{pipeline}/stage/{stage}/lock - lifts the lock.
pub(crate) async fn unlock(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    stage_gate::unlock(&control, &pipeline, stage_gate::gated(&stage)?).await?;
    Ok(Json(Value::Object(serde_json::Map::new())))
}

/// POST /pipelines/{pipeline}/stage/{stage}/approvals - 201; your yes to what is on this app now.
pub(crate) async fn approve(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
    JsonBody(body): JsonBody<ApproveBody>,
) -> Result<Created<ApprovalsView>, ApiError> {
    let stage = stage_gate::gated(&stage)?;
    Ok(Created((&stage_gate::approve(&control, &pipeline, stage, &body.app.into_text()).await?).into()))
}

/// DELETE /pipelines/{pipeline}/stage/{stage}/approvals/{app} - takes your yes to what is on this app now back.
pub(crate) async fn disapprove(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage, app)): Path<(String, String, String)>,
) -> Result<Json<ApprovalsView>, ApiError> {
    let stage = stage_gate::gated(&stage)?;
    Ok(Json((&stage_gate::disapprove(&control, &pipeline, stage, &app).await?).into()))
}

/// POST /pipelines/{pipeline}/checks - 201; what a check says of a commit now.
pub(crate) async fn report(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    JsonBody(body): JsonBody<CheckBody>,
) -> Result<Created<CheckView>, ApiError> {
    Ok(Created((&commit_check::report(&control, &pipeline, body.into()).await?).into()))
}

/// GET /pipelines/{pipeline}/checks?commit=SHA - what every check said last of a commit.
pub(crate) async fn checks(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Query(of): Query<ChecksOf>,
) -> Result<Json<Vec<CheckView>>, ApiError> {
    let checks = commit_check::of_commit(&control, &pipeline, &of.commit).await?;
    Ok(Json(checks.iter().map(CheckView::from).collect()))
}
