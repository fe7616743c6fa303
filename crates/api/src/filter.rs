//! `/filters/apps`: many apps by their ids in one request.

use crate::answer::Ranged;
use crate::app::FIELDS;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::Caller;
use crate::views::app::{AppView, FilterApps};
use axum::extract::State;
use axum::response::Response;
use control::{Control, app};

/// POST /filters/apps - those of the ids that the caller may see; a list like `GET /apps`.
pub(crate) async fn apps(
    State(control): State<Control>,
    Caller(who): Caller,
    links: Links,
    range: Ranged,
    JsonBody(body): JsonBody<FilterApps>,
) -> Result<Response, ApiError> {
    let wanted = body.among.id;
    let is_wanted = |detail: &app::AppDetail| wanted.contains(&detail.app.id.to_string());
    let details = app::list(&control, &who).await?.into_iter().filter(is_wanted).collect();
    range.answer(details, FIELDS, |detail| AppView::new(detail, &links))
}
