//! `/apps/{app}/slugs`: announce one's own slug, upload it, fetch it.

use crate::answer::Created;
use crate::blob;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::ForApp;
use crate::views::app::NameOrObject;
use crate::views::slug::{CreateSlug, SlugView};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::slug::{self, NewSlug};
use model::id::SlugId;
use model::slug::SLUG_LIMIT_BYTES;

/// POST /apps/{app}/slugs - 201 with the address to upload to (BLD-15).
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    JsonBody(body): JsonBody<CreateSlug>,
) -> Result<Created<SlugView>, ApiError> {
    let new = NewSlug {
        process_types: body.process_types,
        checksum: body.checksum,
        commit: body.commit,
        commit_description: body.commit_description,
        buildpack: body.buildpack_provided_description,
        stack: body.stack.map(NameOrObject::into_text),
    };
    let slug = slug::create(&control, &app, new).await?;
    Ok(Created(SlugView::to_upload(&slug, &links)))
}

/// GET /apps/{app}/slugs/{slug}.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, id)): Path<(String, String)>,
    links: Links,
) -> Result<Json<SlugView>, ApiError> {
    let slug = slug::find(&control, &app, parse(&id)?).await?;
    Ok(Json(SlugView::to_download(&slug, &links)))
}

/// PUT /blobs/slugs/{slug}/{secret} - the archive; the address is the credential (CLI-33).
pub(crate) async fn put_blob(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    body: Body,
) -> Result<Json<blob::Stored>, ApiError> {
    slug::put_blob(&control, parse(&id)?, &secret, blob::incoming(body, SLUG_LIMIT_BYTES)?).await?;
    Ok(Json(blob::Stored {}))
}

/// GET /blobs/slugs/{slug}/{secret}.
pub(crate) async fn get_blob(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    Ok(blob::outgoing(slug::get_blob(&control, parse(&id)?, &secret).await?))
}

fn parse(id: &str) -> Result<SlugId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found("slug"))
}
