//! `/apps/{app}/builds`: begin, list, show, cancel; the cache; and what a build prints.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::output;
use crate::platform::ForApp;
use crate::range::{Field, Key};
use crate::views::build::{BuildView, CreateBuild};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use control::Control;
use control::build::{self, BuildDetail};
use control::build_cancel;
use model::id::BuildId;

const FIELDS: &[Field<BuildDetail>] = &[
    ("created_at", |detail| Key::Number(detail.build.created_at.0)),
    ("id", |detail| Key::Text(detail.build.id.to_string())),
];

/// POST /apps/{app}/builds - 201 with the build; its output is streamed elsewhere (BLD-2).
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    JsonBody(body): JsonBody<CreateBuild>,
) -> Result<Created<BuildView>, ApiError> {
    let detail = build::create(&control, &app, body.source_blob.into(), body.reason.as_deref()).await?;
    Ok(Created(BuildView::new(&detail, &links)))
}

/// GET /apps/{app}/builds.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let details = build::list(&control, &app).await?;
    range.answer(details, FIELDS, |detail| BuildView::new(detail, &links))
}

/// GET /apps/{app}/builds/{build}.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, id)): Path<(String, String)>,
    links: Links,
) -> Result<Json<BuildView>, ApiError> {
    let detail = build::find(&control, &app, parse(&id)?).await?;
    Ok(Json(BuildView::new(&detail, &links)))
}

/// DELETE /apps/{app}/builds/{build} - cancels one that waits or runs (BLD-2); 200 with it, `failed` when nothing of it runs any more.
pub(crate) async fn cancel(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, id)): Path<(String, String)>,
    links: Links,
) -> Result<Json<BuildView>, ApiError> {
    let detail = build_cancel::cancel(&control, &app, parse(&id)?).await?;
    Ok(Json(BuildView::new(&detail, &links)))
}

/// DELETE /apps/{app}/build-cache - 200 with `{}` (CLI-20).
pub(crate) async fn purge_cache(
    State(control): State<Control>,
    ForApp(app): ForApp,
) -> Result<Json<serde_json::Map<String, serde_json::Value>>, ApiError> {
    build::purge_cache(&control, &app).await?;
    Ok(Json(serde_json::Map::new()))
}

/// GET /streams/builds/{build}/{secret} - what it prints, to the end; the address is the credential (CLI-33).
pub(crate) async fn stream(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reader = build::output(&control, parse(&id)?, &secret).await?;
    output::follow(&headers, reader)
}

fn parse(id: &str) -> Result<BuildId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found("build"))
}
