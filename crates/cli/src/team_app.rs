//! `apps`, and what a team's apps have more: `apps:lock`, `apps:unlock`, `apps:join`, `apps:leave`.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use crate::team;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One's own apps and the teams'.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List your apps and your teams'
    #[command(name = "apps", visible_alias = "apps:list", alias = "list")]
    List(List),
    /// Let a team's members only look at an app, until they are added
    #[command(name = "apps:lock", visible_alias = "lock")]
    Lock(AppOnly),
    /// Let a team's members use an app without being added
    #[command(name = "apps:unlock", visible_alias = "unlock")]
    Unlock(AppOnly),
    /// Add yourself to a team's app
    #[command(name = "apps:join", visible_alias = "join")]
    Join(AppOnly),
    /// Remove yourself from an app
    #[command(name = "apps:leave", visible_alias = "leave")]
    Leave(AppOnly),
}

/// What `apps` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// Only the apps of this team
    #[arg(short, long)]
    team: Option<String>,
    /// Only those of no team
    #[arg(short, long, conflicts_with = "team")]
    personal: bool,
    /// The teams' too, which is so without it
    #[arg(short = 'A', long, conflicts_with_all = ["team", "personal"])]
    all: bool,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct App {
    name: String,
    owner: Owner,
    team: Option<Named>,
}

#[derive(Deserialize)]
struct Owner {
    email: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.print,
            Self::Lock(args) | Self::Unlock(args) | Self::Join(args) | Self::Leave(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args).await,
            Self::Lock(args) => set_lock(session, &args.on, true).await,
            Self::Unlock(args) => set_lock(session, &args.on, false).await,
            Self::Join(args) => join(session, &args.on).await,
            Self::Leave(args) => leave(session, &args.on).await,
        }
    }
}

/// Those of no team first, then team by team.
async fn list(session: &mut Session<'_>, args: &List) -> Result<(), CliError> {
    let path = args.team.as_ref().map_or_else(|| "/apps".to_owned(), |team| team::path(team, "/apps"));
    let mut all = session.client.all(&path).await?;
    all.retain(|app| args.all || !args.personal || app["team"].is_null());
    let answer = Value::Array(all);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let apps: Vec<App> = session.client.read(&answer)?;
    if apps.is_empty() {
        let (who, flag) = match &args.team {
            Some(team) => (format!("The team {team} has"), format!(" -t {team}")),
            None => ("You have".to_owned(), String::new()),
        };
        session.console.line(&format!("{who} no apps."))?;
        return session.console.note(&format!("      `flowline apps:create NAME{flag}` makes one."));
    }
    let mut groups: BTreeMap<Option<String>, Vec<App>> = BTreeMap::new();
    for app in apps {
        groups.entry(app.team.as_ref().map(|team| team.name.clone())).or_default().push(app);
    }
    for (index, (team, apps)) in groups.into_iter().enumerate() {
        if index > 0 {
            session.console.line("")?;
        }
        show(session, team.as_deref(), apps)?;
    }
    Ok(())
}

/// With the owners where there are several.
fn show(session: &mut Session<'_>, team: Option<&str>, mut apps: Vec<App>) -> Result<(), CliError> {
    session.console.head(&team.map_or_else(|| "Apps".to_owned(), |team| format!("Apps in the team {team}")))?;
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    let several = apps.windows(2).any(|pair| pair[0].owner.email != pair[1].owner.email);
    let row = |app: App| {
        let owner = if several { app.owner.email } else { String::new() };
        vec![Cell(app.name, None), Cell(owner, Some(Paint::Faint))]
    };
    let rows: Vec<Vec<Cell>> = apps.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn set_lock(session: &mut Session<'_>, on: &OnApp, locked: bool) -> Result<(), CliError> {
    let app = session.app(on)?;
    let path = format!("/teams{}", app.path(""));
    let before = session.client.get(&path).await?;
    if before["team"].is_null() {
        let next = format!("`flowline apps:transfer TEAM -a {}` hands it over to one.", app.name);
        return Err(CliError::usage(format!("{} belongs to no team, so there is nobody to lock out.", app.name), next));
    }
    let what = format!("{} {}", if locked { "Locking" } else { "Unlocking" }, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    if before["locked"] == locked {
        return session.done(if locked { "it is locked already" } else { "it is not locked" }, &before);
    }
    let answer = session.client.patch(&path, &json!({ "locked": locked })).await?;
    session.done("done", &answer)
}

async fn join(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let email = own_email(session).await?;
    let what = format!("Joining {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer =
        session.client.post(&format!("/teams{}", app.path("/collaborators")), &json!({ "user": email })).await?;
    session.done("done", &answer)
}

async fn leave(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let email = own_email(session).await?;
    let what = format!("Leaving {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let gone = session.client.delete(&app.path(&format!("/collaborators/{}", segment(&email)))).await?;
    session.done("done", &gone)
}

async fn own_email(session: &Session<'_>) -> Result<String, CliError> {
    let owner: Owner = session.client.read(&session.client.get("/account").await?)?;
    Ok(owner.email)
}
