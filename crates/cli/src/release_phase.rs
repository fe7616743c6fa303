//! `releases:retry`, `releases:abort`, `releases:phase`.

use crate::args::OnApp;
use crate::client::segment;
use crate::error::CliError;
use crate::release::{OneRelease, Release, one, see_through};
use crate::session::Session;
use crate::verification::{Seconds, seconds};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What `releases:retry` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Retry {
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `releases:phase` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Phase {
    /// Seconds that a release command may run, or default
    #[arg(long, value_name = "SECONDS|default", value_parser = seconds)]
    timeout: Option<Seconds>,
    /// May two release commands of the app run at once? Else one waits for the other
    #[arg(long, value_name = "on|off", value_parser = switch)]
    concurrent: Option<bool>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

#[derive(Deserialize)]
struct Setting {
    timeout: u64,
    concurrent: bool,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    process_type: String,
}

/// The newest release's code once more, with its release command (RELPH-43).
pub(crate) async fn retry(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let entries = Value::Array(session.client.all(&app.path("/formation")).await?);
    let entries: Vec<Entry> = session.client.read(&entries)?;
    if !entries.iter().any(|entry| entry.process_type == "release") {
        let next = "Add a line `release: <command>` to its Procfile and push.";
        return Err(CliError::failed("App must have a release-phase command to use this command.", next));
    }
    let newest = session.client.page(&app.path("/releases"), "version ..; order=desc,max=1").await?;
    let none = || CliError::missing(format!("{} has no releases.", app.name), "Push code first.");
    let newest = newest.into_iter().next().ok_or_else(none)?;
    let slug = newest["slug"]["id"].as_str().ok_or_else(none)?.to_owned();
    let old: Release = session.client.read(&newest)?;
    session.console.begin(&format!("Retrying v{} on {}", old.version, session.console.app_note(&app.name)))?;
    let body = json!({ "slug": slug, "description": format!("Retry of v{}: {}", old.version, old.description) });
    let answer = session.client.post(&app.path("/releases"), &body).await?;
    let release: Release = session.client.read(&answer)?;
    session.console.end(&format!("done, v{}", release.version))?;
    let answer = see_through(session, &app, answer).await?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// Ends a release that is not decided.
pub(crate) async fn abort(session: &mut Session<'_>, args: &OneRelease) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (_, release) = one(session, &app, args.release.as_deref()).await?;
    session.console.begin(&format!("Aborting v{} of {}", release.version, session.console.app_note(&app.name)))?;
    let path = app.path(&format!("/releases/{}/actions/abort", segment(&release.id)));
    let answer = session.client.post(&path, &json!({})).await?;
    let still_runs = answer["status"] == "pending";
    session.done(if still_runs { "its command is told to end" } else { "done" }, &answer)
}

/// How release commands run.
pub(crate) async fn phase(session: &mut Session<'_>, args: &Phase) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let mut body = Map::new();
    if let Some(Seconds(timeout)) = args.timeout {
        body.insert("timeout".to_owned(), json!(timeout));
    }
    if let Some(concurrent) = args.concurrent {
        body.insert("concurrent".to_owned(), json!(concurrent));
    }
    let path = app.path("/release-phase");
    let answer = if body.is_empty() {
        session.client.get(&path).await?
    } else {
        session.client.patch(&path, &Value::Object(body)).await?
    };
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let Setting { timeout, concurrent } = session.client.read(&answer)?;
    let order = if concurrent { "two may run at once" } else { "one waits for the other" };
    let name = session.console.app(&app.name);
    session.console.line(&format!("Release commands of {name} run for {timeout} seconds at most; {order}"))
}
