//! `/apps/{app}/releases`: list, show, release a slug, roll back; and what a release command prints.

use crate::answer::{Created, Ranged, Warned};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::output;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::app::NameOrObject;
use crate::views::receipt::ReceiptView;
use crate::views::release::{CreateRelease, ReleaseIdentity, ReleaseView};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use control::Control;
use control::release::{self, ReleaseDetail};
use model::id::ReleaseId;
use model::release::{Release, ReleaseStatus};

/// As the push says it (RELPH-45).
const DECLARED: &str = "Release command declared: this new release will not be available until the command succeeds.";

const FIELDS: &[Field<ReleaseDetail>] = &[
    ("version", |detail| Key::Number(detail.release.version)),
    ("id", |detail| Key::Text(detail.release.id.to_string())),
];

/// GET /apps/{app}/releases - by version, ascending (RLS-9).
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let newest = range.0.newest_by("version");
    let details = release::list(&control, &app, newest).await?;
    range.answer(details, FIELDS, |detail| ReleaseView::new(&app, detail, &links))
}

/// GET /apps/{app}/releases/{release} - by id or version (RLS-10).
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    links: Links,
) -> Result<Json<ReleaseView>, ApiError> {
    let detail = release::find(&control, &app, &which).await?;
    Ok(Json(ReleaseView::new(&app, &detail, &links)))
}

/// GET /apps/{app}/releases/{release}/receipt - what requests met while it took over; 404 when it never did, or no server
/// lived to see it. An extension.
pub(crate) async fn receipt(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
) -> Result<Json<ReceiptView>, ApiError> {
    let (detail, receipt) = control::receipt::of(&control, &app, &which).await?;
    let receipt = receipt.ok_or_else(|| ApiError::not_found("receipt"))?;
    Ok(Json(ReceiptView::new(&detail, &receipt)))
}

/// POST /apps/{app}/releases - from a slug, or back to an earlier release (RLS-5); 201 with the new one, and with a
/// `Warning-Message` when it waits for its release command (RELPH-46a).
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    JsonBody(body): JsonBody<CreateRelease>,
) -> Result<Warned<Created<ReleaseView>>, ApiError> {
    let to = body.release.map(ReleaseIdentity::into_text);
    let detail = match (body.slug.map(NameOrObject::into_text), to) {
        (Some(_), Some(_)) => {
            let message = "Send `slug` (release this code) or `release` (go back to that release), not both";
            return Err(ApiError::invalid_params(message));
        }
        (Some(slug), None) => {
            let slug = slug.parse().map_err(|_| ApiError::not_found("slug"))?;
            release::create_from_slug(&control, &app, slug, body.description, body.reason.as_deref()).await?
        }
        (None, Some(to)) => release::rollback(&control, &app, Some(&to)).await?,
        (None, None) => {
            let message = "Send `slug` (release this code) or `release` (go back to that release)";
            return Err(ApiError::invalid_params(message));
        }
    };
    let warning = release_command(&detail.release);
    Ok(Warned { answer: Created(ReleaseView::new(&app, &detail, &links)), warning })
}

/// What a client is told whose release waits for its release command.
pub(crate) fn release_command(release: &Release) -> Option<&'static str> {
    (release.status == ReleaseStatus::Pending).then_some(DECLARED)
}

/// GET /streams/releases/{release}/{secret} - what its command prints, to the end (RELPH-40).
pub(crate) async fn stream(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: ReleaseId = id.parse().map_err(|_| ApiError::not_found("release"))?;
    let reader = release::output(&control, id, &secret).await?;
    output::follow(&headers, reader)
}
