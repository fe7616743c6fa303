//! `/apps/{app}/formation`: list, show, scale.

use crate::answer::Ranged;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::formation::{FormationUpdate, FormationView, UpdateFormation};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::formation::{self, Change, FormationDetail};

const FIELDS: &[Field<FormationDetail>] = &[
    ("type", |detail| Key::Text(detail.entry.process_type.to_string())),
    ("id", |detail| Key::Text(detail.entry.id.to_string())),
];

/// GET /apps/{app}/formation.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    let details = formation::list(&control, &app).await?;
    range.answer(details, FIELDS, |detail| FormationView::new(&app, detail))
}

/// GET /apps/{app}/formation/{type} - by process type or id.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<FormationView>, ApiError> {
    let detail = formation::find(&control, &app, &which).await?;
    Ok(Json(FormationView::new(&app, &detail)))
}

/// PATCH /apps/{app}/formation - several types at once, all or none (DYNO-10); 200 with the whole formation.
pub(crate) async fn batch(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<UpdateFormation>,
) -> Result<Json<Vec<FormationView>>, ApiError> {
    let changes: Vec<Change> = body.updates.iter().map(|update| change(update, &update.process_type)).collect();
    let details = formation::patch(&control, &app, &changes).await?;
    Ok(Json(details.iter().map(|detail| FormationView::new(&app, detail)).collect()))
}

/// PATCH /apps/{app}/formation/{type} - one type.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    JsonBody(body): JsonBody<FormationUpdate>,
) -> Result<Json<FormationView>, ApiError> {
    formation::patch(&control, &app, &[change(&body, &which)]).await?;
    let detail = formation::find(&control, &app, &which).await?;
    Ok(Json(FormationView::new(&app, &detail)))
}

fn change(update: &FormationUpdate, which: &str) -> Change {
    Change { which: which.to_owned(), quantity: update.quantity(), size: update.size() }
}
