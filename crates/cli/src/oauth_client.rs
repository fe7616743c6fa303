//! `clients`: programs that ask people for tokens.

use crate::args::{Bare, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// OAuth clients.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List your OAuth clients
    #[command(name = "clients", alias = "clients:list")]
    List(Bare),
    /// Make an OAuth client, and print its secret once
    #[command(name = "clients:create", alias = "clients:register")]
    Create(Create),
    /// Show an OAuth client
    #[command(name = "clients:info")]
    Show(One),
    /// Change an OAuth client's name or address
    #[command(name = "clients:update")]
    Update(Update),
    /// Give an OAuth client another secret, and print it once
    #[command(name = "clients:rotate")]
    Rotate(One),
    /// Destroy an OAuth client; all tokens that it got end
    #[command(name = "clients:destroy")]
    Destroy(Destroy),
}

/// What `clients:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// What people see
    name: String,
    /// Where people are sent back to: https, or http on localhost
    redirect_uri: String,
    /// Print name=value lines that a shell can read
    #[arg(short, long, conflicts_with = "json")]
    shell: bool,
    #[command(flatten)]
    print: Print,
}

/// Which one.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its id, as `flowline clients` lists it
    id: String,
    /// Print name=value lines that a shell can read
    #[arg(short, long, conflicts_with = "json")]
    shell: bool,
    #[command(flatten)]
    print: Print,
}

/// What `clients:destroy` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Destroy {
    /// Its id, as `flowline clients` lists it
    id: String,
    #[command(flatten)]
    print: Print,
}

/// What `clients:update` takes.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "change", required = true, multiple = true, args = ["name", "url"])]
pub struct Update {
    /// Its id, as `flowline clients` lists it
    id: String,
    /// Another name
    #[arg(short, long)]
    name: Option<String>,
    /// Another address that people are sent back to
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct Client {
    id: String,
    name: String,
    redirect_uri: String,
    secret: Option<String>,
    updated_at: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.print,
            Self::Create(args) => args.print,
            Self::Show(args) | Self::Rotate(args) => args.print,
            Self::Update(args) => args.print,
            Self::Destroy(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(_) => list(session).await,
            Self::Create(args) => create(session, &args).await,
            Self::Show(args) => {
                let answer = session.client.get(&path(&args.id)).await?;
                show(session, &answer, args.shell)
            }
            Self::Update(args) => update(session, &args).await,
            Self::Rotate(args) => rotate(session, &args).await,
            Self::Destroy(args) => destroy(session, &args).await,
        }
    }
}

fn path(id: &str) -> String {
    format!("/oauth/clients/{}", segment(id))
}

async fn list(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/oauth/clients").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let all: Vec<Client> = session.client.read(&answer)?;
    if all.is_empty() {
        session.console.line("You have no OAuth clients.")?;
        return session.console.note("      `flowline clients:create NAME REDIRECT-URI` makes one.");
    }
    let row = |one: Client| vec![Cell(one.name, Some(Paint::Name)), Cell(one.id, None), Cell(one.redirect_uri, None)];
    let rows: Vec<Vec<Cell>> = all.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn create(session: &mut Session<'_>, args: &Create) -> Result<(), CliError> {
    session.console.begin(&format!("Creating the OAuth client {}", args.name))?;
    let body = json!({ "name": args.name, "redirect_uri": args.redirect_uri });
    let answer = session.client.post("/oauth/clients", &body).await?;
    session.console.end("done")?;
    show(session, &answer, args.shell)?;
    told_once(session)
}

fn told_once(session: &mut Session<'_>) -> Result<(), CliError> {
    session.console.flush()?;
    session.console.note("      The secret is told only here; `flowline clients:rotate ID` makes another.")
}

/// One with its secret, where that is told. The names for a shell are those that programs read already.
fn show(session: &mut Session<'_>, answer: &Value, shell: bool) -> Result<(), CliError> {
    if session.console.is_json() {
        return session.console.json(answer);
    }
    let one: Client = session.client.read(answer)?;
    if shell {
        session.console.line(&format!("HEROKU_OAUTH_ID={}", one.id))?;
        return match one.secret {
            Some(secret) => session.console.line(&format!("HEROKU_OAUTH_SECRET={secret}")),
            None => Ok(()),
        };
    }
    let now = (session.env.now)();
    let fields = [
        ("ID", Some(one.id)),
        ("Name", Some(one.name)),
        ("Redirect URI", Some(one.redirect_uri)),
        ("Secret", one.secret),
        ("Updated at", Some(ago(&one.updated_at, now))),
    ];
    let filled = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    session.console.fields(&filled.collect::<Vec<_>>())
}

async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    session.console.begin(&format!("Updating the OAuth client {}", args.id))?;
    let body = json!({ "name": args.name, "redirect_uri": args.url });
    let answer = session.client.patch(&path(&args.id), &body).await?;
    session.done("done", &answer)
}

async fn rotate(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    session.console.begin(&format!("Rotating the secret of the OAuth client {}", args.id))?;
    let answer = session.client.post(&format!("{}/actions/rotate-credentials", path(&args.id)), &json!({})).await?;
    session.console.end("done")?;
    show(session, &answer, args.shell)?;
    told_once(session)
}

async fn destroy(session: &mut Session<'_>, args: &Destroy) -> Result<(), CliError> {
    session.console.begin(&format!("Destroying the OAuth client {}", args.id))?;
    let gone = session.client.delete(&path(&args.id)).await?;
    session.done("done", &gone)
}
