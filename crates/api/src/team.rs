//! `/teams`: teams, their members and invitations.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::{Caller, ForTeam};
use crate::range::{Field, Key};
use crate::team_app::team_apps;
use crate::views::team::{
    CreateTeam, InvitationView, MemberView, NewInvitationView, PermissionEntityView, PermissionView, PutMember,
    TeamFeatureView, TeamView, UpdateTeam,
};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::team::{self, InvitationDetail, MemberDetail, Put};
use control::team_access::{self, AppAccess};
use model::permission::Permission;
use model::team::{Role, Team};

type WithRole = (Team, Option<Role>);

const FIELDS: &[Field<WithRole>] =
    &[("name", |team| Key::Text(team.0.name.to_string())), ("id", |team| Key::Text(team.0.id.to_string()))];

const MEMBER_FIELDS: &[Field<MemberDetail>] =
    &[("email", |one| Key::Text(one.account.email.clone())), ("id", |one| Key::Text(one.member.id.to_string()))];

const ACCESS_FIELDS: &[Field<AppAccess>] =
    &[("name", |one| Key::Text(one.app.name.to_string())), ("id", |one| Key::Text(one.app.id.to_string()))];

const INVITATION_FIELDS: &[Field<InvitationDetail>] = &[("id", |one| Key::Text(one.invitation.id.to_string()))];

/// GET /teams - those that one is in.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(team::list(&control, &who).await?, FIELDS, |one| TeamView::new(&one.0, one.1))
}

/// POST /teams - 201; whoever makes a team is its admin.
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<CreateTeam>,
) -> Result<Created<TeamView>, ApiError> {
    Ok(Created(TeamView::new(&team::create(&control, &who, &body.name).await?, Some(Role::Admin))))
}

/// GET /teams/{team}.
pub(crate) async fn show(State(control): State<Control>, ForTeam(team): ForTeam) -> Result<Json<TeamView>, ApiError> {
    Ok(Json(TeamView::new(&team, team::role(&control, &team).await?)))
}

/// PATCH /teams/{team} - another name.
pub(crate) async fn update(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    JsonBody(body): JsonBody<UpdateTeam>,
) -> Result<Json<TeamView>, ApiError> {
    let next = match body.name {
        Some(name) => team::rename(&control, &team, &name).await?,
        None => Team::clone(&team),
    };
    Ok(Json(TeamView::new(&next, Some(Role::Admin))))
}

/// DELETE /teams/{team} - one without apps.
pub(crate) async fn destroy(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
) -> Result<Json<TeamView>, ApiError> {
    team::destroy(&control, &team).await?;
    Ok(Json(TeamView::new(&team, Some(Role::Admin))))
}

/// GET /teams/{team}/apps.
pub(crate) async fn apps(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    team_apps(&control, team::apps(&control, &team).await?, team.by(), &links, &range).await
}

/// GET /teams/{team}/features - the one that clients look for before they send permissions.
pub(crate) async fn features(ForTeam(team): ForTeam) -> Json<[TeamFeatureView; 1]> {
    Json([TeamFeatureView::access_controls(&team)])
}

/// GET /teams/{team}/features/{feature} - by name or id.
pub(crate) async fn feature(
    ForTeam(team): ForTeam,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<TeamFeatureView>, ApiError> {
    let one = TeamFeatureView::access_controls(&team);
    if one.is(&which) { Ok(Json(one)) } else { Err(ApiError::not_found("team_feature")) }
}

/// GET /teams/{team}/permissions - its apps, each with everybody who may do something with it (PERM-7).
pub(crate) async fn access(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = team_access::list(&control, &team).await?;
    range.answer(all, ACCESS_FIELDS, |one| PermissionEntityView::new(&team, one))
}

/// GET /teams/permissions - what there is to give (PERM-7).
pub(crate) async fn permissions() -> Json<Vec<PermissionView>> {
    Json(Permission::ALL.into_iter().map(PermissionView::from).collect())
}

/// GET /teams/{team}/members.
pub(crate) async fn members(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(team::members(&control, &team).await?, MEMBER_FIELDS, |one| MemberView::from(one))
}

/// PUT /teams/{team}/members - adds a member, or changes the role of one (TEAM-6).
pub(crate) async fn put_member(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    JsonBody(body): JsonBody<PutMember>,
) -> Result<Json<MemberView>, ApiError> {
    Ok(Json((&team::put_member(&control, &team, &body.email, &body.role, Put::Either).await?).into()))
}

/// POST /teams/{team}/members - 201; 422 for one who is a member already (CLI-39).
pub(crate) async fn add_member(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    JsonBody(body): JsonBody<PutMember>,
) -> Result<Created<MemberView>, ApiError> {
    Ok(Created((&team::put_member(&control, &team, &body.email, &body.role, Put::New).await?).into()))
}

/// PATCH /teams/{team}/members - another role.
pub(crate) async fn change_member(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    JsonBody(body): JsonBody<PutMember>,
) -> Result<Json<MemberView>, ApiError> {
    Ok(Json((&team::put_member(&control, &team, &body.email, &body.role, Put::Present).await?).into()))
}

/// DELETE /teams/{team}/members/{member} - by id or e-mail; 200 with what it was.
pub(crate) async fn remove_member(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<MemberView>, ApiError> {
    Ok(Json((&team::remove_member(&control, &team, &which).await?).into()))
}

/// GET /teams/{team}/members/{member}/apps.
pub(crate) async fn member_apps(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    Path((_, which)): Path<(String, String)>,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = team::apps_of_member(&control, &team, &which).await?;
    team_apps(&control, all, team.by(), &links, &range).await
}

/// GET /teams/{team}/invitations.
pub(crate) async fn invitations(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = team::invitations(&control, &team).await?;
    range.answer(all, INVITATION_FIELDS, |one| InvitationView::from(one))
}

/// PUT /teams/{team}/invitations - 200 with a token for the one who is invited, told only here.
pub(crate) async fn invite(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    JsonBody(body): JsonBody<PutMember>,
) -> Result<Json<NewInvitationView>, ApiError> {
    let (invitation, token) = team::invite(&control, &team, &body.email, &body.role).await?;
    Ok(Json(NewInvitationView { invitation: (&invitation).into(), token }))
}

/// DELETE /teams/{team}/invitations/{invitation}.
pub(crate) async fn revoke_invitation(
    State(control): State<Control>,
    ForTeam(team): ForTeam,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<InvitationView>, ApiError> {
    Ok(Json((&team::revoke_invitation(&control, &team, &which).await?).into()))
}

/// GET /teams/invitations/{token}.
pub(crate) async fn invitation(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(token): Path<String>,
) -> Result<Json<InvitationView>, ApiError> {
    Ok(Json((&team::invitation(&control, &who, &token).await?).into()))
}

/// POST /teams/invitations/{token}/accept - 201 with the membership.
pub(crate) async fn accept(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(token): Path<String>,
) -> Result<Created<MemberView>, ApiError> {
    Ok(Created((&team::accept_invitation(&control, &who, &token).await?).into()))
}
