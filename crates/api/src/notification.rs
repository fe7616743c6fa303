//! `notification-routes` of an app, of a pipeline and of the server: who is told of which alarms; `alarms` and `notices`: what is
//! broken, and what was told of it.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::{ForApp, ForPipeline};
use crate::range::{Field, Key};
use crate::views::notification::{AlarmView, CreateRoute, MadeRouteView, NoticeView, RouteView};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::{Control, alarm, drill, notification_route};
use model::alarm::Alarm;
use model::notice::Notice;
use model::notification_route::NotificationRoute;

const FIELDS: &[Field<NotificationRoute>] =
    &[("created_at", |route| Key::Text(route.created_at.log_time())), ("id", |route| Key::Text(route.id.to_string()))];

const ALARM_FIELDS: &[Field<Alarm>] = &[("kind", |alarm| Key::Text(format!("{} {}", alarm.key.kind, alarm.key.thing)))];

const NOTICE_FIELDS: &[Field<Notice>] =
    &[("seq", |notice| Key::Number(notice.sequence)), ("id", |notice| Key::Text(notice.id.to_string()))];

/// POST /apps/{app}/notification-routes - 201; the secret of a route to a webhook is told only here.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<CreateRoute>,
) -> Result<Created<MadeRouteView>, ApiError> {
    let (route, secret) = notification_route::create(&control, &app, body.into()).await?;
    Ok(Created(MadeRouteView::new(&route, secret)))
}

/// GET /apps/{app}/notification-routes - those of the app alone.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(notification_route::list(&control, &app).await?, FIELDS, |route| RouteView::from(route))
}

/// GET /apps/{app}/notification-routes/{route}.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<RouteView>, ApiError> {
    Ok(Json((&notification_route::show(&control, &app, &which).await?).into()))
}

/// DELETE /apps/{app}/notification-routes/{route} - 200 with the route as it was.
pub(crate) async fn destroy(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<RouteView>, ApiError> {
    Ok(Json((&notification_route::delete(&control, &app, &which).await?).into()))
}

/// POST /apps/{app}/notification-routes/{route}/actions/test - 201 with the notices that are on their way.
pub(crate) async fn test(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Created<Vec<NoticeView>>, ApiError> {
    let notices = drill::test(&control, &app, &which).await?;
    Ok(Created(notices.iter().map(NoticeView::from).collect()))
}

/// POST /apps/{app}/alarms/actions/drill - tells a drill by every route that the app's alarms can take; 201 with the notices that are
/// on their way.
pub(crate) async fn drill(
    State(control): State<Control>,
    ForApp(app): ForApp,
) -> Result<Created<Vec<NoticeView>>, ApiError> {
    let notices = drill::drill(&control, &app).await?;
    Ok(Created(notices.iter().map(NoticeView::from).collect()))
}

/// GET /apps/{app}/alarms - what is broken, the oldest first.
pub(crate) async fn alarms(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(
        alarm::list(&control, &app).await.map_err(|error| ApiError::internal(&error))?,
        ALARM_FIELDS,
        |alarm| AlarmView::from(alarm),
    )
}

/// GET /apps/{app}/notices - what was told of the app's alarms, to whom, and whether it was taken.
pub(crate) async fn notices(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(notification_route::notices(&control, &app).await?, NOTICE_FIELDS, |notice| NoticeView::from(notice))
}

/// POST /pipelines/{pipeline}/notification-routes - for the alarms of its apps; 201.
pub(crate) async fn create_for_pipeline(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    JsonBody(body): JsonBody<CreateRoute>,
) -> Result<Created<MadeRouteView>, ApiError> {
    let (route, secret) = notification_route::create_for_pipeline(&control, &pipeline, body.into()).await?;
    Ok(Created(MadeRouteView::new(&route, secret)))
}

/// GET /pipelines/{pipeline}/notification-routes - those of the pipeline alone.
pub(crate) async fn list_of_pipeline(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    range: Ranged,
) -> Result<Response, ApiError> {
    let routes = notification_route::list_of_pipeline(&control, &pipeline).await?;
    range.answer(routes, FIELDS, |route| RouteView::from(route))
}

/// DELETE /pipelines/{pipeline}/notification-routes/{route} - 200 with the route as it was.
pub(crate) async fn destroy_of_pipeline(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<RouteView>, ApiError> {
    Ok(Json((&notification_route::delete_of_pipeline(&control, &pipeline, &which).await?).into()))
}

/// POST /notification-routes - for the alarms of every app; 201.
pub(crate) async fn create_for_server(
    State(control): State<Control>,
    JsonBody(body): JsonBody<CreateRoute>,
) -> Result<Created<MadeRouteView>, ApiError> {
    let (route, secret) = notification_route::create_for_server(&control, body.into()).await?;
    Ok(Created(MadeRouteView::new(&route, secret)))
}

/// GET /notification-routes - those of every app.
pub(crate) async fn list_of_server(State(control): State<Control>, range: Ranged) -> Result<Response, ApiError> {
    range.answer(notification_route::list_of_server(&control).await?, FIELDS, |route| RouteView::from(route))
}

/// DELETE /notification-routes/{route} - 200 with the route as it was.
pub(crate) async fn destroy_of_server(
    State(control): State<Control>,
    Path(which): Path<String>,
) -> Result<Json<RouteView>, ApiError> {
    Ok(Json((&notification_route::delete_of_server(&control, &which).await?).into()))
}
