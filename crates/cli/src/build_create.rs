//! `builds:create`: a build that is asked for by API, of a commit of this folder or of an archive elsewhere.

use crate::args::{OnApp, Override};
use crate::build;
use crate::ci_source;
use crate::error::CliError;
use crate::session::Session;
use serde_json::{Value, json};

/// What `builds:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// The address of a tar.gz; without it, the last commit of this folder
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
    /// What the source is called; without it, the commit
    #[arg(long)]
    version: Option<String>,
    #[command(flatten)]
    untested: Override,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// Begins a build and prints it to its end, as a push does.
pub(crate) async fn create(session: &mut Session<'_>, args: &Create) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let source = match &args.source_url {
        Some(url) => json!({ "url": url, "version": args.version }),
        None => committed(session, args.version.as_deref()).await?,
    };
    let mut body = json!({ "source_blob": source });
    args.untested.put(&mut body);
    session.console.begin(&format!("Building {}", session.console.app_note(&app.name)))?;
    let answer = session.client.post(&app.path("/builds"), &body).await?;
    session.console.end("begun")?;
    build::see_through(session, &app, answer).await
}

/// The last commit of this folder, uploaded.
async fn committed(session: &mut Session<'_>, version: Option<&str>) -> Result<Value, CliError> {
    let head = ci_source::head(&session.env.cwd)?;
    let url = ci_source::upload(session, &head.sha).await?;
    let subject = head.message.lines().next().unwrap_or_default();
    Ok(json!({ "url": url, "version": version.unwrap_or(&head.sha), "version_description": subject }))
}
