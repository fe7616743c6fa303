//! `features`, `features:enable`, `features:disable`.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// The commands about features.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the features, and which are on
    #[command(name = "features", visible_alias = "labs", aliases = ["features:list", "labs:list"])]
    List(AppOnly),
    /// Switch a feature off
    #[command(name = "features:disable", visible_alias = "labs:disable")]
    Disable(OneFeature),
    /// Switch a feature on
    #[command(name = "features:enable", visible_alias = "labs:enable")]
    Enable(OneFeature),
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Disable(args) | Self::Enable(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Disable(args) => switch(session, args, false).await,
            Self::Enable(args) => switch(session, args, true).await,
        }
    }
}

/// What `features:enable` and `features:disable` take.
#[derive(Debug, Clone, clap::Args)]
pub struct OneFeature {
    /// Its name, as `flowline features` lists it
    feature: String,
    #[command(flatten)]
    on: OnApp,
}

/// What is read of a feature.
#[derive(Deserialize)]
struct Feature {
    name: String,
    description: String,
    enabled: bool,
}

/// All of them, the ones that are on with a plus.
async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
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
async fn switch(session: &mut Session<'_>, args: &OneFeature, enabled: bool) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let verb = if enabled { "Enabling" } else { "Disabling" };
    let what = format!("{verb} {} for {}", args.feature, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let path = app.path(&format!("/features/{}", segment(&args.feature)));
    let answer = session.client.patch(&path, &json!({ "enabled": enabled })).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}
