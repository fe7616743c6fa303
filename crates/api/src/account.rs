//! `/account`, `/users` and `/accounts`: who calls, what they change of their own, and the accounts that operators make.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::door::Door;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::{By, Caller, code};
use crate::range::{Field, Key};
use crate::rate::Payer;
use crate::views::account::{
    AccountView, BegunView, CreateAccount, NewAccountView, OperatorsView, Recovery, SetPassword, TwoFactorCode,
    UpdateAccount, UserView,
};
use crate::views::app::AppView;
use crate::views::rate_limit::RateLimitView;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use control::account::AccountError;
use control::{Control, account, app, two_factor};
use model::account::Account;

const FIELDS: &[Field<Account>] =
    &[("email", |account| Key::Text(account.email.clone())), ("id", |account| Key::Text(account.id.to_string()))];

/// GET /account.
pub(crate) async fn show(Caller(who): Caller) -> Json<AccountView> {
    Json((&who).into())
}

/// PATCH /account - its name; with the password: another password, or the second factor off.
pub(crate) async fn update(
    State(control): State<Control>,
    by: By,
    headers: HeaderMap,
    JsonBody(body): JsonBody<UpdateAccount>,
) -> Result<Json<AccountView>, ApiError> {
    let mut who = by.account().clone();
    let ends_factor = body.two_factor_authentication == Some(false) && who.two_factor;
    if body.new_password.is_some() || ends_factor {
        let password = body.password.ok_or_else(|| {
            ApiError::invalid_params(
                "Send `password`, the present one, with a change of the password or the second factor",
            )
        })?;
        account::prove(&control, &who, &password, code(&headers).as_deref()).await?;
    }
    if ends_factor {
        two_factor::end(&control, &who).await?;
        who.two_factor = false;
    }
    if let Some(password) = body.new_password {
        account::set_password(&control, &who, Some(password), &by.entry.authorization).await?;
    }
    if let Some(name) = body.name {
        who = account::rename(&control, &who, Some(name)).await?;
    }
    Ok(Json((&who).into()))
}

/// DELETE /account - oneself, when nothing is one's own any more.
pub(crate) async fn destroy(
    State(control): State<Control>,
    Caller(who): Caller,
) -> Result<Json<AccountView>, ApiError> {
    account::destroy(&control, &who).await?;
    Ok(Json((&who).into()))
}

/// GET /account/rate-limits; free of charge (API-9).
pub(crate) async fn rate_limits(by: By, State(door): State<Door>) -> Json<RateLimitView> {
    let payer = Payer { account: by.account().id, token: Some(by.entry.authorization.id) };
    Json(RateLimitView { remaining: door.limits.left(payer) })
}

/// GET /users/{user} - oneself, by `~`, id or e-mail; with less of it, whoever shares a team or an app with the caller.
pub(crate) async fn user(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<UserView>, ApiError> {
    if is_self(&who, &which).is_ok() {
        return Ok(Json(UserView::Oneself(Box::new((&who).into()))));
    }
    Ok(Json(UserView::Colleague((&account::colleague(&control, &who, &which).await?).into())))
}

/// PATCH /users/{user} - the same as `PATCH /account`.
pub(crate) async fn update_user(
    state: State<Control>,
    by: By,
    Path(which): Path<String>,
    headers: HeaderMap,
    body: JsonBody<UpdateAccount>,
) -> Result<Json<AccountView>, ApiError> {
    is_self(by.account(), &which)?;
    update(state, by, headers, body).await
}

/// DELETE /users/{user} - the same as `DELETE /account`.
pub(crate) async fn destroy_user(
    state: State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
) -> Result<Json<AccountView>, ApiError> {
    is_self(&who, &which)?;
    destroy(state, Caller(who)).await
}

/// GET /users/{user}/apps - one's own apps, without the teams'.
pub(crate) async fn apps(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    is_self(&who, &which)?;
    let mut details = app::list(&control, &who).await?;
    details.retain(|detail| detail.team.is_none());
    range.answer(details, crate::app::FIELDS, |detail| AppView::new(detail, &links))
}

pub(crate) fn is_self(who: &Account, which: &str) -> Result<(), ApiError> {
    let own = which == "~" || which == who.id.to_string() || which.eq_ignore_ascii_case(&who.email);
    if own { Ok(()) } else { Err(AccountError::NoSuchAccount.into()) }
}

/// POST /account/two-factor - 201 with the key for an authenticator app; it counts when it is confirmed.
pub(crate) async fn begin_two_factor(
    State(control): State<Control>,
    Caller(who): Caller,
) -> Result<Created<BegunView>, ApiError> {
    Ok(Created(two_factor::begin(&control, &who).await?.into()))
}

/// PUT /account/two-factor - confirms the key with its first code; 200 with codes for when it is lost.
pub(crate) async fn confirm_two_factor(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<TwoFactorCode>,
) -> Result<Json<Recovery>, ApiError> {
    let recovery_codes = two_factor::confirm(&control, &who, &body.code).await?;
    Ok(Json(Recovery { two_factor_authentication: true, recovery_codes }))
}

/// POST /accounts - operators make accounts; 201 with a password, told only here.
pub(crate) async fn create(
    State(control): State<Control>,
    JsonBody(body): JsonBody<CreateAccount>,
) -> Result<Created<NewAccountView>, ApiError> {
    let (made, password) = account::create(&control, &body.email, body.name).await?;
    Ok(Created(NewAccountView { account: (&made).into(), password }))
}

/// GET /accounts.
pub(crate) async fn list(State(control): State<Control>, range: Ranged) -> Result<Response, ApiError> {
    range.answer(account::list(&control).await?, FIELDS, |account| OperatorsView::from(account))
}

/// GET /accounts/{account} - by id or e-mail.
pub(crate) async fn find(
    State(control): State<Control>,
    Path(which): Path<String>,
) -> Result<Json<OperatorsView>, ApiError> {
    Ok(Json((&account::find(&control, &which).await?).into()))
}

/// PATCH /accounts/{account} - operator or not.
pub(crate) async fn change(
    State(control): State<Control>,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<crate::views::account::ChangeAccount>,
) -> Result<Json<OperatorsView>, ApiError> {
    let mut found = account::find(&control, &which).await?;
    if let Some(operator) = body.operator {
        found = account::set_operator(&control, &found, operator).await?;
    }
    Ok(Json((&found).into()))
}

/// DELETE /accounts/{account} - one that owns nothing.
pub(crate) async fn remove(
    State(control): State<Control>,
    Path(which): Path<String>,
) -> Result<Json<OperatorsView>, ApiError> {
    let found = account::find(&control, &which).await?;
    account::destroy(&control, &found).await?;
    Ok(Json((&found).into()))
}

/// POST /accounts/{account}/actions/reset-password - another password, told only here; its second factor ends when that is asked for.
pub(crate) async fn reset_password(
    State(control): State<Control>,
    by: By,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<SetPassword>,
) -> Result<Json<NewAccountView>, ApiError> {
    let mut found = account::find(&control, &which).await?;
    let password = account::set_password(&control, &found, None, &by.entry.authorization).await?;
    if body.two_factor_authentication == Some(false) {
        two_factor::end(&control, &found).await?;
        found.two_factor = false;
    }
    Ok(Json(NewAccountView { account: (&found).into(), password }))
}
