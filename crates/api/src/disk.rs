//! `/disk`: what uses how much of the server's disk. An extension of the Platform API.

use crate::error::ApiError;
use crate::platform::Caller;
use crate::views::disk::DiskView;
use axum::Json;
use axum::extract::State;
use control::Control;
use control::usage::{self, UsageError};

/// GET /disk - all kinds, and the caller's apps, the largest first.
pub(crate) async fn show(State(control): State<Control>, Caller(who): Caller) -> Result<Json<DiskView>, ApiError> {
    Ok(Json((&usage::measure(&control, &who).await?).into()))
}

impl From<UsageError> for ApiError {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Space(_) | UsageError::Store(_) => Self::internal(&error),
        }
    }
}
