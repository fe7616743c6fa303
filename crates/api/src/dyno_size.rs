//! `/dyno-sizes`: what a dyno of each size may use.

use crate::answer::Ranged;
use crate::error::ApiError;
use crate::range::{Field, Key};
use crate::views::dyno_size::DynoSizeView;
use axum::Json;
use axum::extract::Path;
use axum::response::Response;

const FIELDS: &[Field<DynoSizeView>] =
    &[("name", |size| Key::Text(size.named.name.clone())), ("id", |size| Key::Text(size.named.id.to_string()))];

/// GET /dyno-sizes and GET /apps/{app}/available-dyno-sizes - by name.
pub(crate) async fn list(range: Ranged) -> Result<Response, ApiError> {
    range.answer(DynoSizeView::all(), FIELDS, Clone::clone)
}

/// GET /dyno-sizes/{size} - by name in any case, or by id.
pub(crate) async fn show(Path(which): Path<String>) -> Result<Json<DynoSizeView>, ApiError> {
    DynoSizeView::find(&which).map(Json).ok_or_else(|| ApiError::not_found("dyno_size"))
}
