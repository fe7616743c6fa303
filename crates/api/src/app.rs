//! `/apps`: make, list, show, change, destroy.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::{Caller, ForApp};
use crate::range::{Field, Key};
use crate::views::app::{AppView, CreateApp, NameOrObject, UpdateApp};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use control::Control;
use control::app::{self, AppChange, AppDetail, NewApp};

pub(crate) const FIELDS: &[Field<AppDetail>] = &[
    ("name", |detail| Key::Text(detail.app.name.to_string())),
    ("id", |detail| Key::Text(detail.app.id.to_string())),
    ("updated_at", |detail| Key::Time(detail.app.updated_at)),
];

/// POST /apps - 201 with the app.
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
    JsonBody(body): JsonBody<CreateApp>,
) -> Result<Created<AppView>, ApiError> {
    let text = NameOrObject::into_text;
    let (region, stack) = (body.region.map(text), body.stack.map(text));
    let new = NewApp { name: body.name, region, stack, ..NewApp::default() };
    let detail = app::create(&control, &who, new).await?;
    Ok(Created(AppView::new(&detail, &links)))
}

/// GET /apps - those that the caller may see.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let details = app::list(&control, &who).await?;
    range.answer(details, FIELDS, |detail| AppView::new(detail, &links))
}

/// GET /apps/{app}.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
) -> Result<Json<AppView>, ApiError> {
    let detail = app::find(&control, &app).await?;
    Ok(Json(AppView::new(&detail, &links)))
}

/// PATCH /apps/{app} - 200 with the app as it is then.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    JsonBody(body): JsonBody<UpdateApp>,
) -> Result<Json<AppView>, ApiError> {
    let build_stack = body.build_stack.map(NameOrObject::into_text);
    let change = AppChange { name: body.name, maintenance: body.maintenance, build_stack };
    let detail = app::update(&control, &app, change).await?;
    Ok(Json(AppView::new(&detail, &links)))
}

/// DELETE /apps/{app} - 200 with the app as it was (CLI-20).
pub(crate) async fn destroy(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
) -> Result<Json<AppView>, ApiError> {
    let detail = app::destroy(&control, &app).await?;
    Ok(Json(AppView::new(&detail, &links)))
}
