//! `/apps/{app}/sni-endpoints`: add, list, show, replace, remove. And `/apps/{app}/acm`, the wish to have them made.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::app::AppView;
use crate::views::sni_endpoint::{PutSniEndpoint, SniEndpointView};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::sni_endpoint::{self, SniEndpointDetail};
use control::{Control, acm, app};

const FIELDS: &[Field<SniEndpointDetail>] = &[
    ("name", |detail| Key::Text(detail.endpoint.name.clone())),
    ("id", |detail| Key::Text(detail.endpoint.id.to_string())),
];

/// POST /apps/{app}/sni-endpoints - 201 with the certificate.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<PutSniEndpoint>,
) -> Result<Created<SniEndpointView>, ApiError> {
    let detail = sni_endpoint::create(&control, &app, body.certificate_chain, &body.private_key).await?;
    Ok(Created(SniEndpointView::new(&app, &detail)))
}

/// GET /apps/{app}/sni-endpoints - by name.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(sni_endpoint::list(&control, &app).await?, FIELDS, |detail| SniEndpointView::new(&app, detail))
}

/// GET /apps/{app}/sni-endpoints/{endpoint} - by id or name.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<SniEndpointView>, ApiError> {
    Ok(Json(SniEndpointView::new(&app, &sni_endpoint::find(&control, &app, &which).await?)))
}

/// PATCH /apps/{app}/sni-endpoints/{endpoint} - another certificate and key.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    JsonBody(body): JsonBody<PutSniEndpoint>,
) -> Result<Json<SniEndpointView>, ApiError> {
    let detail = sni_endpoint::replace(&control, &app, &which, body.certificate_chain, &body.private_key).await?;
    Ok(Json(SniEndpointView::new(&app, &detail)))
}

/// DELETE /apps/{app}/sni-endpoints/{endpoint} - 200 with the certificate as it was (CLI-20).
pub(crate) async fn delete(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<SniEndpointView>, ApiError> {
    Ok(Json(SniEndpointView::new(&app, &sni_endpoint::delete(&control, &app, &which).await?)))
}

/// POST /apps/{app}/acm - 200 with the app.
pub(crate) async fn enable_acm(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
) -> Result<Json<AppView>, ApiError> {
    Ok(Json(AppView::new(&acm::switch(&control, &app, true).await?, &links)))
}

/// PATCH /apps/{app}/acm - tries again what failed; 200 with the app.
pub(crate) async fn refresh_acm(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
) -> Result<Json<AppView>, ApiError> {
    let detail = app::find(&control, &app).await?;
    if detail.acm {
        Ok(Json(AppView::new(&detail, &links)))
    } else {
        let message = "Automated certificates are off for this app; switch them on with certs:auto:enable.";
        Err(ApiError::invalid_params(message))
    }
}

/// DELETE /apps/{app}/acm - 200 with the app.
pub(crate) async fn disable_acm(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
) -> Result<Json<AppView>, ApiError> {
    Ok(Json(AppView::new(&acm::switch(&control, &app, false).await?, &links)))
}
