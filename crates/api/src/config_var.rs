//! `/apps/{app}/config-vars`: read and change.

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use axum::Json;
use axum::extract::{Path, State};
use control::Control;
use control::{config_var, release};
use model::config_var::{ConfigPatch, ConfigVars};

/// GET /apps/{app}/config-vars.
pub(crate) async fn show(State(control): State<Control>, ForApp(app): ForApp) -> Result<Json<ConfigVars>, ApiError> {
    Ok(Json(config_var::get(&control, &app).await?))
}

/// PATCH /apps/{app}/config-vars - 200 with all of them as they are then (CONF-1).
pub(crate) async fn patch(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(patch): JsonBody<ConfigPatch>,
) -> Result<Json<ConfigVars>, ApiError> {
    let (vars, _release) = config_var::patch(&control, &app, &patch).await?;
    Ok(Json(vars))
}

/// GET /apps/{app}/releases/{release}/config-vars (RLS-6).
pub(crate) async fn of_release(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<ConfigVars>, ApiError> {
    Ok(Json(release::config_vars(&control, &app, &which).await?))
}
