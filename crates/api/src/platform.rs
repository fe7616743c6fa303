//! What every route of the Platform API has in common: version, caller, rate limit, the right to the app, headers.

use crate::auth;
use crate::door::Door;
use crate::error::ApiError;
use crate::routes::Access;
use crate::{accept, etag};
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use control::gate::Authorized;
use model::account::Account;
use model::app::App;
use model::permission::Right;

const RATE_LIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");

/// The account whose token came with the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Account);

/// The app in the path, opened with the right that the route list asks for.
#[derive(Debug, Clone)]
pub(crate) struct ForApp(pub(crate) Authorized<App>);

/// Wraps a handler: nothing reaches it unless version, token, rate limit and right are good.
pub(crate) async fn wrap(State((door, access)): State<(Door, Access)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let remaining = match admit(&door, access, &mut parts).await {
        Ok(remaining) => remaining,
        Err(refused) => return refused.into_response(),
    };
    let (method, asked) = (parts.method.clone(), etag::asked(&parts.headers));
    let response = next.run(Request::from_parts(parts, body)).await;
    let mut response = etag::answer(&method, &asked, as_json(response)).await;
    response.headers_mut().insert(RATE_LIMIT_REMAINING, HeaderValue::from(remaining));
    response
}

/// Who it is and what they may do; how many requests they have left.
async fn admit(door: &Door, access: Access, parts: &mut Parts) -> Result<u32, ApiError> {
    if !accept::admits(accepted(&parts.headers).as_deref()) {
        let message =
            "Send `Accept: application/vnd.heroku+json; version=3`; other versions and formats are not served.";
        return Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", message));
    }
    let token = auth::token(&parts.headers).ok_or_else(ApiError::unauthorized)?;
    let account = door.control.authenticate(&token).await?;
    let free = access == Access::Free;
    let remaining = if free { Some(door.limits.left(account.id)) } else { door.limits.take(account.id) };
    let remaining = remaining.ok_or_else(ApiError::rate_limit)?;
    if let Some(right) = access.right() {
        let app = app_in_path(door, parts, &account, right).await?;
        parts.extensions.insert(ForApp(app));
    }
    parts.extensions.insert(Caller(account));
    Ok(remaining)
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
    let params = RawPathParams::from_request_parts(parts, &()).await;
    let params = params.map_err(|_| ApiError::not_found("app"))?;
    let which = params.iter().find(|(name, _)| *name == "app").map(|(_, which)| which.to_owned());
    Ok(door.control.app(account, &which.unwrap_or_default(), right).await?)
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

impl<S: Send + Sync> FromRequestParts<S> for ForApp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::not_found("app"))
    }
}

/// Every path that no route has.
pub(crate) async fn no_such_path() -> ApiError {
    ApiError::no_such_path()
}

/// A route's path with a method that it does not have.
pub(crate) async fn wrong_method() -> ApiError {
    let message = "This path exists, but not with this method; the `Allow` header has the ones that do.";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
