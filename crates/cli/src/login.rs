//! `login`, `logout`, `whoami`.

use crate::args::{Bare, Print};
use crate::client::Client;
use crate::credentials::{Credentials, Login as Stored};
use crate::error::CliError;
use crate::server::{Server, is_token, normal_url};
use crate::session::Session;
use crate::{secret, two_factor};
use rustix::system::uname;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// A login lasts 30 days, as with the platform's own command line.
const LOGIN_LIFE_S: u64 = 30 * 24 * 3600;

/// A host's name in the description of a login; more says nothing.
const HOST_LETTERS: usize = 64;

/// Coming and going.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Log in to a server with your e-mail and password, or with a token
    #[command(name = "login", visible_alias = "auth:login")]
    Login(Login),
    /// Forget the stored token; one that `login` got for a password ends too
    #[command(name = "logout", visible_alias = "auth:logout")]
    Logout(Bare),
    /// Print who you are on the server
    #[command(name = "auth:whoami", visible_alias = "whoami")]
    Whoami(Bare),
}

/// What `login` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Login {
    /// The server, for example https://flowline.example.com
    #[arg(long)]
    url: Option<String>,
    /// Your e-mail; the password is asked for, or the next line of stdin, and so is the code of a second factor
    #[arg(long, conflicts_with = "token")]
    email: Option<String>,
    /// The token; without it you are asked, or the first line of stdin is read: a token, or an e-mail that the password
    /// follows. Others on this machine can see arguments
    #[arg(long)]
    token: Option<String>,
    /// Ask for e-mail and password, not for a token
    #[arg(short, long, conflicts_with = "token")]
    interactive: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// What somebody comes with.
enum Credential {
    Token(String),
    Password { email: String, password: String },
}

/// What is read of `GET /account`.
#[derive(Deserialize)]
struct Account {
    email: String,
}

/// What is read of a new authorization.
#[derive(Deserialize)]
struct Made {
    access_token: Token,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Login(args) => args.print,
            Self::Logout(args) | Self::Whoami(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Login(args) => login(session, args).await,
            Self::Logout(_) => logout(session).await,
            Self::Whoami(_) => whoami(session).await,
        }
    }
}

/// Asks for what is missing, tries it, stores it.
async fn login(session: &mut Session<'_>, args: Login) -> Result<(), CliError> {
    let asks = session.env.terminal.stdin;
    let proposed = session.client.server.url.clone();
    let url = match &args.url {
        Some(url) => url.clone(),
        None if asks && session.env.url.is_none() => {
            let answer = session.console.ask(&format!("Flowline server [{proposed}]: "))?;
            if answer.is_empty() { proposed } else { answer }
        }
        None => proposed,
    };
    let url = normal_url(&url, "URL")?;
    let (token, ours) = match credential(session, args)? {
        Credential::Token(token) => (token, false),
        Credential::Password { email, password } => (token_for(session, &url, &email, &password).await?, true),
    };
    let ca = trusted(session, &url);
    let client = Client::new(Server { url: url.clone(), token: Some(token.clone()), ca: ca.clone() });
    let answer = client.get("/account").await?;
    let account: Account = client.read(&answer)?;
    let mut stored = Credentials::read(session.env)?;
    stored.current = Some(url.clone());
    stored.servers.insert(url.clone(), Stored { email: account.email.clone(), token, ours, ca });
    let path = stored.write(session.env)?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note(&format!("Logged in to {url} as {}; stored in {}.", account.email, path.display()))
}

/// What is believed of this server: what was said now, else what was said when this was logged in to before.
fn trusted(session: &Session<'_>, url: &str) -> Option<PathBuf> {
    let chosen = &session.client.server;
    session.env.ca.clone().or_else(|| chosen.ca.clone().filter(|_| chosen.url == url))
}

