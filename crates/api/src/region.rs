//! `/regions`, `/stacks` and `/generations`: what an app can be made in and on.

use crate::answer::Ranged;
use crate::error::ApiError;
use crate::range::{Field, Key};
use crate::views::region::{GenerationView, RegionView, StackView};
use axum::Json;
use axum::extract::Path;
use axum::response::Response;

const REGION_FIELDS: &[Field<RegionView>] =
    &[("name", |region| Key::Text(region.named.name.clone())), ("id", |region| Key::Text(region.named.id.to_string()))];
const STACK_FIELDS: &[Field<StackView>] =
    &[("name", |stack| Key::Text(stack.named.name.clone())), ("id", |stack| Key::Text(stack.named.id.to_string()))];
const GENERATION_FIELDS: &[Field<GenerationView>] =
    &[("name", |one| Key::Text(one.named.name.clone())), ("id", |one| Key::Text(one.named.id.to_string()))];

/// GET /regions - by name.
pub(crate) async fn list(range: Ranged) -> Result<Response, ApiError> {
    range.answer(RegionView::all(), REGION_FIELDS, Clone::clone)
}

/// GET /regions/{region} - by name or id.
pub(crate) async fn show(Path(which): Path<String>) -> Result<Json<RegionView>, ApiError> {
    let found = RegionView::all().into_iter().find(|region| region.named.is(&which));
    found.map(Json).ok_or_else(|| ApiError::not_found("region"))
}

/// GET /stacks and GET /apps/{app}/available-stacks - by name.
pub(crate) async fn stacks(range: Ranged) -> Result<Response, ApiError> {
    range.answer(StackView::all(), STACK_FIELDS, Clone::clone)
}

/// GET /stacks/{stack} - by name or id.
pub(crate) async fn stack(Path(which): Path<String>) -> Result<Json<StackView>, ApiError> {
    let found = StackView::all().into_iter().find(|stack| stack.named.is(&which));
    found.map(Json).ok_or_else(|| ApiError::not_found("stack"))
}

/// GET /generations and GET /teams/{team}/available-generations - the one that there is.
pub(crate) async fn generations(range: Ranged) -> Result<Response, ApiError> {
    range.answer(GenerationView::all(), GENERATION_FIELDS, Clone::clone)
}

/// GET /generations/{generation} - by name or id.
pub(crate) async fn generation(Path(which): Path<String>) -> Result<Json<GenerationView>, ApiError> {
    let found = GenerationView::all().into_iter().find(|one| one.named.is(&which));
    found.map(Json).ok_or_else(|| ApiError::not_found("generation"))
}
