//! `drains`, `drains:add`, `drains:remove`.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::console::Cell;
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// The commands about log drains.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DrainCommand {
    /// List where an app's log is sent
    #[command(name = "drains", alias = "drains:list")]
    List(AppOnly),
    /// Send an app's log to syslog://, syslog+tls://, http:// or https://
    #[command(name = "drains:add")]
    Add(OneDrain),
    /// Stop sending an app's log there
    #[command(name = "drains:remove", alias = "drains:delete")]
    Remove(OneDrain),
}

/// What `drains:add` and `drains:remove` take.
#[derive(Debug, Clone, clap::Args)]
pub struct OneDrain {
    /// The address; to remove one its token or id will do
    url: String,
    #[command(flatten)]
    on: OnApp,
}

/// What is read of a drain.
#[derive(Deserialize)]
struct Drain {
    url: String,
    token: String,
}

impl DrainCommand {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Add(args) | Self::Remove(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Add(args) => add(session, args).await,
            Self::Remove(args) => remove(session, args).await,
        }
    }
}

async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.all(&app.path("/log-drains")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let drains: Vec<Drain> = session.client.read(&answer)?;
    if drains.is_empty() {
        let line = format!("{} has no log drains.", session.console.app(&app.name));
        return session.console.line(&line);
    }
    session.console.head("Drains")?;
    let row = |drain: Drain| vec![Cell(drain.url, None), Cell(format!("({})", drain.token), None)];
    let rows: Vec<Vec<Cell>> = drains.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn add(session: &mut Session<'_>, args: &OneDrain) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.post(&app.path("/log-drains"), &json!({ "url": args.url })).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let drain: Drain = session.client.read(&answer)?;
    session.console.line(&format!("Successfully added drain {}", drain.url))
}

async fn remove(session: &mut Session<'_>, args: &OneDrain) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let gone = session.client.delete(&app.path(&format!("/log-drains/{}", segment(&args.url)))).await?;
    if session.console.is_json() {
        return session.console.json(&gone);
    }
    let drain: Drain = session.client.read(&gone)?;
    session.console.line(&format!("Successfully removed drain {}", drain.url))
}
