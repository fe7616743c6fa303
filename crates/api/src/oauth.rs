//! `/oauth`: authorizations, sessions, clients and tokens.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::{By, Caller, LoggedIn};
use crate::range::{Field, Key};
use crate::views::oauth::{
    AuthorizationView, ClientView, CreateAuthorization, CreateClient, CreateToken, SessionView, TokenView,
    UpdateAuthorization, UpdateClient,
};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::authorization::{self, AuthorizationError, Grant, NewAuthorization};
use control::{Control, oauth_client};
use model::authorization::Authorization;
use model::oauth_client::OauthClient;

type Detail = (Authorization, Option<OauthClient>);

const FIELDS: &[Field<Detail>] = &[("id", |detail| Key::Text(detail.0.id.to_string()))];

const CLIENT_FIELDS: &[Field<OauthClient>] = &[("id", |client| Key::Text(client.id.to_string()))];

/// POST /oauth/authorizations - with a token, or with e-mail and password: a login.
pub(crate) async fn create(
    State(control): State<Control>,
    LoggedIn { account, entry }: LoggedIn,
    JsonBody(body): JsonBody<CreateAuthorization>,
) -> Result<Created<AuthorizationView>, ApiError> {
    let new = NewAuthorization {
        description: body.description,
        expires_in_s: body.expires_in,
        scope: body.scope,
        client: body.client.map(crate::views::app::NameOrObject::into_text),
    };
    let by = entry.as_ref().map(|entry| &entry.authorization);
    let made = authorization::create(&control, &account, by, new).await?;
    Ok(Created(AuthorizationView::made(&made, &account, control.now())))
}

/// GET /oauth/authorizations - one's own; the token of the one that asks, which it knows, and of no other.
pub(crate) async fn list(State(control): State<Control>, by: By, range: Ranged) -> Result<Response, ApiError> {
    let all = authorization::list(&control, by.account()).await?;
    range.answer(all, FIELDS, |detail| AuthorizationView::new(detail, &by, control.now()))
}

/// GET /oauth/authorizations/{authorization}.
pub(crate) async fn show(
    State(control): State<Control>,
    by: By,
    Path(which): Path<String>,
) -> Result<Json<AuthorizationView>, ApiError> {
    let found = authorization::find(&control, &by.entry, &which).await?;
    Ok(Json(AuthorizationView::new(&found, &by, control.now())))
}

/// PATCH /oauth/authorizations/{authorization} - what it is for.
pub(crate) async fn update(
    State(control): State<Control>,
    by: By,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<UpdateAuthorization>,
) -> Result<Json<AuthorizationView>, ApiError> {
    let found = authorization::describe(&control, &by.entry, &which, body.description).await?;
    Ok(Json(AuthorizationView::new(&found, &by, control.now())))
}

/// DELETE /oauth/authorizations/{authorization} - 200 with what it was.
pub(crate) async fn revoke(
    State(control): State<Control>,
    by: By,
    Path(which): Path<String>,
) -> Result<Json<AuthorizationView>, ApiError> {
    let found = authorization::revoke(&control, &by.entry, &which).await?;
    Ok(Json(AuthorizationView::new(&found, &by, control.now())))
}

/// POST /oauth/authorizations/{authorization}/actions/regenerate-tokens - 200 with the new token, told only here.
pub(crate) async fn regenerate(
    State(control): State<Control>,
    by: By,
    Path(which): Path<String>,
) -> Result<Json<AuthorizationView>, ApiError> {
    let made = authorization::regenerate(&control, &by.entry, &which).await?;
    Ok(Json(AuthorizationView::made(&made, by.account(), control.now())))
}

/// GET /oauth/sessions - one's logins.
pub(crate) async fn sessions(State(control): State<Control>, by: By, range: Ranged) -> Result<Response, ApiError> {
    let mut all = authorization::list(&control, by.account()).await?;
    all.retain(|detail| detail.0.session);
    range.answer(all, FIELDS, |detail| SessionView::new(&detail.0, control.now()))
}

/// DELETE /oauth/sessions/{session} - `~` is the login that asks; a token that was made otherwise is none.
pub(crate) async fn end_session(
    State(control): State<Control>,
    by: By,
    Path(which): Path<String>,
) -> Result<Json<SessionView>, ApiError> {
    let found = match authorization::find(&control, &by.entry, &which).await {
        Ok(found) if found.0.session => found,
        Ok(_) | Err(AuthorizationError::NoSuchAuthorization) => return Err(AuthorizationError::NoSuchSession.into()),
        Err(error) => return Err(error.into()),
    };
    authorization::revoke(&control, &by.entry, &which).await?;
    Ok(Json(SessionView::new(&found.0, control.now())))
}

/// POST /oauth/tokens - a client exchanges a code or a refresh token for a token; its secret is its credential.
pub(crate) async fn exchange(
    State(control): State<Control>,
    JsonBody(body): JsonBody<CreateToken>,
) -> Result<Created<TokenView>, ApiError> {
    let missing = || ApiError::invalid_params("Send `client.secret`, and `grant.code` or `refresh_token.token`");
    let secret = body.client.and_then(|client| client.secret).ok_or_else(missing)?;
    let grant = match (body.grant.and_then(|grant| grant.code), body.refresh_token.and_then(|refresh| refresh.token)) {
        (Some(code), _) => Grant::Code(code),
        (None, Some(token)) => Grant::Refresh(token),
        (None, None) => return Err(missing()),
    };
    let made = authorization::exchange(&control, &secret, grant).await?;
    Ok(Created(TokenView::new(&made, control.now())))
}

/// DELETE /oauth/tokens/{authorization} - the same as revoking its authorization.
pub(crate) async fn revoke_token(
    state: State<Control>,
    by: By,
    path: Path<String>,
) -> Result<Json<AuthorizationView>, ApiError> {
    revoke(state, by, path).await
}

/// GET /oauth/clients.
pub(crate) async fn clients(
    State(control): State<Control>,
    Caller(who): Caller,
    range: Ranged,
) -> Result<Response, ApiError> {
    let all = oauth_client::list(&control, &who).await?;
    range.answer(all, CLIENT_FIELDS, |client| ClientView::new(client, None))
}

/// POST /oauth/clients - 201 with the secret, told only here.
pub(crate) async fn create_client(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<CreateClient>,
) -> Result<Created<ClientView>, ApiError> {
    let (client, secret) = oauth_client::create(&control, &who, body.name, body.redirect_uri).await?;
    Ok(Created(ClientView::new(&client, Some(secret))))
}

/// GET /oauth/clients/{client}.
pub(crate) async fn show_client(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<ClientView>, ApiError> {
    Ok(Json(ClientView::new(&oauth_client::find(&control, &who, &which).await?, None)))
}

/// PATCH /oauth/clients/{client}.
pub(crate) async fn update_client(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<UpdateClient>,
) -> Result<Json<ClientView>, ApiError> {
    let client = oauth_client::update(&control, &who, &which, body.name, body.redirect_uri).await?;
    Ok(Json(ClientView::new(&client, None)))
}

/// DELETE /oauth/clients/{client} - its tokens end with it.
pub(crate) async fn destroy_client(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<ClientView>, ApiError> {
    Ok(Json(ClientView::new(&oauth_client::destroy(&control, &who, &which).await?, None)))
}

/// POST /oauth/clients/{client}/actions/rotate-credentials - 200 with another secret, told only here.
pub(crate) async fn rotate_client(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<ClientView>, ApiError> {
    let (client, secret) = oauth_client::rotate(&control, &who, &which).await?;
    Ok(Json(ClientView::new(&client, Some(secret))))
}
