//! `/apps/{app}/dynos` and `/formations`: list, run, restart, stop.

use crate::answer::{Accepted, Created, Ranged};
use crate::body::JsonBody;
use crate::door::Door;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::dyno::{CreateDyno, DynoView, RunInside};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::dyno::{self, NewDyno, Started, Streams, Which};
use model::app::App;
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
    State(door): State<Door>,
    ForApp(app): ForApp,
    links: Links,
    JsonBody(body): JsonBody<CreateDyno>,
) -> Result<Created<DynoView>, ApiError> {
    let new = NewDyno {
        command: body.command,
        env: body.env.unwrap_or_default(),
        size: body.size,
        process_type: body.process_type,
        time_to_live_s: body.time_to_live,
        streams: (body.attach == Some(true)).then(|| streams(body.force_no_tty)),
    };
    Ok(Created(awaiting(&door, &links, &app, dyno::run(&door.control, &app, new).await?)))
}

/// POST /apps/{app}/dynos/{dyno} - a command in a dyno that runs, attached; 201 with the dyno.
pub(crate) async fn inside(
    State(door): State<Door>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    links: Links,
    JsonBody(body): JsonBody<RunInside>,
) -> Result<Created<DynoView>, ApiError> {
    let streams = Some(streams(body.force_no_tty));
    let new = NewDyno { command: body.command, env: body.env.unwrap_or_default(), streams, ..NewDyno::default() };
    Ok(Created(awaiting(&door, &links, &app, dyno::inside(&door.control, &app, &which, new).await?)))
}

fn streams(force_no_tty: Option<bool>) -> Streams {
    if force_no_tty == Some(true) { Streams::Pipes } else { Streams::Terminal }
}

fn awaiting(door: &Door, links: &Links, app: &App, started: Started) -> DynoView {
    let listens = door.control.settings().rendezvous;
    let attach_url = started.secret.map(|secret| {
        let host = links.rendezvous_host(listens);
        door.authority.cover(&host, door.control.now());
        Links::rendezvous(&host, listens, &secret)
    });
    DynoView::new(app, &started.dyno).awaiting_at(attach_url)
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
