//! Log drains as clients see them.

use crate::views::AppRef;
use model::app::App;
use model::id::LogDrainId;
use model::log_drain::LogDrain;
use serde::{Deserialize, Serialize};

/// A log drain.
#[derive(Debug, Clone, Serialize)]
pub struct LogDrainView {
    id: LogDrainId,
    app: AppRef,
    token: String,
    url: String,
    addon: Option<()>,
    created_at: String,
    updated_at: String,
}

/// Body of `POST /apps/{app}/log-drains`.
#[derive(Debug, Deserialize)]
pub struct CreateLogDrain {
    /// Where lines are to go.
    pub url: String,
}

impl LogDrainView {
    /// A drain of `app`.
    #[must_use]
    pub fn new(app: &App, drain: &LogDrain) -> Self {
        Self {
            id: drain.id,
            app: app.into(),
            token: drain.token.clone(),
            url: drain.url.as_str().to_owned(),
            addon: None,
            created_at: drain.created_at.rfc3339(),
            updated_at: drain.updated_at.rfc3339(),
        }
    }
}
