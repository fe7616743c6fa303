//! `/apps/{app}/config-vars`: read and change.

use crate::answer::Warned;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::release::release_command;
use crate::views::config_var::{HideConfigVars, WriteOnlyView};
use axum::Json;
use axum::extract::{Path, State};
use control::Control;
use control::{config_var, release};
use model::config_var::{ConfigPatch, ConfigVars};

/// GET /apps/{app}/config-vars.
pub(crate) async fn show(State(control): State<Control>, ForApp(app): ForApp) -> Result<Json<ConfigVars>, ApiError> {
    Ok(Json(config_var::get(&control, &app).await?))
}

/// PATCH /apps/{app}/config-vars - 200 with all of them as they are then (CONF-1), and with a `Warning-Message` when their release
/// waits for its release command (RELPH-46a).
pub(crate) async fn patch(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(patch): JsonBody<ConfigPatch>,
) -> Result<Warned<Json<ConfigVars>>, ApiError> {
    let (vars, made) = config_var::patch(&control, &app, patch).await?;
    Ok(Warned { answer: Json(vars), warning: made.as_ref().and_then(release_command) })
}

/// GET /apps/{app}/config-vars/write-only - the names whose values are never shown.
pub(crate) async fn write_only(
    State(control): State<Control>,
    ForApp(app): ForApp,
) -> Result<Json<WriteOnlyView>, ApiError> {
    Ok(Json(WriteOnlyView { names: config_var::write_only(&control, &app).await? }))
}

/// PATCH /apps/{app}/config-vars/write-only - hides more of them for good; 200 with all that are hidden.
pub(crate) async fn hide(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<HideConfigVars>,
) -> Result<Json<WriteOnlyView>, ApiError> {
    Ok(Json(WriteOnlyView { names: config_var::hide(&control, &app, &body.names).await? }))
}

/// GET /apps/{app}/releases/{release}/config-vars (RLS-6).
pub(crate) async fn of_release(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<ConfigVars>, ApiError> {
    Ok(Json(release::config_vars(&control, &app, &which).await?))
}
