//! `/telemetry-drains`: add, list, show, change, remove. A drain's headers are its receiver's keys: seeing the app is not enough.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::{By, Caller, ForApp, code};
use crate::range::{Field, Key};
use crate::views::telemetry_drain::{CreateTelemetryDrain, TelemetryDrainView, UpdateTelemetryDrain};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use control::{Control, second_factor, telemetry_drain};
use model::permission::Right;
use model::telemetry_drain::TelemetryDrain;

const FIELDS: &[Field<TelemetryDrain>] =
    &[("id", |drain| Key::Text(drain.id.to_string())), ("created_at", |drain| Key::Time(drain.created_at))];

/// POST /telemetry-drains - of an app that the account may operate; 201 with the drain.
pub(crate) async fn create(
    State(control): State<Control>,
    by: By,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CreateTelemetryDrain>,
) -> Result<Created<TelemetryDrainView>, ApiError> {
    let (app, wish) = body.for_app().ok_or_else(|| ApiError::not_found("space"))?;
    let app = control.app(by.account(), &app, Right::Operate).await?;
    second_factor::ask(&control, &app, &by.entry, code(&headers).as_deref()).await?;
    Ok(Created((&telemetry_drain::create(&control, &app, wish).await?).into()))
}

/// GET /apps/{app}/telemetry-drains - oldest first.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(telemetry_drain::list(&control, &app).await?, FIELDS, |drain| TelemetryDrainView::from(drain))
}

/// GET /telemetry-drains/{telemetry_drain} - by id; asks for the right to operate its app.
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<TelemetryDrainView>, ApiError> {
    Ok(Json((&telemetry_drain::find(&control, &who, &id).await?.1).into()))
}

/// PATCH /telemetry-drains/{telemetry_drain} - what is absent stays; `headers` are replaced as a whole. Asks for the right to operate
/// its app.
pub(crate) async fn update(
    State(control): State<Control>,
    by: By,
    headers: HeaderMap,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<UpdateTelemetryDrain>,
) -> Result<Json<TelemetryDrainView>, ApiError> {
    let (app, drain) = telemetry_drain::find(&control, by.account(), &id).await?;
    second_factor::ask(&control, &app, &by.entry, code(&headers).as_deref()).await?;
    Ok(Json((&telemetry_drain::update(&control, &app, drain, body.into()).await?).into()))
}

/// DELETE /telemetry-drains/{telemetry_drain} - 200 with the drain as it was (CLI-20); asks for the right to operate its app.
pub(crate) async fn delete(
    State(control): State<Control>,
    by: By,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<TelemetryDrainView>, ApiError> {
    let (app, drain) = telemetry_drain::find(&control, by.account(), &id).await?;
    second_factor::ask(&control, &app, &by.entry, code(&headers).as_deref()).await?;
    telemetry_drain::delete(&control, &app, &drain).await?;
    Ok(Json((&drain).into()))
}
