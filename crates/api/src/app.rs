//! `/apps`: make, list, show, change, destroy.

use crate::answer::{Created, Ranged, Warned};
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
use model::stack::Stack;

pub(crate) const FIELDS: &[Field<AppDetail>] = &[
    ("name", |detail| Key::Text(detail.app.name.to_string())),
    ("id", |detail| Key::Text(detail.app.id.to_string())),
    ("updated_at", |detail| Key::Time(detail.app.updated_at)),
];

/// What whoever sends the name of the stacks' family is told.
const FAMILY: &str = "The stack `cedar` is today's stack of this server, heroku-24; send that name, or none.";

/// The warning for a stack that was named by its family.
fn family(stack: Option<&String>) -> Option<&'static str> {
    stack.filter(|stack| Stack::is_family(stack)).map(|_| FAMILY)
}

/// POST /apps - 201 with the app; with a `Warning-Message` where the stack is named `cedar`.
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
    JsonBody(body): JsonBody<CreateApp>,
) -> Result<Warned<Created<AppView>>, ApiError> {
    let text = NameOrObject::into_text;
    let (region, stack) = (body.region.map(text), body.stack.map(text));
    let warning = family(stack.as_ref());
    let new = NewApp { name: body.name, region, stack, ..NewApp::default() };
    let detail = app::create(&control, &who, new).await?;
    Ok(Warned { answer: Created(AppView::new(&detail, &links)), warning })
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
) -> Result<Warned<Json<AppView>>, ApiError> {
    let build_stack = body.build_stack.map(NameOrObject::into_text);
    let warning = family(build_stack.as_ref());
    let change = AppChange { name: body.name, maintenance: body.maintenance, build_stack };
    let detail = app::update(&control, &app, change).await?;
    Ok(Warned { answer: Json(AppView::new(&detail, &links)), warning })
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
