//! `/teams/apps` and `/account/app-transfers`: apps of teams, and handing apps over.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::{By, Caller, ForApp, code};
use crate::range::{Field, Key};
use crate::views::app::{CreateTeamApp, NameOrObject, TeamAppView, UpdateTeamApp};
use crate::views::transfer::{AnswerTransfer, CreateTransfer, TransferView};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use control::app::{self, AppDetail, NewApp};
use control::transfer::{self, TransferDetail};
use control::{Control, collaborator, second_factor};
use model::account::Account;
use model::permission::Right;
use std::collections::HashSet;

const FIELDS: &[Field<TransferDetail>] = &[("id", |one| Key::Text(one.transfer.id.to_string()))];

/// POST /teams/apps - 201; without a team, or with `personal`, one's own.
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
    JsonBody(body): JsonBody<CreateTeamApp>,
) -> Result<Created<TeamAppView>, ApiError> {
    let text = NameOrObject::into_text;
    let team = match body.team.or(body.organization).map(text).filter(|_| body.personal != Some(true)) {
        Some(name) => Some(control.team(&who, &name, Right::Run).await?.id),
        None => None,
    };
    let (region, stack) = (body.region.map(text), body.stack.map(text));
    let new = NewApp { name: body.name, region, stack, team, locked: body.locked.unwrap_or_default() };
    Ok(Created(TeamAppView::new(&app::create(&control, &who, new).await?, &links, true)))
}

/// GET /teams/apps - all that one may see.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    team_apps(&control, app::list(&control, &who).await?, &who, &links, &range).await
}

/// GET /teams/apps/{app}.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
) -> Result<Json<TeamAppView>, ApiError> {
    Ok(Json(view(&control, &app::find(&control, &app).await?, app.by(), &links).await?))
}

async fn view(control: &Control, detail: &AppDetail, who: &Account, links: &Links) -> Result<TeamAppView, ApiError> {
    let joined = collaborator::joined(control, &detail.app, who).await.map_err(|error| ApiError::internal(&error))?;
    Ok(TeamAppView::new(detail, links, joined))
}

/// The asked part of a list of apps, each with whether the one who asks was added to it.
pub(crate) async fn team_apps(
    control: &Control,
    all: Vec<AppDetail>,
    who: &Account,
    links: &Links,
    range: &Ranged,
) -> Result<Response, ApiError> {
    let mut joined = HashSet::new();
    for detail in &all {
        let is = collaborator::joined(control, &detail.app, who).await.map_err(|error| ApiError::internal(&error))?;
        joined.extend(is.then_some(detail.app.id));
    }
    range.answer(all, crate::app::FIELDS, |detail| TeamAppView::new(detail, links, joined.contains(&detail.app.id)))
}

/// PATCH /teams/apps/{app} - its lock, or its owner: a team's name or an e-mail.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    JsonBody(body): JsonBody<UpdateTeamApp>,
) -> Result<Json<TeamAppView>, ApiError> {
    if let Some(owner) = body.owner {
        let detail = transfer::hand_over(&control, &app, &owner.into_text()).await?;
        return Ok(Json(view(&control, &detail, app.by(), &links).await?));
    }
    let locked = body.locked.unwrap_or(app.locked);
    let detail = transfer::lock(&control, &app, locked).await?;
    Ok(Json(view(&control, &detail, app.by(), &links).await?))
}

/// POST /account/app-transfers - 201 with the offer.
pub(crate) async fn offer(
    State(control): State<Control>,
    by: By,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CreateTransfer>,
) -> Result<Created<TransferView>, ApiError> {
    let app = control.app(by.account(), &body.app.into_text(), Right::Manage).await?;
    second_factor::ask(&control, &app, &by.entry, code(&headers).as_deref()).await?;
    Ok(Created((&transfer::offer(&control, &app, &body.recipient.into_text()).await?).into()))
}

/// GET /account/app-transfers - those that one made or may answer.
pub(crate) async fn offers(
    State(control): State<Control>,
    Caller(who): Caller,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(transfer::list(&control, &who).await?, FIELDS, |one| TransferView::from(one))
}

/// GET /account/app-transfers/{transfer} - by id, or the open one by its app's name.
pub(crate) async fn show_offer(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<TransferView>, ApiError> {
    Ok(Json((&transfer::find(&control, &who, &which).await?).into()))
}

/// PATCH /account/app-transfers/{transfer} - accepted or declined.
pub(crate) async fn answer(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<AnswerTransfer>,
) -> Result<Json<TransferView>, ApiError> {
    Ok(Json((&transfer::answer(&control, &who, &which, &body.state).await?).into()))
}

/// DELETE /account/app-transfers/{transfer} - takes an open one back.
pub(crate) async fn cancel(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<TransferView>, ApiError> {
    Ok(Json((&transfer::cancel(&control, &who, &which).await?).into()))
}
