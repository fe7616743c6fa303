//! `/pipeline-couplings`: which app is at which stage of which pipeline.

use crate::account;
use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::{Caller, ForApp, ForPipeline, ForTeam};
use crate::range::{Field, Key};
use crate::views::pipeline::{CouplingView, CreateCoupling, UpdateCoupling};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::pipeline_coupling::{self, CouplingDetail};

const FIELDS: &[Field<CouplingDetail>] =
    &[("id", |one| Key::Text(one.coupling.id.to_string())), ("created_at", |one| Key::Time(one.coupling.created_at))];

/// POST /pipeline-couplings - 201; asks for the right to work with the app and with the pipeline.
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<CreateCoupling>,
) -> Result<Created<CouplingView>, ApiError> {
    let (app, pipeline) = (body.app.into_text(), body.pipeline.into_text());
    let made = pipeline_coupling::create(&control, &who, &app, &pipeline, &body.stage).await?;
    Ok(Created((&made).into()))
}

fn shown(range: &Ranged, all: Vec<CouplingDetail>) -> Result<Response, ApiError> {
    range.answer(all, FIELDS, |one| CouplingView::from(one))
}

/// GET /pipeline-couplings - of all pipelines that you may see.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    range: Ranged,
) -> Result<Response, ApiError> {
    shown(&range, pipeline_coupling::visible(&control, &who).await?)
}

/// GET /users/{user}/pipeline-couplings - the same, for `~`.
pub(crate) async fn of_user(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    range: Ranged,
) -> Result<Response, ApiError> {
    account::is_self(&who, &which)?;
    shown(&range, pipeline_coupling::visible(&control, &who).await?)
}

/// GET /teams/{team}/pipeline-couplings - of all pipelines of the team.
pub(crate) async fn of_team(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    range: Ranged,
) -> Result<Response, ApiError> {
    shown(&range, pipeline_coupling::of_team(&control, &team).await?)
}

/// GET /pipelines/{pipeline}/pipeline-couplings - also of apps that you may not see; of those it tells the id only.
pub(crate) async fn of_pipeline(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    range: Ranged,
) -> Result<Response, ApiError> {
    shown(&range, pipeline_coupling::of_pipeline(&control, &pipeline).await?)
}

/// GET /apps/{app}/pipeline-couplings - the one coupling of the app; 404 when it is in no pipeline.
pub(crate) async fn of_app(
    State(control): State<Control>,
    ForApp(app): ForApp,
) -> Result<Json<CouplingView>, ApiError> {
    Ok(Json((&pipeline_coupling::of_app(&control, &app).await?).into()))
}

/// GET /pipeline-couplings/{coupling} - for whoever sees its pipeline.
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<CouplingView>, ApiError> {
    Ok(Json((&pipeline_coupling::find(&control, &who, &which).await?).into()))
}

/// PATCH /pipeline-couplings/{coupling} - moves the app to another stage.
pub(crate) async fn update(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<UpdateCoupling>,
) -> Result<Json<CouplingView>, ApiError> {
    Ok(Json((&pipeline_coupling::update(&control, &who, &which, body.stage.as_deref()).await?).into()))
}

/// DELETE /pipeline-couplings/{coupling} - takes the app out of the pipeline, and leaves it as it is.
pub(crate) async fn destroy(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<CouplingView>, ApiError> {
    Ok(Json((&pipeline_coupling::destroy(&control, &who, &which).await?).into()))
}
