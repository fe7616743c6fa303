//! `/apps/{app}/buildpack-installations`: list, replace.

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::views::buildpack_installation::{BuildpackInstallationView, UpdateBuildpacks};
use axum::Json;
use axum::extract::State;
use control::{Control, buildpack_installation};
use model::buildpack::Buildpack;

/// GET /apps/{app}/buildpack-installations - in the order in which they run.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
) -> Result<Json<Vec<BuildpackInstallationView>>, ApiError> {
    Ok(Json(views(&buildpack_installation::list(&control, &app).await?)))
}

/// PUT /apps/{app}/buildpack-installations - all of them anew; 200 with the list.
pub(crate) async fn replace(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<UpdateBuildpacks>,
) -> Result<Json<Vec<BuildpackInstallationView>>, ApiError> {
    let packs: Vec<String> = body.updates.into_iter().map(|update| update.buildpack).collect();
    Ok(Json(views(&buildpack_installation::replace(&control, &app, &packs).await?)))
}

fn views(packs: &[Buildpack]) -> Vec<BuildpackInstallationView> {
    packs.iter().enumerate().map(|(ordinal, pack)| BuildpackInstallationView::new(ordinal, pack.as_str())).collect()
}
