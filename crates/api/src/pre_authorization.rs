//! `/apps/{app}/pre-authorizations`: a code of the second factor that is good for a while (API-14).

use crate::error::ApiError;
use crate::platform::{By, ForApp, code};
use crate::views::pre_authorization::PreAuthorizationView;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use control::{Control, second_factor};

/// PUT /apps/{app}/pre-authorizations - with a code in `Heroku-Two-Factor-Code`: this app asks this token for none for 30 minutes.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    by: By,
    headers: HeaderMap,
) -> Result<Json<PreAuthorizationView>, ApiError> {
    let until = second_factor::authorize(&control, &app, &by.entry, code(&headers).as_deref()).await?;
    Ok(Json(PreAuthorizationView::new(&app, until)))
}
