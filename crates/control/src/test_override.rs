//! Past a test gate without tests: for whoever manages the app, with a reason that is kept.

use crate::gate::{Authorized, GateError};
use crate::{Control, journal};
use model::app::App;
use model::audit::{REASON_LIMIT, reason};
use model::permission::Right;

/// What a push says its reason with: `git push -o flowline.override=REASON`.
pub(crate) const OPTION: &str = "flowline.override=";

/// Why tests are not overridden.
#[derive(Debug, thiserror::Error)]
pub enum NotOverridden {
    /// It must say why.
    #[error("an override of the tests needs its reason, of 1 to {REASON_LIMIT} characters")]
    Reason,
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// The reason, if this caller may override.
///
/// # Errors
/// No reason, or no right to it.
pub(crate) fn allowed<'r>(app: &Authorized<App>, text: &'r str) -> Result<&'r str, NotOverridden> {
    let reason = reason(text).ok_or(NotOverridden::Reason)?;
    if app.allows(Right::Manage) { Ok(reason) } else { Err(GateError::lacks(app, Right::Manage).into()) }
}

/// Says it where the app's people look.
pub(crate) async fn tell(control: &Control, app: &Authorized<App>, what: &str, reason: &str) {
    let said = format!("{what} without tests, overridden by user {}: {reason}", app.by().email);
    tracing::warn!(app.id = %app.id, "{said}");
    journal::api(control, app.id, control.now(), said).await;
}
