//! `/apps/{app}/release-phase`: how long release commands may run, and whether two may run at once. An extension.

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::views::release_phase::{PhaseView, UpdatePhase};
use axum::Json;
use axum::extract::State;
use control::{Control, release_phase};

/// GET /apps/{app}/release-phase - how its release commands run.
pub(crate) async fn show(State(control): State<Control>, ForApp(app): ForApp) -> Result<Json<PhaseView>, ApiError> {
    Ok(Json(release_phase::setting(&control, &app).await?.into()))
}

/// PATCH /apps/{app}/release-phase - `timeout` in seconds, `concurrent`: two at once instead of one after the other.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<UpdatePhase>,
) -> Result<Json<PhaseView>, ApiError> {
    Ok(Json(release_phase::set(&control, &app, body.into()).await?.into()))
}
