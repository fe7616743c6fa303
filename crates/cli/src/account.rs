//! `accounts`: what operators do with the accounts of a server.

use crate::args::{Bare, Print};
use crate::client::segment;
use crate::confirm::Loss;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// The accounts of the server.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the accounts of the server (operators)
    #[command(name = "accounts", alias = "accounts:list")]
    List(Bare),
    /// Make an account, and print its password once (operators)
    #[command(name = "accounts:create", alias = "accounts:add")]
    Create(Create),
    /// Destroy an account that owns nothing (operators)
    #[command(name = "accounts:destroy")]
    Destroy(Destroy),
    /// Give an account another password, and print it once (operators)
    #[command(name = "accounts:reset-password")]
    ResetPassword(ResetPassword),
    /// Make an account an operator of the server, or not any more (operators)
    #[command(name = "accounts:operator")]
    Operator(Operator),
}

/// What `accounts:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// What they log in with
    email: String,
    /// What they are called
    #[arg(short, long)]
    name: Option<String>,
    #[command(flatten)]
    print: Print,
}

/// What `accounts:destroy` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Destroy {
    /// Whose
    email: String,
    /// The e-mail once more; without it you are asked
    #[arg(short, long, value_name = "EMAIL")]
    confirm: Option<String>,
    #[command(flatten)]
    print: Print,
}

/// What `accounts:reset-password` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct ResetPassword {
    /// Whose
    email: String,
    /// End their second factor too, for somebody who lost it
    #[arg(long)]
    two_factor_off: bool,
    #[command(flatten)]
    print: Print,
}

/// What `accounts:operator` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Operator {
    /// Whose
    email: String,
    /// They may make accounts and read the audit log
    #[arg(long, conflicts_with = "off", required_unless_present = "off")]
    on: bool,
    /// They may not
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct Account {
    email: String,
    name: Option<String>,
    #[serde(default)]
    operator: bool,
    two_factor_authentication: bool,
    last_login: Option<String>,
}

#[derive(Deserialize)]
struct WithPassword {
    email: String,
    password: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.print,
            Self::Create(args) => args.print,
            Self::Destroy(args) => args.print,
            Self::ResetPassword(args) => args.print,
            Self::Operator(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(_) => list(session).await,
            Self::Create(args) => create(session, &args).await,
            Self::Destroy(args) => destroy(session, &args).await,
            Self::ResetPassword(args) => reset_password(session, &args).await,
            Self::Operator(args) => operator(session, &args).await,
        }
    }
}

fn path(email: &str) -> String {
    format!("/accounts/{}", segment(email))
}

async fn list(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/accounts").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let accounts: Vec<Account> = session.client.read(&answer)?;
    session.console.head("Accounts")?;
    let now = (session.env.now)();
    let row = |one: Account| {
        let login = one.last_login.map_or_else(|| "never logged in".to_owned(), |at| ago(&at, now));
        vec![
            Cell(one.email, Some(Paint::Name)),
            Cell(one.name.unwrap_or_default(), None),
            Cell(if one.operator { "operator" } else { "" }.to_owned(), Some(Paint::App)),
            Cell(if one.two_factor_authentication { "2fa" } else { "" }.to_owned(), Some(Paint::Good)),
            Cell(login, Some(Paint::Faint)),
        ]
    };
    let rows: Vec<Vec<Cell>> = accounts.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn create(session: &mut Session<'_>, args: &Create) -> Result<(), CliError> {
    session.console.begin(&format!("Creating the account {}", args.email))?;
    let answer = session.client.post("/accounts", &json!({ "email": args.email, "name": args.name })).await?;
    tell(session, &answer)
}

/// The password, and whom to tell it.
fn tell(session: &mut Session<'_>, answer: &Value) -> Result<(), CliError> {
    session.done("done", answer)?;
    if session.console.is_json() {
        return Ok(());
    }
    let WithPassword { email, password } = session.client.read(answer)?;
    session.console.fields(&[("E-mail", email.clone()), ("Password", password)])?;
    session.console.flush()?;
    let url = &session.client.server.url;
    let next = format!(
        "      The password is told only here. Hand it to {email}, who types:\n        \
         flowline login --url {url} --email {email}\n        flowline passwd"
    );
    session.console.note(&next)
}

async fn destroy(session: &mut Session<'_>, args: &Destroy) -> Result<(), CliError> {
    let warning = format!("This destroys the account {} with its tokens and keys", args.email);
    Loss { name: &args.email, what: &warning }.confirmed(session, args.confirm.as_deref())?;
    session.console.begin(&format!("Destroying the account {}", args.email))?;
    let gone = session.client.delete(&path(&args.email)).await?;
    session.done("done", &gone)
}

async fn reset_password(session: &mut Session<'_>, args: &ResetPassword) -> Result<(), CliError> {
    session.console.begin(&format!("Giving {} another password", args.email))?;
    let body = if args.two_factor_off { json!({ "two_factor_authentication": false }) } else { json!({}) };
    let path = format!("{}/actions/reset-password", path(&args.email));
    let answer = session.client.post(&path, &body).await?;
    tell(session, &answer)
}

async fn operator(session: &mut Session<'_>, args: &Operator) -> Result<(), CliError> {
    let on = args.on && !args.off;
    let what = if on { "an operator" } else { "no operator any more" };
    session.console.begin(&format!("Making {} {what}", args.email))?;
    let answer = session.client.patch(&path(&args.email), &json!({ "operator": on })).await?;
    session.done("done", &answer)
}
