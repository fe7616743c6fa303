//! `/app-setups`: an app made of a source and its app.json.

use crate::answer::Begun;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::Caller;
use crate::views::app::NameOrObject;
use crate::views::app_setup::{AppSetupView, CreateAppSetup};
use axum::Json;
use axum::extract::{Path, State};
use control::Control;
use control::app::NewApp;
use control::app_setup::{self, NewAppSetup};
use model::app_setup::Overrides;
use model::permission::Right;

/// POST /app-setups - 202 with the setup; the app is there, its build, release and postdeploy command follow (APPJSON-9).
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
    JsonBody(body): JsonBody<CreateAppSetup>,
) -> Result<Begun<AppSetupView>, ApiError> {
    let (app, text) = (body.app, NameOrObject::into_text);
    if let Some(space) = app.space.map(text) {
        let message = format!("There is no space `{space}`: this server has none; leave `app.space` out");
        return Err(ApiError::invalid_params(message));
    }
    let team = match app.team.or(app.organization).map(text).filter(|_| app.personal != Some(true)) {
        Some(name) => Some(control.team(&who, &name, Right::Run).await?.id),
        None => None,
    };
    let (region, stack) = (app.region.map(text), app.stack.map(text));
    let app = NewApp { name: app.name, region, stack, team, locked: app.locked.unwrap_or_default() };
    let buildpacks = body.overrides.buildpacks.into_iter().map(|pack| pack.url).collect();
    let overrides = Overrides { env: body.overrides.env, buildpacks };
    let coupling = body.pipeline_coupling.map(|place| (place.pipeline.into_text(), place.stage));
    let new = NewAppSetup { source: body.source_blob.into(), app, overrides, coupling };
    Ok(Begun(AppSetupView::new(&app_setup::create(&control, &who, new).await?, &links)))
}

/// GET /app-setups/{setup} - how far it is, for whoever may see its app.
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(id): Path<String>,
    links: Links,
) -> Result<Json<AppSetupView>, ApiError> {
    let id = id.parse().map_err(|_| ApiError::not_found("app_setup"))?;
    Ok(Json(AppSetupView::new(&app_setup::find(&control, &who, id).await?, &links)))
}
