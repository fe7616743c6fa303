//! `authorizations` and `sessions`: the tokens of one's account. A session is one that was got for a password.

use crate::args::{Bare, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::{after, ago};
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// Tokens.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List your tokens
    #[command(name = "authorizations", alias = "authorizations:list")]
    List(Bare),
    /// Make a token, and print it once
    #[command(name = "authorizations:create")]
    Create(Create),
    /// Show what a token is for
    #[command(name = "authorizations:info")]
    Show(One),
    /// Say what a token is for
    #[command(name = "authorizations:update")]
    Update(Update),
    /// Give an authorization another token, and print it once; the one before ends
    #[command(name = "authorizations:rotate")]
    Rotate(One),
    /// End a token
    #[command(name = "authorizations:revoke", alias = "authorizations:destroy")]
    Revoke(One),
    /// List your logins with a password
    #[command(name = "sessions", alias = "sessions:list")]
    Sessions(Bare),
    /// End a login
    #[command(name = "sessions:destroy")]
    EndSession(One),
}

/// What `authorizations:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// What it is for
    #[arg(short, long)]
    description: Option<String>,
    /// What it may be used for: global, identity, read, write, read-protected and write-protected, separated by commas;
    /// without it all that your own token may
    #[arg(short, long, value_delimiter = ',')]
    scope: Vec<String>,
    /// How long it is good; without it until it is revoked
    #[arg(short, long, value_name = "SECONDS")]
    expires_in: Option<u64>,
    /// Print the token only
    #[arg(short = 'S', long, conflicts_with = "json")]
    short: bool,
    #[command(flatten)]
    print: Print,
}

/// Which one.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its id, as the list has it
    id: String,
    #[command(flatten)]
    print: Print,
}

/// What `authorizations:update` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Update {
    /// Its id, as the list has it
    id: String,
    /// What it is for
    #[arg(short, long)]
    description: String,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct Authorization {
    id: String,
    description: Option<String>,
    scope: Vec<String>,
    access_token: Option<Token>,
    client: Option<Client>,
    session: Option<Value>,
    updated_at: String,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Client {
    name: String,
}

#[derive(Deserialize)]
struct Login {
    id: String,
    description: String,
    expires_in: Option<u64>,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) | Self::Sessions(args) => args.print,
            Self::Create(args) => args.print,
            Self::Update(args) => args.print,
            Self::Show(args) | Self::Rotate(args) | Self::Revoke(args) | Self::EndSession(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(_) => list(session).await,
            Self::Create(args) => create(session, &args).await,
            Self::Show(args) => {
                let answer = session.client.get(&path(&args.id)).await?;
                show(session, &answer)
            }
            Self::Update(args) => update(session, &args).await,
            Self::Rotate(args) => rotate(session, &args).await,
            Self::Revoke(args) => revoke(session, "Revoking the authorization", &path(&args.id), &args).await,
            Self::Sessions(_) => sessions(session).await,
            Self::EndSession(args) => {
                let path = format!("/oauth/sessions/{}", segment(&args.id));
                revoke(session, "Ending the session", &path, &args).await
            }
        }
    }
}

fn path(id: &str) -> String {
    format!("/oauth/authorizations/{}", segment(id))
}

async fn list(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/oauth/authorizations").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let all: Vec<Authorization> = session.client.read(&answer)?;
    let now = (session.env.now)();
    let row = |one: Authorization| {
        let ends = one.access_token.as_ref().and_then(|token| token.expires_in);
        let own = one.access_token.is_some_and(|token| token.token.is_some());
        let kind = if one.session.is_some() { "login" } else { "" };
        vec![
            Cell(one.description.unwrap_or_else(|| "(no description)".to_owned()), Some(Paint::Name)),
            Cell(one.id, None),
            Cell(one.scope.join(","), None),
            Cell(ends.map(|ends| format!("until {}", after(ends, now))).unwrap_or_default(), Some(Paint::Faint)),
            Cell(kind.to_owned(), Some(Paint::Faint)),
            Cell(if own { "this one" } else { "" }.to_owned(), Some(Paint::Good)),
        ]
    };
    let rows: Vec<Vec<Cell>> = all.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn create(session: &mut Session<'_>, args: &Create) -> Result<(), CliError> {
    let mut body = json!({ "description": args.description, "expires_in": args.expires_in });
    if !args.scope.is_empty() {
        body["scope"] = json!(args.scope);
    }
    session.console.begin("Creating an authorization")?;
    let answer = session.client.post("/oauth/authorizations", &body).await?;
    session.console.end("done")?;
    if args.short {
        let made: Authorization = session.client.read(&answer)?;
        return session.console.line(&made.access_token.and_then(|token| token.token).unwrap_or_default());
    }
    show(session, &answer)?;
    told_once(session)
}

fn told_once(session: &mut Session<'_>) -> Result<(), CliError> {
    session.console.flush()?;
    session.console.note("      The token is told only here; whoever has it needs no password.")
}

/// One with its token, where that is told.
fn show(session: &mut Session<'_>, answer: &Value) -> Result<(), CliError> {
    if session.console.is_json() {
        return session.console.json(answer);
    }
    let one: Authorization = session.client.read(answer)?;
    let now = (session.env.now)();
    let token = one.access_token.unwrap_or(Token { token: None, expires_in: None });
    let fields = [
        ("Client", one.client.map(|client| client.name)),
        ("Description", one.description),
        ("ID", Some(one.id)),
        ("Scope", Some(one.scope.join(","))),
        ("Token", token.token),
        ("Expires at", token.expires_in.map(|ends| after(ends, now))),
        ("Updated at", Some(ago(&one.updated_at, now))),
    ];
    let filled = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    session.console.fields(&filled.collect::<Vec<_>>())
}

async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    session.console.begin(&format!("Updating the authorization {}", args.id))?;
    let answer = session.client.patch(&path(&args.id), &json!({ "description": args.description })).await?;
    session.done("done", &answer)
}

async fn rotate(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    session.console.begin(&format!("Rotating the authorization {}", args.id))?;
    let path = format!("{}/actions/regenerate-tokens", path(&args.id));
    let answer = session.client.post(&path, &json!({})).await?;
    session.console.end("done")?;
    show(session, &answer)?;
    told_once(session)
}

async fn revoke(session: &mut Session<'_>, what: &str, path: &str, args: &One) -> Result<(), CliError> {
    session.console.begin(&format!("{what} {}", args.id))?;
    let gone = session.client.delete(path).await?;
    session.done("done", &gone)
}

async fn sessions(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/oauth/sessions").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let all: Vec<Login> = session.client.read(&answer)?;
    if all.is_empty() {
        return session.console.line("Nobody is logged in to your account with its password.");
    }
    let now = (session.env.now)();
    let row = |one: Login| {
        let ends = one.expires_in.map(|ends| format!("until {}", after(ends, now)));
        vec![
            Cell(one.description, Some(Paint::Name)),
            Cell(one.id, None),
            Cell(ends.unwrap_or_default(), Some(Paint::Faint)),
        ]
    };
    let rows: Vec<Vec<Cell>> = all.into_iter().map(row).collect();
    session.console.table(&rows)
}
