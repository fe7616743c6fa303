//! A pre-authorization as clients see it.

use crate::views::AppRef;
use model::app::App;
use model::time::Timestamp;
use serde::Serialize;

/// An app that asks for no code until then (API-14).
#[derive(Debug, Clone, Serialize)]
pub struct PreAuthorizationView {
    app: AppRef,
    expires_at: String,
}

impl PreAuthorizationView {
    /// Of this app, until then.
    #[must_use]
    pub fn new(app: &App, until: Timestamp) -> Self {
        Self { app: app.into(), expires_at: until.rfc3339() }
    }
}
