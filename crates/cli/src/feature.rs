//! `features`, `features:enable`, `features:disable`.

use crate::args::OnApp;
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// What `features:enable` and `features:disable` take.
#[derive(Debug, Clone, clap::Args)]
pub struct OneFeature {
    /// Its name, as `flowline features` lists it
    feature: String,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What is read of a feature.
#[derive(Deserialize)]
struct Feature {
    name: String,
    description: String,
    enabled: bool,
}

/// All of them, the ones that are on with a plus.
pub(crate) async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.all(&app.path("/features")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let features: Vec<Feature> = session.client.read(&answer)?;
    let head = format!("App Features {}", session.console.app(&app.name));
    session.console.head(&head)?;
    let row = |feature: Feature| {
        let (mark, paint) = if feature.enabled { ("[+]", Some(Paint::Good)) } else { ("[ ]", None) };
        vec![Cell(format!("{mark} {}", feature.name), paint), Cell(feature.description, None)]
    };
    let rows: Vec<Vec<Cell>> = features.into_iter().map(row).collect();
    session.console.table(&rows)
}

/// Switches one.
pub(crate) async fn switch(session: &mut Session<'_>, args: &OneFeature, enabled: bool) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let verb = if enabled { "Enabling" } else { "Disabling" };
    let what = format!("{verb} {} for {}", args.feature, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let path = app.path(&format!("/features/{}", segment(&args.feature)));
    let answer = session.client.patch(&path, &json!({ "enabled": enabled })).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}
