//! `/apps/{app}/features`: list, show, switch; and the account's own, of which there are none.

use crate::answer::Ranged;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::feature::{FeatureView, UpdateFeature};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::{Control, feature};
use model::feature::AppFeature;

const FIELDS: &[Field<AppFeature>] = &[
    ("name", |entry| Key::Text(entry.feature.word().to_owned())),
    ("id", |entry| Key::Text(entry.feature.id().to_string())),
];

/// GET /account/features - none: `labs` asks for them before it asks for the app's. One by name is 404, so that
/// `labs:enable -a` goes on to the app (there is no such path).
pub(crate) async fn of_account() -> Json<[FeatureView; 0]> {
    Json([])
}

/// GET /apps/{app}/features - by name.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(feature::list(&control, &app).await?, FIELDS, |entry| FeatureView::from(entry))
}

/// GET /apps/{app}/features/{feature} - by name or id.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<FeatureView>, ApiError> {
    Ok(Json((&feature::find(&control, &app, &which).await?).into()))
}

/// PATCH /apps/{app}/features/{feature} - on or off; 200 with the feature as it is then.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    JsonBody(body): JsonBody<UpdateFeature>,
) -> Result<Json<FeatureView>, ApiError> {
    Ok(Json((&feature::switch(&control, &app, &which, body.enabled).await?).into()))
}
