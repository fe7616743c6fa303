//! `/apps/{app}/log-drains`: add, list, show, remove. A drain's address holds its password: seeing the app is not enough.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::log_drain::{CreateLogDrain, LogDrainView};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::{Control, log_drain};
use model::log_drain::LogDrain;

const FIELDS: &[Field<LogDrain>] =
    &[("id", |drain| Key::Text(drain.id.to_string())), ("created_at", |drain| Key::Time(drain.created_at))];

/// POST /apps/{app}/log-drains - 201 with the drain.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<CreateLogDrain>,
) -> Result<Created<LogDrainView>, ApiError> {
    Ok(Created(LogDrainView::new(&app, &log_drain::create(&control, &app, &body.url).await?)))
}

/// GET /apps/{app}/log-drains - by id.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(log_drain::list(&control, &app).await?, FIELDS, |drain| LogDrainView::new(&app, drain))
}

/// GET /apps/{app}/log-drains/{drain} - by id, token or address.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<LogDrainView>, ApiError> {
    Ok(Json(LogDrainView::new(&app, &log_drain::find(&control, &app, &which).await?)))
}

/// DELETE /apps/{app}/log-drains/{drain} - 200 with the drain as it was (CLI-20).
pub(crate) async fn delete(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<LogDrainView>, ApiError> {
    Ok(Json(LogDrainView::new(&app, &log_drain::delete(&control, &app, &which).await?)))
}
