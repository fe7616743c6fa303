//! What every route of the Platform API has in common: version, caller, rate limit, the right to the app, headers.

use crate::audit::{self, Inside};
use crate::auth;
use crate::door::Door;
use crate::error::ApiError;
use crate::rate::Payer;
use crate::routes::{Access, Route};
use crate::{accept, etag, idempotency};
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use control::account::{AccountError, Entry};
use control::gate::{Authorized, GateError};
use control::second_factor;
use model::account::Account;
use model::app::App;
use model::permission::Right;
use model::pipeline::Pipeline;
use model::team::Team;

const TWO_FACTOR_CODE: HeaderName = HeaderName::from_static("heroku-two-factor-code");

const RATE_LIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");

/// The account whose token came with the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Account);

/// The token that came with the request, and what it is good for.
#[derive(Debug, Clone)]
pub(crate) struct By {
    /// Who, and by which authorization.
    pub(crate) entry: Entry,
    /// The token itself: its owner may be told it again.
    pub(crate) token: String,
}

impl By {
    /// Who.
    pub(crate) fn account(&self) -> &Account {
        &self.entry.account
    }
}

/// Somebody who came with a token, or with e-mail and password.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    /// Who.
    pub(crate) account: Account,
    /// `None`: by e-mail and password.
    pub(crate) entry: Option<Entry>,
}

/// The team in the path, opened with the right that the route list asks for.
#[derive(Debug, Clone)]
pub(crate) struct ForTeam(pub(crate) Authorized<Team>);

/// The pipeline in the path, opened with the right that the route list asks for.
#[derive(Debug, Clone)]
pub(crate) struct ForPipeline(pub(crate) Authorized<Pipeline>);

/// The app in the path, opened with the right that the route list asks for.
#[derive(Debug, Clone)]
pub(crate) struct ForApp(pub(crate) Authorized<App>);

