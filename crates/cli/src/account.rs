//! `login`, `logout`, `whoami`.

use crate::args::Print;
use crate::client::Client;
use crate::console::Console;
use crate::credentials::{Credentials, Login as Stored};
use crate::error::CliError;
use crate::server::{Server, is_token, normal_url};
use crate::session::Session;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use serde::Deserialize;
use serde_json::json;
use std::io::{self, Read};

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];

/// What `login` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Login {
    /// The server, for example https://flowline.example.com
    #[arg(long)]
    url: Option<String>,
    /// The token; without it you are asked, or the first line of stdin is read. Others on this machine can see arguments
    #[arg(long)]
    token: Option<String>,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// What is read of `GET /account`.
#[derive(Deserialize)]
struct Account {
    email: String,
}

/// Asks for what is missing, tries it, stores it.
pub(crate) async fn login(session: &mut Session<'_>, args: Login) -> Result<(), CliError> {
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
    let token = match &args.token {
        Some(token) => token.clone(),
        None if asks => {
            ask_secret(session.console, "Token (not shown; the first one is in DIR/admin.token of the server): ")?
        }
        None => session.console.answer()?,
    };
    if !is_token(&token) {
        return Err(CliError::usage(
            "That is no token.",
            "Give it with --token TOKEN, or on stdin: `flowline login <DIR/admin.token`.",
        ));
    }
    let client = Client::new(Server { url: url.clone(), token: Some(token.clone()) });
    let answer = client.get("/account").await?;
    let account: Account = client.read(&answer)?;
    let mut stored = Credentials::read(session.env)?;
    stored.current = Some(url.clone());
    stored.servers.insert(url.clone(), Stored { email: account.email.clone(), token });
    let path = stored.write(session.env)?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note(&format!("Logged in to {url} as {}; stored in {}.", account.email, path.display()))
}

/// Forgets the stored token of the server.
pub(crate) fn logout(session: &mut Session<'_>) -> Result<(), CliError> {
    let url = session.client.server.url.clone();
    let mut stored = Credentials::read(session.env)?;
    let was = stored.servers.remove(&url);
    if stored.current.as_ref() == Some(&url) {
        stored.current = None;
    }
    stored.write(session.env)?;
    if session.console.is_json() {
        return session.console.json(&json!({ "url": url, "email": was.map(|login| login.email) }));
    }
    let left = match was {
        Some(login) => format!("Logged out of {url} ({}).", login.email),
        None => format!("No login of {url} was stored."),
    };
    session.console.note(&left)
}

/// Who the token belongs to.
pub(crate) async fn whoami(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = session.client.get("/account").await?;
    let account: Account = session.client.read(&answer)?;
    if session.console.is_json() { session.console.json(&answer) } else { session.console.line(&account.email) }
}

/// The terminal as it was, given back when this is dropped.
struct Quiet(Termios);

impl Quiet {
    /// No echo, byte by byte, and Ctrl-C as a byte: a signal would end us with the echo still off.
    fn begin() -> rustix::io::Result<Self> {
        let was = tcgetattr(io::stdin())?;
        let mut quiet = was.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(was))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn ask_secret(console: &mut Console, question: &str) -> Result<String, CliError> {
    let quiet = Quiet::begin().map_err(|error| CliError::local("turn the terminal's echo off", error.into()))?;
    console.prompt(question)?;
    let typed = typed(&mut console.input);
    drop(quiet);
    console.note("")?;
    let typed = typed.map_err(|error| CliError::local("read the token from the terminal", error))?;
    typed.ok_or_else(|| CliError::usage("Nothing was stored.", "Type `flowline login` to try again."))
}

/// What was typed until Enter; `None` when it was given up.
fn typed(input: &mut dyn Read) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        if input.read(&mut byte)? == 0 || matches!(byte[0], CTRL_C | CTRL_D) {
            return Ok(None);
        }
        match byte[0] {
            b'\n' | b'\r' => return Ok(Some(String::from_utf8_lossy(&text).trim().to_owned())),
            other if BACKSPACE.contains(&other) => drop(text.pop()),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_typed() {
        assert_eq!(typed(&mut &b"s3x\x7fcret\rmore"[..]).unwrap().as_deref(), Some("s3cret"));
        assert_eq!(typed(&mut &b"s3\x03"[..]).unwrap(), None);
        assert_eq!(typed(&mut &b"s3"[..]).unwrap(), None);
    }
}
