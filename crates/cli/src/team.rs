//! `teams`, `teams:create`, `teams:rename`, `teams:destroy`.

use crate::args::{Bare, Print};
use crate::client::segment;
use crate::confirm::Loss;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// Teams.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the teams that you are in
    #[command(name = "teams", aliases = ["teams:list", "orgs"])]
    List(Bare),
    /// Make a team; you are its first admin
    #[command(name = "teams:create")]
    Create(Create),
    /// Give a team another name
    #[command(name = "teams:rename")]
    Rename(Rename),
    /// Destroy a team that has no apps
    #[command(name = "teams:destroy")]
    Destroy(Destroy),
}

/// What `teams:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// 3 to 30 lower-case letters, digits and dashes
    name: String,
    #[command(flatten)]
    print: Print,
}

/// What `teams:rename` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Rename {
    /// The team
    team: String,
    /// The name it gets
    #[arg(value_name = "NEWNAME")]
    to: String,
    #[command(flatten)]
    print: Print,
}

/// What `teams:destroy` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Destroy {
    /// The team
    team: String,
    /// Its name once more; without it you are asked
    #[arg(short, long, value_name = "TEAM")]
    confirm: Option<String>,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct Team {
    name: String,
    role: Option<String>,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.print,
            Self::Create(args) => args.print,
            Self::Rename(args) => args.print,
            Self::Destroy(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(_) => list(session).await,
            Self::Create(args) => create(session, &args).await,
            Self::Rename(args) => rename(session, &args).await,
            Self::Destroy(args) => destroy(session, &args).await,
        }
    }
}

/// `/teams/NAME` and what follows.
pub(crate) fn path(team: &str, rest: &str) -> String {
    format!("/teams/{}{rest}", segment(team))
}

async fn list(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/teams").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let teams: Vec<Team> = session.client.read(&answer)?;
    if teams.is_empty() {
        session.console.line("You are in no team.")?;
        return session.console.note("      `flowline teams:create NAME` makes one.");
    }
    session.console.head("Teams")?;
    let row =
        |one: Team| vec![Cell(one.name, Some(Paint::Name)), Cell(one.role.unwrap_or_default(), Some(Paint::Faint))];
    let rows: Vec<Vec<Cell>> = teams.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn create(session: &mut Session<'_>, args: &Create) -> Result<(), CliError> {
    session.console.begin(&format!("Creating the team {}", args.name))?;
    let answer = session.client.post("/teams", &json!({ "name": args.name })).await?;
    session.done("done", &answer)?;
    let add = format!("`flowline members:add EMAIL -t {}` adds people", args.name);
    session.console.note(&format!("      {add}; `flowline apps:create -t {}` makes an app of the team.", args.name))
}

async fn rename(session: &mut Session<'_>, args: &Rename) -> Result<(), CliError> {
    session.console.begin(&format!("Renaming the team {} to {}", args.team, args.to))?;
    let answer = session.client.patch(&path(&args.team, ""), &json!({ "name": args.to })).await?;
    session.done("done", &answer)
}

async fn destroy(session: &mut Session<'_>, args: &Destroy) -> Result<(), CliError> {
    let team: Team = session.client.read(&session.client.get(&path(&args.team, "")).await?)?;
    let warning = format!("This destroys the team {} and ends all memberships", team.name);
    Loss { name: &team.name, what: &warning }.confirmed(session, args.confirm.as_deref())?;
    session.console.begin(&format!("Destroying the team {}", team.name))?;
    let gone = session.client.delete(&path(&team.name, "")).await?;
    session.done("done", &gone)
}
