//! The log session as clients see it, and what they ask for.

use crate::link::Links;
use control::log_session::LogSession;
use model::id::LogSessionId;
use serde::{Deserialize, Serialize};

/// An address where log lines can be read (LOG-10).
#[derive(Debug, Clone, Serialize)]
pub struct LogSessionView {
    id: LogSessionId,
    logplex_url: String,
    created_at: String,
    updated_at: String,
}

impl LogSessionView {
    /// The session with its address.
    #[must_use]
    pub fn new(session: &LogSession, links: &Links) -> Self {
        let logplex_url = links.log_session(session.id, &session.secret);
        let at = session.created_at.rfc3339();
        Self { id: session.id, logplex_url, created_at: at.clone(), updated_at: at }
    }
}

/// Body of `POST /apps/{app}/log-sessions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateLogSession {
    /// `web.1`, or `web` for all of them.
    pub dyno: Option<String>,
    /// The same under its other name.
    pub dyno_name: Option<String>,
    /// A process type: the same as `dyno` with a type's name.
    #[serde(rename = "type")]
    pub process_type: Option<String>,
    /// Lines of backlog.
    pub lines: Option<u32>,
    /// `app` or `heroku`.
    pub source: Option<String>,
    /// Keep sending new lines.
    pub tail: Option<bool>,
}
