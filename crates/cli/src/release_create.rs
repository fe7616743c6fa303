//! `releases:create`: a release of a slug that is there already.

use crate::args::{OnApp, Override};
use crate::error::CliError;
use crate::release::{Release, see_through};
use crate::session::Session;
use serde_json::json;

/// What `releases:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// The slug's id (`flowline builds:info` shows it), also of another app
    slug: String,
    /// What the ledger says of it; without it, that the slug was deployed
    #[arg(short, long)]
    description: Option<String>,
    #[command(flatten)]
    untested: Override,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// Makes the release, and waits for its command.
pub(crate) async fn create(session: &mut Session<'_>, args: &Create) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let mut body = json!({ "slug": args.slug });
    if let Some(description) = &args.description {
        body["description"] = json!(description);
    }
    args.untested.put(&mut body);
    session.console.begin(&format!("Releasing to {}", session.console.app_note(&app.name)))?;
    let answer = session.client.post(&app.path("/releases"), &body).await?;
    let release: Release = session.client.read(&answer)?;
    session.console.end(&format!("done, v{}", release.version))?;
    let answer = see_through(session, &app, answer).await?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}
