//! `/apps/{app}/collaborators`, and the same under `/teams/apps`: who may use an app.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::collaborator::{AddCollaborator, CollaboratorView, UpdateCollaborator};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::collaborator::{self, Access};

const FIELDS: &[Field<Access>] =
    &[("email", |access| Key::Text(access.account.email.clone())), ("id", |access| Key::Text(access.id.to_string()))];

/// GET /apps/{app}/collaborators - the owner too.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = collaborator::list(&control, &app).await?;
    range.answer(all, FIELDS, |access| CollaboratorView::new(access, &app))
}

/// POST /apps/{app}/collaborators - 201 with the new one.
pub(crate) async fn add(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<AddCollaborator>,
) -> Result<Created<CollaboratorView>, ApiError> {
    let added = collaborator::add(&control, &app, &body.user.into_text(), body.permissions).await?;
    Ok(Created(CollaboratorView::new(&added, &app)))
}

/// GET /apps/{app}/collaborators/{collaborator} - by id or e-mail.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<CollaboratorView>, ApiError> {
    Ok(Json(CollaboratorView::new(&collaborator::find(&control, &app, &which).await?, &app)))
}

/// PATCH /teams/apps/{app}/collaborators/{collaborator} - what they may do.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    JsonBody(body): JsonBody<UpdateCollaborator>,
) -> Result<Json<CollaboratorView>, ApiError> {
    let next = collaborator::update(&control, &app, &which, body.permissions).await?;
    Ok(Json(CollaboratorView::new(&next, &app)))
}

/// DELETE /apps/{app}/collaborators/{collaborator} - 200 with what it was.
pub(crate) async fn remove(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<CollaboratorView>, ApiError> {
    Ok(Json(CollaboratorView::new(&collaborator::remove(&control, &app, &which).await?, &app)))
}
