//! `/password-resets`: for who forgot their password. Nobody who asks has a token, so both are open to everybody.

use crate::answer::Created;
use crate::audit;
use crate::body::{self, JsonBody};
use crate::door::Door;
use crate::error::ApiError;
use crate::views::password_reset::{CreatePasswordReset, FinalizePasswordReset, PasswordResetView};
use axum::Json;
use axum::extract::{Path, Request, State};
use control::{Control, password_reset};
use model::audit::Change;

/// POST /password-resets - 201; sends a mail to who has the address, and does not tell whether anybody has.
pub(crate) async fn create(
    State(control): State<Control>,
    JsonBody(body): JsonBody<CreatePasswordReset>,
) -> Result<Created<PasswordResetView>, ApiError> {
    let at = password_reset::request(&control, &body.email).await?;
    Ok(Created(PasswordResetView::asked(&body.email, at)))
}

/// POST /password-resets/{secret}/actions/finalize - another password with the token of the mail; all logins end.
pub(crate) async fn finalize(
    State(door): State<Door>,
    Path(token): Path<String>,
    request: Request,
) -> Result<Json<PasswordResetView>, ApiError> {
    // Before anything is read: to whom has no token there is nothing here.
    let (who, _) = password_reset::find(&door.control, &token).await?;
    let (parts, bytes) = body::unpacked(request).await?;
    let FinalizePasswordReset { password, password_confirmation } = body::read(&bytes)?;
    // The token is a secret: the log has the path without it.
    let path = "/password-resets/…/actions/finalize".to_owned();
    let action = "POST /password-resets/{secret}/actions/finalize".to_owned();
    let change = Change::by(&who, audit::address(&parts), audit::request_id(&parts), action, path);
    audit::asked(&door, &change).await?;
    let (account, at) = password_reset::finalize(&door.control, &token, password, &password_confirmation).await?;
    Ok(Json(PasswordResetView::of(&account, at)))
}
