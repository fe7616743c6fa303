//! `/sources`: a place to put an archive that a build is then made from.

use crate::answer::Created;
use crate::blob;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::Caller;
use crate::views::source::SourceView;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use control::Control;
use control::source;
use model::id::SourceId;
use model::source::SOURCE_SIZE_LIMIT_BYTES;

/// POST /sources - 201 with its two addresses (BLD-3). Clients send no body and no `Content-Type` (CLI-2).
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
) -> Result<Created<SourceView>, ApiError> {
    let source = source::create(&control, &who).await?;
    Ok(Created(SourceView::new(&source, &links)))
}

/// PUT /sources/{source}/{secret} - the archive; the address is the credential (CLI-33).
pub(crate) async fn put_blob(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    body: Body,
) -> Result<Json<blob::Stored>, ApiError> {
    source::put(&control, parse(&id)?, &secret, blob::incoming(body, SOURCE_SIZE_LIMIT_BYTES)?).await?;
    Ok(Json(blob::Stored {}))
}

/// GET /sources/{source}/{secret}.
pub(crate) async fn get_blob(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    Ok(blob::outgoing(source::get(&control, parse(&id)?, &secret).await?))
}

fn parse(id: &str) -> Result<SourceId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found("source"))
}
