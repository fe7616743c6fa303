//! `/apps/{app}/formation/{type}/monitors`: what scales an app by itself; a service beside the platform's API (`api.metrics`), answered
//! at the same place.

use crate::answer::Created;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::views::monitor::{MonitorView, MonitorWish};
use axum::Json;
use axum::extract::{Path, State};
use control::{Control, monitor};

/// GET /apps/{app}/formation/{type}/monitors - one at most.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, process_type)): Path<(String, String)>,
) -> Result<Json<Vec<MonitorView>>, ApiError> {
    let monitors = monitor::list(&control, &app, &process_type).await?;
    Ok(Json(monitors.iter().map(|monitor| MonitorView::new(&app, monitor)).collect()))
}

/// POST /apps/{app}/formation/{type}/monitors - of `web` only: `{min_quantity, max_quantity, value}`, a p95 in milliseconds; 201.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, process_type)): Path<(String, String)>,
    JsonBody(body): JsonBody<MonitorWish>,
) -> Result<Created<MonitorView>, ApiError> {
    let monitor = monitor::create(&control, &app, &process_type, &body.into()).await?;
    Ok(Created(MonitorView::new(&app, &monitor)))
}

/// GET /apps/{app}/formation/{type}/monitors/{monitor}.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, process_type, id)): Path<(String, String, String)>,
) -> Result<Json<MonitorView>, ApiError> {
    let monitor = monitor::find(&control, &app, &process_type, &id).await?;
    Ok(Json(MonitorView::new(&app, &monitor)))
}

/// PATCH /apps/{app}/formation/{type}/monitors/{monitor} - `{is_active: false}` ends it; what is absent stays.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, process_type, id)): Path<(String, String, String)>,
    JsonBody(body): JsonBody<MonitorWish>,
) -> Result<Json<MonitorView>, ApiError> {
    let monitor = monitor::update(&control, &app, &process_type, &id, &body.into()).await?;
    Ok(Json(MonitorView::new(&app, &monitor)))
}
