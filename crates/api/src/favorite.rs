//! `/favorites`: apps that somebody keeps at hand; a service beside the platform's API, answered at the same place.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::Caller;
use crate::range::{Field, Key};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::{Control, favorite};
use model::app::App;
use model::favorite::Favorite;
use model::id::{AppId, FavoriteId};
use model::permission::Right;
use serde::{Deserialize, Serialize};

type Marked = (Favorite, App);

const FIELDS: &[Field<Marked>] = &[
    ("created_at", |(favorite, _)| Key::Time(favorite.created_at)),
    ("id", |(favorite, _)| Key::Text(favorite.id.to_string())),
];

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct FavoriteView {
    id: FavoriteId,
    #[serde(rename = "type")]
    kind: &'static str,
    resource_id: AppId,
    resource_name: String,
    created_at: String,
}

/// Body of `POST /favorites`; its `type` can only be `app`.
#[derive(Debug, Deserialize)]
pub(crate) struct AddFavorite {
    resource_id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl From<&Marked> for FavoriteView {
    fn from((favorite, app): &Marked) -> Self {
        Self {
            id: favorite.id,
            kind: "app",
            resource_id: app.id,
            resource_name: app.name.to_string(),
            created_at: favorite.created_at.rfc3339(),
        }
    }
}

/// GET /favorites - one's own, of the apps that one sees, the oldest first.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(favorite::list(&control, &who).await?, FIELDS, |marked| FavoriteView::from(marked))
}

/// POST /favorites - 201; `resource_id` is an app's name or id.
pub(crate) async fn add(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<AddFavorite>,
) -> Result<Created<FavoriteView>, ApiError> {
    if body.kind.is_some_and(|kind| kind != "app") {
        return Err(ApiError::invalid_params("Only apps can be favorites: `type` is `app`"));
    }
    let app = control.app(&who, &body.resource_id, Right::View).await?;
    Ok(Created((&favorite::add(&control, &who, &app).await?).into()))
}

/// DELETE /favorites/{favorite} - 200 with what it was.
pub(crate) async fn remove(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<FavoriteView>, ApiError> {
    Ok(Json((&favorite::remove(&control, &who, &which).await?).into()))
}