/// Wraps a handler: nothing reaches it unless version, token, rate limit and right are good.
pub(crate) async fn wrap(
    State((door, route)): State<(Door, &'static Route)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut remaining = None;
    if let Err(refused) = admit(&door, route, &mut parts, &mut remaining).await {
        return counted(refused.into_response(), remaining);
    }
    let (method, asked) = (parts.method.clone(), etag::asked(&parts.headers));
    let key = idempotency::key(&parts);
    let request = Request::from_parts(parts, body);
    let control = door.control.clone();
    let run = async move |request: Request| {
        if !route.changes() { next.run(request).await } else { audit::run(&door, route, request, next).await }
    };
    let response = match key {
        Some(key) => idempotency::answer(&control, key, request, run).await.unwrap_or_else(ApiError::into_response),
        None => run(request).await,
    };
    counted(etag::answer(&method, &asked, as_json(response)).await, remaining)
}

/// With how many requests are left, once it is known whose they are; refusals tell it too (API-9).
fn counted(mut response: Response, remaining: Option<u32>) -> Response {
    if let Some(remaining) = remaining {
        response.headers_mut().insert(RATE_LIMIT_REMAINING, HeaderValue::from(remaining));
    }
    response
}

/// Who it is and what they may do. `left`: how many requests they have left, none when there is no more.
async fn admit(door: &Door, route: &Route, parts: &mut Parts, left: &mut Option<u32>) -> Result<(), ApiError> {
    if !accept::admits(accepted(&parts.headers).as_deref()) {
        let message =
            "Send `Accept: application/vnd.heroku+json; version=3`; other versions and formats are not served.";
        return Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", message));
    }
    let LoggedIn { account, entry } = enter(door, route, parts).await?;
    if let Some(entry) = &entry
        && !entry.authorization.scopes.allow(route.scope())
    {
        return Err(lacks_scope(entry, route));
    }
    let free = route.access == Access::Free || parts.extensions.get::<Inside>().is_some();
    let payer = Payer { account: account.id, token: entry.as_ref().map(|entry| entry.authorization.id) };
    let remaining = if free { Some(door.limits.left(payer)) } else { door.limits.take(payer) };
    *left = Some(remaining.unwrap_or_default());
    if remaining.is_none() {
        return Err(ApiError::rate_limit());
    }
    match route.access {
        Access::App(right) => {
            let app = app_in_path(door, parts, &account, right).await?;
            // A request of the server to itself comes with a code that is used already.
            if route.asks_second_factor() && parts.extensions.get::<Inside>().is_none() {
                let by = entry.as_ref().ok_or_else(ApiError::unauthorized)?;
                second_factor::ask(&door.control, &app, by, code(&parts.headers).as_deref()).await?;
            }
            parts.extensions.insert(ForApp(app));
        }
        Access::Team(right) => {
            let which = in_path(parts, "team").await?;
            parts.extensions.insert(ForTeam(door.control.team(&account, &which, right).await?));
        }
        Access::Pipeline(right) => {
            let which = in_path(parts, "pipeline").await?;
            parts.extensions.insert(ForPipeline(door.control.pipeline(&account, &which, right).await?));
        }
        Access::Operator if !account.operator => return Err(GateError::NotOperator.into()),
        Access::Operator
        | Access::Account
        | Access::Free
        | Access::Login
        | Access::Signed
        | Access::Public
        | Access::Registry
        | Access::Repository(_)
        | Access::Git => {}
    }
    parts.extensions.insert(LoggedIn { account: account.clone(), entry });
    parts.extensions.insert(Caller(account));
    Ok(())
}

/// Who comes with this token; where a login begins, also who has this e-mail and password.
async fn enter(door: &Door, route: &Route, parts: &mut Parts) -> Result<LoggedIn, ApiError> {
    if route.access == Access::Login
        && let Some((email, password)) = auth::login(&parts.headers)
    {
        match door.control.authenticate(&password).await {
            // Some clients send an e-mail before every token (CLI-1).
            Ok(entry) => return Ok(known(parts, entry, password)),
            Err(AccountError::WrongToken) => {}
            Err(error) => return Err(error.into()),
        }
        let account = door.control.login(&email, &password, code(&parts.headers).as_deref()).await?;
        return Ok(LoggedIn { account, entry: None });
    }
    let token = auth::token(&parts.headers).ok_or_else(ApiError::unauthorized)?;
    let entry = door.control.authenticate(&token).await?;
    Ok(known(parts, entry, token))
}

fn known(parts: &mut Parts, entry: Entry, token: String) -> LoggedIn {
    parts.extensions.insert(By { entry: entry.clone(), token });
    LoggedIn { account: entry.account.clone(), entry: Some(entry) }
}

pub(crate) fn lacks_scope(entry: &Entry, route: &Route) -> ApiError {
    let (has, needs) = (&entry.authorization.scopes, route.scope().word());
    ApiError::forbidden(format_args!(
        "This token may be used for {has} only, and this asks for {needs}; make one with `flowline authorizations:create --scope {needs}`"
    ))
}

/// The code of a second factor (API-14).
pub(crate) fn code(headers: &HeaderMap) -> Option<String> {
    headers.get(TWO_FACTOR_CODE).and_then(|code| code.to_str().ok()).map(str::to_owned)
}

fn accepted(headers: &HeaderMap) -> Option<String> {
    let values: Vec<_> =
        headers.get_all(ACCEPT).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}

async fn app_in_path(
    door: &Door,
    parts: &mut Parts,
    account: &Account,
    right: Right,
) -> Result<Authorized<App>, ApiError> {
    let which = in_path(parts, "app").await?;
    Ok(door.control.app(account, &which, right).await?)
}

async fn in_path(parts: &mut Parts, noun: &'static str) -> Result<String, ApiError> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::not_found(noun))?;
    let which = params.iter().find(|(name, _)| *name == noun).map(|(_, which)| which.to_owned());
    Ok(which.unwrap_or_default())
}

/// The framework's own refusals (a bad path, a wrong method) are text; clients read JSON only.
fn as_json(response: Response) -> Response {
    let status = response.status();
    let json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    match status {
        StatusCode::NOT_FOUND => ApiError::no_such_path().into_response(),
        status => {
            let message = status.canonical_reason().unwrap_or("The request cannot be answered");
            ApiError::new(status, "bad_request", message).into_response()
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthorized)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthorized)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LoggedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthorized)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ForTeam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::not_found("team"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ForPipeline {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::not_found("pipeline"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ForApp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::not_found("app"))
    }
}
