//! `/apps/{app}/dynos` and `/formations`: list, run, restart, stop.

use crate::answer::{Accepted, Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::dyno::{CreateDyno, DynoView};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::dyno::{self, NewDyno, Which};
use model::dyno::Dyno;

const FIELDS: &[Field<Dyno>] =
    &[("name", |dyno| Key::Text(dyno.name.to_string())), ("id", |dyno| Key::Text(dyno.id.to_string()))];

/// GET /apps/{app}/dynos.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(dyno::list(&control, &app), FIELDS, |dyno| DynoView::new(&app, dyno))
}

/// GET /apps/{app}/dynos/{dyno} - by name or id.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<DynoView>, ApiError> {
    Ok(Json(DynoView::new(&app, &dyno::find(&control, &app, &which)?)))
}

/// POST /apps/{app}/dynos - a one-off dyno (DYNO-50); 201 with it.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<CreateDyno>,
) -> Result<Created<DynoView>, ApiError> {
    if body.attach == Some(true) {
        let message =
            "This server runs one-off dynos detached: send `\"attach\": false` and read the dyno's lines in the log.";
        return Err(ApiError::invalid_params(message));
    }
    let new = NewDyno {
        command: body.command,
        env: body.env.unwrap_or_default(),
        size: body.size,
        process_type: body.process_type,
        time_to_live_s: body.time_to_live,
    };
    let dyno = dyno::run(&control, &app, new).await?;
    Ok(Created(DynoView::new(&app, &dyno)))
}

/// DELETE /apps/{app}/dynos - restarts all of them (DYNO-35).
pub(crate) async fn restart_all(State(control): State<Control>, ForApp(app): ForApp) -> Result<Accepted, ApiError> {
    dyno::restart(&control, &app, Which::All).await?;
    Ok(Accepted)
}

/// DELETE /apps/{app}/dynos/{dyno} - restarts one.
pub(crate) async fn restart_one(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Accepted, ApiError> {
    dyno::restart(&control, &app, Which::One(&which)).await?;
    Ok(Accepted)
}

/// DELETE /apps/{app}/formations/{type} - restarts those of a type.
pub(crate) async fn restart_type(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Accepted, ApiError> {
    dyno::restart(&control, &app, Which::Type(&which)).await?;
    Ok(Accepted)
}

/// POST /apps/{app}/dynos/{dyno}/actions/stop.
pub(crate) async fn stop_one(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Accepted, ApiError> {
    dyno::stop(&control, &app, Which::One(&which)).await?;
    Ok(Accepted)
}

/// POST /apps/{app}/formations/{type}/actions/stop.
pub(crate) async fn stop_type(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Accepted, ApiError> {
    dyno::stop(&control, &app, Which::Type(&which)).await?;
    Ok(Accepted)
}
