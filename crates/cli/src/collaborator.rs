//! `access`, `access:add`, `access:update`, `access:remove`: who may use an app.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::{Chosen, Session};
use serde::Deserialize;
use serde_json::{Value, json};

/// The people of an app.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List who may use an app, and what they may do
    #[command(name = "access", aliases = ["access:list", "sharing"])]
    List(AppOnly),
    /// Let somebody use an app
    #[command(name = "access:add", alias = "sharing:add")]
    Add(Add),
    /// Change what somebody may do with a team's app
    #[command(name = "access:update")]
    Update(Update),
    /// Take an app away from somebody
    #[command(name = "access:remove", alias = "sharing:remove")]
    Remove(Remove),
}

/// What `access:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    /// Who
    email: String,
    /// On a team's app: view, deploy, operate and manage, separated by commas; without it deploy and operate
    #[arg(short, long, value_delimiter = ',')]
    permissions: Vec<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `access:update` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Update {
    /// Who
    email: String,
    /// All that they may do from now on: view, deploy, operate and manage, separated by commas
    #[arg(short, long, value_delimiter = ',', required = true)]
    permissions: Vec<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `access:remove` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Remove {
    /// Who
    email: String,
    #[command(flatten)]
    on: OnApp,
}

#[derive(Deserialize)]
struct Collaborator {
    user: User,
    role: String,
    permissions: Vec<Permission>,
}

#[derive(Deserialize)]
struct User {
    email: String,
}

#[derive(Deserialize)]
struct Permission {
    name: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Add(args) => args.on.print,
            Self::Update(args) => args.on.print,
            Self::Remove(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Add(args) => add(session, &args).await,
            Self::Update(args) => update(session, &args).await,
            Self::Remove(args) => remove(session, &args).await,
        }
    }
}

/// The owner too.
async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.all(&app.path("/collaborators")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let all: Vec<Collaborator> = session.client.read(&answer)?;
    let head = format!("{} Access", session.console.app(&app.name));
    session.console.head(&head)?;
    let row = |one: Collaborator| {
        let permissions = one.permissions.into_iter().map(|permission| permission.name).collect::<Vec<_>>();
        vec![
            Cell(one.user.email, Some(Paint::Name)),
            Cell(one.role, None),
            Cell(permissions.join(", "), Some(Paint::Faint)),
        ]
    };
    let rows: Vec<Vec<Cell>> = all.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    begin(session, &format!("Adding {} access to", args.email), &app, &args.permissions)?;
    let mut body = json!({ "user": args.email });
    if !args.permissions.is_empty() {
        body["permissions"] = json!(args.permissions);
    }
    let answer = session.client.post(&app.path("/collaborators"), &body).await?;
    session.done("done", &answer)
}

async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    begin(session, &format!("Updating {} in", args.email), &app, &args.permissions)?;
    let path = format!("/teams{}", app.path(&format!("/collaborators/{}", segment(&args.email))));
    let answer = session.client.patch(&path, &json!({ "permissions": args.permissions })).await?;
    session.done("done", &answer)
}

async fn remove(session: &mut Session<'_>, args: &Remove) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    begin(session, &format!("Removing {} access from", args.email), &app, &[])?;
    let answer = session.client.delete(&app.path(&format!("/collaborators/{}", segment(&args.email)))).await?;
    session.done("done", &answer)
}

fn begin(session: &mut Session<'_>, what: &str, app: &Chosen, permissions: &[String]) -> Result<(), CliError> {
    let app = session.console.app_note(&app.name);
    let with = if permissions.is_empty() { String::new() } else { format!(" with {}", permissions.join(", ")) };
    session.console.begin(&format!("{what} {app}{with}"))
}
