//! `/account/keys`: public keys for git over SSH.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::Caller;
use crate::range::{Field, Key};
use crate::views::ssh_key::{AddKey, KeyView};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::{Control, ssh_key};
use model::ssh_key::SshKey;

const FIELDS: &[Field<SshKey>] = &[("id", |key| Key::Text(key.id.to_string()))];

/// GET /account/keys.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(ssh_key::list(&control, &who).await?, FIELDS, |key| KeyView::new(key, &who))
}

/// POST /account/keys - 201 with the key.
pub(crate) async fn add(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<AddKey>,
) -> Result<Created<KeyView>, ApiError> {
    Ok(Created(KeyView::new(&ssh_key::add(&control, &who, &body.public_key).await?, &who)))
}

/// GET /account/keys/{key} - by id or fingerprint.
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<KeyView>, ApiError> {
    Ok(Json(KeyView::new(&ssh_key::find(&control, &who, &which).await?, &who)))
}

/// DELETE /account/keys/{key} - 200 with the key as it was.
pub(crate) async fn remove(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<KeyView>, ApiError> {
    Ok(Json(KeyView::new(&ssh_key::remove(&control, &who, &which).await?, &who)))
}
