//! `apps:transfer` and what follows from it: handing an app over.

use crate::args::{Bare, OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// Handing apps over.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Offer an app to somebody, or hand it over to a team
    #[command(name = "apps:transfer", alias = "sharing:transfer")]
    Transfer(Transfer),
    /// List the apps that are offered to you, or by you
    #[command(name = "apps:transfers")]
    List(Bare),
    /// Take an app that is offered to you
    #[command(name = "apps:transfer:accept")]
    Accept(One),
    /// Refuse an app that is offered to you
    #[command(name = "apps:transfer:decline")]
    Decline(One),
    /// Take an offer back
    #[command(name = "apps:transfer:cancel")]
    Cancel(One),
}

/// What `apps:transfer` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Transfer {
    /// An e-mail, or the name of a team that you are in
    recipient: String,
    /// Lock the app: the team's members may only look until they are added
    #[arg(short, long)]
    locked: bool,
    #[command(flatten)]
    on: OnApp,
}

/// Which offer.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// The app, or the offer's id
    #[arg(value_name = "APP")]
    which: String,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct App {
    name: String,
    team: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Offer {
    id: String,
    app: Named,
    owner: Person,
    recipient: Person,
    state: String,
    created_at: String,
}

#[derive(Deserialize)]
struct Person {
    email: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Transfer(args) => args.on.print,
            Self::List(args) => args.print,
            Self::Accept(args) | Self::Decline(args) | Self::Cancel(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Transfer(args) => transfer(session, &args).await,
            Self::List(_) => list(session).await,
            Self::Accept(args) => answer(session, &args, "Accepting", "accepted").await,
            Self::Decline(args) => answer(session, &args, "Declining", "declined").await,
            Self::Cancel(args) => cancel(session, &args).await,
        }
    }
}

fn offer_path(which: &str) -> String {
    format!("/account/app-transfers/{}", segment(which))
}

/// A personal app is offered to a person, who has to accept; from a team and to a team it goes at once.
async fn transfer(session: &mut Session<'_>, args: &Transfer) -> Result<(), CliError> {
    let chosen = session.app(&args.on)?;
    let app: App = session.client.read(&session.client.get(&chosen.path("")).await?)?;
    let (name, to) = (&app.name, &args.recipient);
    let to_person = to.contains('@');
    if args.locked && to_person {
        return Err(CliError::usage("Only a team's app can be locked.", "Leave --locked out, or name a team."));
    }
    let what = format!("Transferring {} to {to}", session.console.app_note(name));
    session.console.begin(&what)?;
    if to_person && app.team.is_none() {
        let answer = session.client.post("/account/app-transfers", &json!({ "app": name, "recipient": to })).await?;
        session.done("offered", &answer)?;
        let next = format!("They take it with `flowline apps:transfer:accept {name}`");
        return session
            .console
            .note(&format!("      {next}; `flowline apps:transfer:cancel {name}` takes the offer back."));
    }
    let path = format!("/teams{}", chosen.path(""));
    let mut answer = session.client.patch(&path, &json!({ "owner": to })).await?;
    if args.locked {
        answer = session.client.patch(&path, &json!({ "locked": true })).await?;
    }
    session.done("done", &answer)
}

async fn list(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/account/app-transfers").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let offers: Vec<Offer> = session.client.read(&answer)?;
    if offers.is_empty() {
        return session.console.line("No app is offered to you, and none by you.");
    }
    session.console.head("App Transfers")?;
    let now = (session.env.now)();
    let row = |one: Offer| {
        vec![
            Cell(one.app.name, Some(Paint::App)),
            Cell(format!("{} → {}", one.owner.email, one.recipient.email), None),
            Cell(one.state, Some(Paint::Name)),
            Cell(ago(&one.created_at, now), Some(Paint::Faint)),
            Cell(one.id, Some(Paint::Faint)),
        ]
    };
    let rows: Vec<Vec<Cell>> = offers.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn answer(session: &mut Session<'_>, args: &One, verb: &str, state: &str) -> Result<(), CliError> {
    let offer: Offer = session.client.read(&session.client.get(&offer_path(&args.which)).await?)?;
    let what = format!("{verb} {} from {}", session.console.app_note(&offer.app.name), offer.owner.email);
    session.console.begin(&what)?;
    let answer = session.client.patch(&offer_path(&offer.id), &json!({ "state": state })).await?;
    session.done("done", &answer)
}

async fn cancel(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let offer: Offer = session.client.read(&session.client.get(&offer_path(&args.which)).await?)?;
    let app = session.console.app_note(&offer.app.name);
    session.console.begin(&format!("Cancelling the transfer of {app} to {}", offer.recipient.email))?;
    let gone = session.client.delete(&offer_path(&offer.id)).await?;
    session.done("done", &gone)
}
