//! `regions`, `stack`, `stack:set`.

use crate::args::{AppOnly, Bare, OnApp, Print};
use crate::console::Cell;
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// The commands about where and on what apps run.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum RegionCommand {
    /// List the regions that apps can name
    #[command(name = "regions")]
    Regions(Bare),
    /// List the stacks, and which one an app has
    #[command(name = "stack", visible_alias = "apps:stacks")]
    Stacks(AppOnly),
    /// Choose the stack of the next build
    #[command(name = "stack:set", visible_alias = "apps:stacks:set")]
    Set(Set),
}

/// The stack of apps that run images.
const CONTAINER: &str = "container";

/// What `stack:set` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Set {
    /// Its name
    stack: String,
    #[command(flatten)]
    on: OnApp,
}

#[derive(Deserialize)]
struct Region {
    name: String,
    description: String,
}

#[derive(Deserialize)]
struct Stack {
    name: String,
}

impl RegionCommand {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Regions(args) => args.print,
            Self::Stacks(args) => args.on.print,
            Self::Set(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Regions(_) => regions(session).await,
            Self::Stacks(args) => stacks(session, &args.on).await,
            Self::Set(args) => set(session, args).await,
        }
    }
}

async fn regions(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/regions").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let regions: Vec<Region> = session.client.read(&answer)?;
    let row = |region: Region| vec![Cell(region.name, None), Cell(region.description, None)];
    let rows: Vec<Vec<Cell>> = regions.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn stacks(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let chosen = session.app(on)?;
    let app = session.client.get(&chosen.path("")).await?;
    let answer = Value::Array(session.client.all("/stacks").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let stacks: Vec<Stack> = session.client.read(&answer)?;
    let head = format!("{} Available Stacks", session.console.app(&chosen.name));
    session.console.head(&head)?;
    for stack in stacks {
        let mark = if app["build_stack"]["name"] == stack.name.as_str() { '*' } else { ' ' };
        session.console.line(&format!("{mark} {}", stack.name))?;
    }
    Ok(())
}

async fn set(session: &mut Session<'_>, args: &Set) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let what = format!("Setting stack to {} on {}", args.stack, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.patch(&app.path(""), &json!({ "build_stack": args.stack })).await?;
    session.console.end("done")?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    if args.stack == CONTAINER {
        return session
            .console
            .note("Push an image, then release it: flowline container:push web, flowline container:release web");
    }
    session.console.note("The next build takes it: git push flowline main")
}
