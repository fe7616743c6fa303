//! Apps that ask for a second factor before they are touched (API-14): a code with the request, or one that was given a while ago.
//!
//! Open windows are forgotten with the server: whoever comes then gives another code.

use crate::Control;
use crate::account::{AccountError, Entry};
use crate::gate::Authorized;
use crate::two_factor;
use model::account::Account;
use model::app::{App, AppName};
use model::feature::Feature;
use model::permission::Right;
use model::pre_authorization::{PreAuthorizations, WINDOW};
use model::time::Timestamp;
use std::sync::{MutexGuard, PoisonError};
use store::StoreError;

/// Why an app is not touched.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// No code, and no window that is open.
    #[error(
        "A second authentication factor or pre-authorization is required for {0}: send a code in `Heroku-Two-Factor-Code`, or \
         give one that is good for {minutes} minutes and this token (`flowline 2fa:authorize -a {0}`)",
        minutes = WINDOW.as_secs() / 60
    )]
    Wanted(AppName),
    /// They have none.
    #[error("{0} may be changed with a second factor only, and your account has none: `flowline 2fa:enable`")]
    Off(AppName),
    /// The code.
    #[error(transparent)]
    Code(#[from] AccountError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets pass whoever gave a code, now or a while ago with the same token, where the app asks for one.
///
/// # Errors
/// [`SecondFactorError::Wanted`], [`SecondFactorError::Off`], a wrong code.
pub async fn ask(
    control: &Control,
    app: &Authorized<App>,
    by: &Entry,
    code: Option<&str>,
) -> Result<(), SecondFactorError> {
    let who = app.by();
    if !store::feature::enabled(control.store.db(), app.id, Feature::SecondFactor).await? {
        return Ok(());
    }
    if !who.two_factor {
        return Err(SecondFactorError::Off(app.name.clone()));
    }
    match code {
        Some(code) => check(control, who, code).await,
        None if open_windows(control).is_open(&by.token_sha256, app.id, control.now()) => Ok(()),
        None => Err(SecondFactorError::Wanted(app.name.clone())),
    }
}

/// The same of an app that is named in a body. What the caller may not see asks for nothing: it is refused elsewhere.
///
/// # Errors
/// As [`ask`].
pub async fn ask_for(control: &Control, by: &Entry, app: &str, code: Option<&str>) -> Result<(), SecondFactorError> {
    match control.app(&by.account, app, Right::View).await {
        Ok(app) => ask(control, &app, by, code).await,
        Err(_) => Ok(()),
    }
}

/// Takes a code, and asks this token for none at this app for a while; until when.
///
/// # Errors
/// An account without a second factor, no or a wrong code.
pub async fn authorize(
    control: &Control,
    app: &Authorized<App>,
    by: &Entry,
    code: Option<&str>,
) -> Result<Timestamp, SecondFactorError> {
    if !app.by().two_factor {
        return Err(AccountError::TwoFactorOff.into());
    }
    let code = code.ok_or_else(|| SecondFactorError::Wanted(app.name.clone()))?;
    check(control, app.by(), code).await?;
    Ok(open_windows(control).open(&by.token_sha256, app.id, control.now()))
}

/// Guesses are counted: six digits are few.
async fn check(control: &Control, who: &Account, code: &str) -> Result<(), SecondFactorError> {
    let key = format!("{} code", who.email);
    if !control.tries.admits(&key) {
        return Err(AccountError::TooManyTries.into());
    }
    let checked = two_factor::check(control, who, Some(code)).await;
    if matches!(checked, Err(AccountError::WrongCode)) {
        control.tries.failed(key);
    }
    Ok(checked?)
}

fn open_windows(control: &Control) -> MutexGuard<'_, PreAuthorizations> {
    control.pre_authorizations.lock().unwrap_or_else(PoisonError::into_inner)
}