/// From the arguments, from a person, or from stdin.
fn credential(session: &mut Session<'_>, args: Login) -> Result<Credential, CliError> {
    let asks = session.env.terminal.stdin;
    let first = match (args.email, args.token) {
        (Some(email), _) => email,
        (None, Some(token)) => return checked(&token),
        (None, None) if asks && args.interactive => session.console.ask("E-mail: ")?,
        (None, None) if asks => session.console.ask("E-mail (Enter alone: log in with a token): ")?,
        (None, None) => session.console.answer()?,
    };
    if first.contains('@') {
        let password = secret::password(session, "Password (not shown): ")?;
        return Ok(Credential::Password { email: first, password });
    }
    if asks && first.is_empty() && !args.interactive {
        let question = "Token (not shown; the first one is in DIR/admin.token of the server): ";
        return checked(&secret::ask(session, question)?);
    }
    checked(&first)
}

fn checked(token: &str) -> Result<Credential, CliError> {
    let token = token.trim();
    if is_token(token) {
        return Ok(Credential::Token(token.to_owned()));
    }
    Err(CliError::usage(
        "That is no token, and no e-mail.",
        "Type `flowline login --email EMAIL`, or send a token on stdin: `flowline login <DIR/admin.token`.",
    ))
}

/// A token of one's own for this machine.
async fn token_for(session: &mut Session<'_>, url: &str, email: &str, password: &str) -> Result<String, CliError> {
    let client = Client::new(Server { url: url.to_owned(), token: None, ca: trusted(session, url) });
    let host: String = uname().nodename().to_string_lossy().chars().filter(|letter| !letter.is_control()).collect();
    let host: String = host.chars().take(HOST_LETTERS).collect();
    let body = json!({
        "description": format!("flowline login on {host}"), "expires_in": LOGIN_LIFE_S, "scope": ["global"],
    });
    let attempt = async |code: Option<&str>| client.log_in((email, password), &body, code).await;
    let answer = two_factor::with_code(session.console, session.env.terminal.stdin, attempt).await;
    let answer = answer.map_err(|error| match error {
        CliError::Refused { status: 401, message, .. } => CliError::Denied {
            message,
            next: "Try again, or log in with a token: `flowline login --token TOKEN`.".into(),
        },
        other => other,
    })?;
    let made: Made = client.read(&answer)?;
    Ok(made.access_token.token)
}

/// Forgets the stored token of the server; one that was got for a password ends there too.
async fn logout(session: &mut Session<'_>) -> Result<(), CliError> {
    let url = session.client.server.url.clone();
    let mut stored = Credentials::read(session.env)?;
    let was = stored.servers.remove(&url);
    if stored.current.as_ref() == Some(&url) {
        stored.current = None;
    }
    stored.write(session.env)?;
    let mut ended = false;
    if let Some(login) = was.as_ref().filter(|login| login.ours) {
        let ca = session.client.server.ca.clone();
        let client = Client::new(Server { url: url.clone(), token: Some(login.token.clone()), ca });
        match client.delete("/oauth/authorizations/~").await {
            Ok(_) => ended = true,
            // It was over already.
            Err(CliError::Refused { status: 401, .. }) => {}
            Err(error) => {
                let next =
                    "it is good until it expires, or until `flowline sessions:destroy ID` on another login ends it";
                session
                    .console
                    .warn(&format!("The token is forgotten here, but {url} did not end it ({error}): {next}."))?;
            }
        }
    }
    if session.console.is_json() {
        let email = was.map(|login| login.email);
        return session.console.json(&json!({ "url": url, "email": email, "token_ended": ended }));
    }
    let left = match was {
        Some(login) if login.ours => format!("Logged out of {url} ({}).", login.email),
        Some(login) => format!("Logged out of {url} ({}); the token itself goes on to be good.", login.email),
        None => format!("No login of {url} was stored."),
    };
    session.console.note(&left)
}

/// Who the token belongs to.
async fn whoami(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = session.client.get("/account").await?;
    let account: Account = session.client.read(&answer)?;
    if session.console.is_json() { session.console.json(&answer) } else { session.console.line(&account.email) }
}
