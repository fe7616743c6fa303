//! `/apps/{app}/release-phase`: how long release commands may run, and whether two may run at once; and the end of one. Extensions.

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::ForApp;
use crate::views::release::ReleaseView;
use crate::views::release_phase::{PhaseView, UpdatePhase};
use axum::Json;
use axum::extract::{Path, State};
use control::{Control, release_phase};

/// GET /apps/{app}/release-phase - how its release commands run.
pub(crate) async fn show(State(control): State<Control>, ForApp(app): ForApp) -> Result<Json<PhaseView>, ApiError> {
    Ok(Json(release_phase::setting(&control, &app).await?.into()))
}

/// POST /apps/{app}/releases/{release}/actions/abort - ends a release that is not decided: its command, or its wait for it; 200 with it.
pub(crate) async fn abort(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    links: Links,
) -> Result<Json<ReleaseView>, ApiError> {
    let release = release_phase::abort(&control, &app, &which).await?;
    Ok(Json(ReleaseView::new(&app, &release, &links)))
}

/// PATCH /apps/{app}/release-phase - `timeout` in seconds, `concurrent`: two at once instead of one after the other.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<UpdatePhase>,
) -> Result<Json<PhaseView>, ApiError> {
    Ok(Json(release_phase::set(&control, &app, body.into()).await?.into()))
}
