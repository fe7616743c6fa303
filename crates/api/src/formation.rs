//! `/apps/{app}/formation`: list, show, scale.

use crate::answer::{Begun, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::formation::{FormationUpdate, FormationView, PendingType, UpdateFormation};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use control::Control;
use control::formation::{self, Change, FormationDetail, ScaleError};
use control::gate::{Authorized, GateError};
use control::image_release::{self, ImageChange};
use model::app::App;
use model::formation::FormationError;
use model::permission::Right;
use model::release::Release;

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

/// PATCH /apps/{app}/formation - several types at once, all or none (DYNO-10); 200 with the whole formation. With `docker_image`: a release
/// of images that were pushed.
pub(crate) async fn batch(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<UpdateFormation>,
) -> Result<Json<Vec<FormationView>>, ApiError> {
    if body.updates.iter().any(|update| update.docker_image.is_some()) {
        let updates: Vec<_> = body.updates.iter().map(|update| (update.process_type.as_str(), update)).collect();
        release(&control, &app, &updates).await?;
        let details = formation::list(&control, &app).await?;
        return Ok(Json(details.iter().map(|detail| FormationView::new(&app, detail)).collect()));
    }
    let changes: Vec<Change> = body.updates.iter().map(|update| change(update, &update.process_type)).collect();
    let details = formation::patch(&control, &app, &changes).await?;
    Ok(Json(details.iter().map(|detail| FormationView::new(&app, detail)).collect()))
}

/// PATCH /apps/{app}/formation/{type} - one type; with `docker_image` a release, of null one without it. 202 where the type comes
/// with a release that still runs its command.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    JsonBody(body): JsonBody<FormationUpdate>,
) -> Result<Response, ApiError> {
    let detail = if body.docker_image.is_some() {
        let before = formation::find(&control, &app, &which).await;
        let made = release(&control, &app, &[(&which, &body)]).await?;
        // What was removed is shown as it was.
        match formation::find(&control, &app, &which).await.or(before) {
            Err(ScaleError::Formation(FormationError::NoSuchType(_))) => {
                return Ok(Begun(PendingType::new(&app, &which, made.version)).into_response());
            }
            found => found?,
        }
    } else {
        formation::patch(&control, &app, &[change(&body, &which)]).await?;
        formation::find(&control, &app, &which).await?
    };
    Ok(Json(FormationView::new(&app, &detail)).into_response())
}

/// Releases images, which asks for more than to scale.
async fn release(
    control: &Control,
    app: &Authorized<App>,
    updates: &[(&str, &FormationUpdate)],
) -> Result<Release, ApiError> {
    if !app.allows(Right::Deploy) {
        return Err(GateError::lacks(app, Right::Deploy).into());
    }
    let mut changes = Vec::new();
    for (which, update) in updates {
        let Some(image) = update.docker_image.clone().filter(|_| update.quantity.is_none() && update.size().is_none())
        else {
            let message =
                "docker_image makes a release, and quantity and size do not: send them in a request of their own";
            return Err(ApiError::invalid_params(message));
        };
        changes.push(ImageChange { which: (*which).to_owned(), image });
    }
    let reason = updates.iter().find_map(|(_, update)| update.reason.as_deref());
    Ok(image_release::release(control, app, &changes, reason).await?)
}

fn change(update: &FormationUpdate, which: &str) -> Change {
    Change { which: which.to_owned(), quantity: update.quantity(), size: update.size() }
}
