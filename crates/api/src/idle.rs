//! `/apps/{app}/sleep`: after what time an app sleeps, put it to sleep, wake it. Extensions.

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::views::idle::{FallAsleep, SleepView, UpdateSleep};
use axum::Json;
use axum::extract::State;
use control::{Control, idle};
use model::idle::Depth;

/// GET /apps/{app}/sleep.
pub(crate) async fn show(State(control): State<Control>, ForApp(app): ForApp) -> Result<Json<SleepView>, ApiError> {
    Ok(Json(idle::show(&control, &app).await?.into()))
}

/// PATCH /apps/{app}/sleep - minutes, or null for never.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<UpdateSleep>,
) -> Result<Json<SleepView>, ApiError> {
    Ok(Json(idle::set(&control, &app, body.sleep_after).await?.into()))
}

/// POST /apps/{app}/actions/sleep - at once; 409 while requests are being answered.
pub(crate) async fn sleep(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<FallAsleep>,
) -> Result<Json<SleepView>, ApiError> {
    let depth = if body.stop { Depth::Stopped } else { Depth::Frozen };
    Ok(Json(idle::sleep(&control, &app, depth).await?.into()))
}

/// POST /apps/{app}/actions/wake.
pub(crate) async fn wake(State(control): State<Control>, ForApp(app): ForApp) -> Result<Json<SleepView>, ApiError> {
    Ok(Json(idle::wake(&control, &app).await?.into()))
}
