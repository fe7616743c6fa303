//! `/apps/{app}/domains`: add, list, show, give another certificate, remove.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::app::NameOrObject;
use crate::views::domain::{CreateDomain, DomainView, UpdateDomain};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::domain::{self, DomainDetail};

const FIELDS: &[Field<DomainDetail>] = &[
    ("hostname", |detail| Key::Text(detail.domain.hostname.clone())),
    ("domain", |detail| Key::Text(detail.domain.hostname.clone())),
    ("id", |detail| Key::Text(detail.domain.id.to_string())),
];

/// POST /apps/{app}/domains - 201 with the domain, which leads to the app already.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<CreateDomain>,
) -> Result<Created<DomainView>, ApiError> {
    let sni_endpoint = body.sni_endpoint.map(NameOrObject::into_text);
    let detail = domain::create(&control, &app, &body.hostname, sni_endpoint.as_deref()).await?;
    Ok(Created(DomainView::new(&app, &detail)))
}

/// GET /apps/{app}/domains - by host name.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(domain::list(&control, &app).await?, FIELDS, |detail| DomainView::new(&app, detail))
}

/// GET /apps/{app}/domains/{domain} - by id or host name.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<DomainView>, ApiError> {
    Ok(Json(DomainView::new(&app, &domain::find(&control, &app, &which).await?)))
}

/// PATCH /apps/{app}/domains/{domain} - another certificate, or none; an empty body changes nothing.
pub(crate) async fn update(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    JsonBody(body): JsonBody<UpdateDomain>,
) -> Result<Json<DomainView>, ApiError> {
    let detail = match body.sni_endpoint {
        None => domain::find(&control, &app, &which).await?,
        Some(sni_endpoint) => {
            let sni_endpoint = sni_endpoint.map(NameOrObject::into_text);
            domain::set_sni_endpoint(&control, &app, &which, sni_endpoint.as_deref()).await?
        }
    };
    Ok(Json(DomainView::new(&app, &detail)))
}

/// DELETE /apps/{app}/domains/{domain} - 200 with the domain as it was (CLI-20).
pub(crate) async fn delete(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<DomainView>, ApiError> {
    Ok(Json(DomainView::new(&app, &domain::delete(&control, &app, &which).await?)))
}
