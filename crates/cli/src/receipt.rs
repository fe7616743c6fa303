//! The receipt of a deploy, in `releases:info`.

use crate::client::segment;
use crate::error::CliError;
use crate::session::{Chosen, Session};
use serde::Deserialize;

/// What requests met while a release took over.
#[derive(Deserialize)]
struct Receipt {
    requests: u64,
    in_flight: u64,
    held: u64,
    failed: u64,
    cut_over_ms: f64,
}

/// In one line; `None` when the release never took over, or nobody watched.
pub(crate) async fn of(session: &Session<'_>, app: &Chosen, release: &str) -> Result<Option<String>, CliError> {
    let path = app.path(&format!("/releases/{}/receipt", segment(release)));
    let answer = match session.client.get(&path).await {
        Err(CliError::Refused { status: 404, .. }) => return Ok(None),
        answer => answer?,
    };
    let Receipt { requests, in_flight, held, failed, cut_over_ms } = session.client.read(&answer)?;
    Ok(Some(format!(
        "{requests} requests: {in_flight} in flight at the switch, {held} held, {failed} failed; cut over in {cut_over_ms} ms"
    )))
}
