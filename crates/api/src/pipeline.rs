//! `/pipelines`: make, list, show, rename, destroy, hand over; what their apps last did; config vars of stages.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::{Caller, ForPipeline};
use crate::range::{Field, Key};
use crate::views::build::BuildView;
use crate::views::pipeline::{
    CreatePipeline, CreatePipelineTransfer, PipelineFilter, PipelineStackView, PipelineTransferView, PipelineView,
    UpdatePipeline,
};
use crate::views::release::ReleaseView;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use control::Control;
use control::build::BuildDetail;
use control::pipeline::{self, Newest};
use control::pipeline_transfer;
use control::release::ReleaseDetail;
use model::app::App;
use model::config_var::{ConfigPatch, ConfigVars};
use model::pipeline::Pipeline;

const FIELDS: &[Field<Pipeline>] = &[
    ("id", |one| Key::Text(one.id.to_string())),
    ("name", |one| Key::Text(one.name.to_string())),
    ("created_at", |one| Key::Time(one.created_at)),
];

/// POST /pipelines - 201 with the pipeline; yours, unless `owner` names one of your teams.
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<CreatePipeline>,
) -> Result<Created<PipelineView>, ApiError> {
    let made = pipeline::create(&control, &who, &body.name, body.owner.map(Into::into)).await?;
    Ok(Created((&made).into()))
}

/// GET /pipelines - your own, your teams', and those of apps that you may see; `?eq[name]=NAME`: only those called so.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    Query(filter): Query<PipelineFilter>,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = pipeline::list(&control, &who, filter.name.as_deref()).await?;
    range.answer(all, FIELDS, |one| PipelineView::from(one))
}

/// GET /pipelines/{pipeline} - by id, or by a name that only one of yours has.
pub(crate) async fn show(ForPipeline(pipeline): ForPipeline) -> Json<PipelineView> {
    Json((&*pipeline).into())
}

/// PATCH /pipelines/{pipeline} - another name.
pub(crate) async fn update(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    JsonBody(body): JsonBody<UpdatePipeline>,
) -> Result<Json<PipelineView>, ApiError> {
    Ok(Json((&pipeline::rename(&control, &pipeline, body.name.as_deref()).await?).into()))
}

/// DELETE /pipelines/{pipeline} - 200 with the pipeline as it was; its apps go on.
pub(crate) async fn destroy(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
) -> Result<Json<PipelineView>, ApiError> {
    pipeline::destroy(&control, &pipeline).await?;
    Ok(Json((&*pipeline).into()))
}

/// POST /pipeline-transfers - hands a pipeline over, with all its apps.
pub(crate) async fn transfer(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<CreatePipelineTransfer>,
) -> Result<Created<PipelineTransferView>, ApiError> {
    let to = body.new_owner.into();
    let done = pipeline_transfer::transfer(&control, &who, &body.pipeline.into_text(), to).await?;
    Ok(Created(done.into()))
}

/// GET /pipelines/{pipeline}/stage/{stage}/config-vars - of the stages test and review.
pub(crate) async fn config_vars(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
) -> Result<Json<ConfigVars>, ApiError> {
    Ok(Json(pipeline::config_vars(&control, &pipeline, &stage).await?))
}

/// PATCH /pipelines/{pipeline}/stage/{stage}/config-vars - 200 with all of them as they are then; null removes.
pub(crate) async fn patch_config_vars(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
    JsonBody(patch): JsonBody<ConfigPatch>,
) -> Result<Json<ConfigVars>, ApiError> {
    Ok(Json(pipeline::patch_config_vars(&control, &pipeline, &stage, &patch).await?))
}

/// GET /pipelines/{pipeline}/pipeline-stack - what test and review apps run on when their app.json does not say.
pub(crate) async fn stack(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
) -> Result<Json<PipelineStackView>, ApiError> {
    Ok(Json(pipeline::stack(&control, &pipeline).await?.into()))
}

const BUILDS: &[Field<BuildDetail>] = &[("id", |one| Key::Text(one.build.id.to_string()))];

/// GET /pipelines/{pipeline}/latest-builds - the newest of each app that you may see.
pub(crate) async fn latest_builds(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = pipeline::latest_builds(&control, &pipeline).await?;
    range.answer(all, BUILDS, |one| BuildView::new(one, &links))
}

const RELEASES: &[Field<(App, ReleaseDetail)>] = &[("id", |(_, one)| Key::Text(one.release.id.to_string()))];

/// GET /pipelines/{pipeline}/latest-releases - the newest of each app that you may see.
pub(crate) async fn latest_releases(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = pipeline::latest_releases(&control, &pipeline, Newest::Release).await?;
    range.answer(all, RELEASES, |(app, one)| ReleaseView::new(app, one, &links))
}

/// GET /pipelines/{pipeline}/latest-deployments - the newest release that moved code, of each app that you may see.
pub(crate) async fn latest_deployments(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = pipeline::latest_releases(&control, &pipeline, Newest::Deployment).await?;
    range.answer(all, RELEASES, |(app, one)| ReleaseView::new(app, one, &links))
}
