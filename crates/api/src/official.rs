//! What only the official command line needs, by its own name in `User-Agent`: where it asks without a pause, and which
//! addresses it can open.

use crate::door::Door;
use crate::link::Links;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use std::time::Duration;

/// How it names itself.
const AGENT: &str = "heroku-cli/";

/// It asks for a test run's state in a loop without a pause: an answer that changes nothing waits for so long. Its rate limit
/// lasts for hours then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How often is looked meanwhile.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// Is it the one that asks?
pub(crate) fn asks(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(AGENT.as_bytes()))
}

/// Addresses of streams that it opens with `node:https`, which knows no other scheme.
pub(crate) fn links(headers: &HeaderMap, links: Links, door: &Door) -> Links {
    match door.tls {
        Some(listens) if asks(headers) && !links.api().starts_with("https:") => Links::new(&links.secure(listens)),
        Some(_) | None => links,
    }
}
