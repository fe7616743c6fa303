//! `keys`: public keys for git over SSH.

use crate::args::{Bare, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest public key is about 3 KiB; the server takes no longer line.
const KEY_LIMIT_BYTES: u64 = 16 * 1024;

/// Keys in ~/.ssh that are listed at a question; more files are no keys of one person.
const OFFERED_LIMIT: usize = 32;

/// SSH keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List your SSH keys
    #[command(name = "keys", alias = "keys:list")]
    List(List),
    /// Add a public SSH key
    #[command(name = "keys:add")]
    Add(Add),
    /// Remove an SSH key
    #[command(name = "keys:remove")]
    Remove(Remove),
    /// Remove all your SSH keys
    #[command(name = "keys:clear")]
    Clear(Bare),
}

/// What `keys` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// Print the whole keys
    #[arg(short, long)]
    long: bool,
    #[command(flatten)]
    print: Print,
}

/// What `keys:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    /// A .pub file; without it the one in ~/.ssh
    file: Option<PathBuf>,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    print: Print,
}

/// What `keys:remove` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Remove {
    /// Its comment (ada@machine), fingerprint or id
    key: String,
    #[command(flatten)]
    print: Print,
}

#[derive(Deserialize)]
struct SshKey {
    id: String,
    comment: String,
    email: String,
    fingerprint: String,
    public_key: String,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.print,
            Self::Add(args) => args.print,
            Self::Remove(args) => args.print,
            Self::Clear(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, args.long).await,
            Self::Add(args) => add(session, &args).await,
            Self::Remove(args) => remove(session, &args.key).await,
            Self::Clear(_) => clear(session).await,
        }
    }
}

fn path(id: &str) -> String {
    format!("/account/keys/{}", segment(id))
}

async fn all(session: &Session<'_>) -> Result<(Value, Vec<SshKey>), CliError> {
    let answer = Value::Array(session.client.all("/account/keys").await?);
    let keys = session.client.read(&answer)?;
    Ok((answer, keys))
}

async fn list(session: &mut Session<'_>, long: bool) -> Result<(), CliError> {
    let (answer, keys) = all(session).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let Some(first) = keys.first() else {
        session.console.line("You have no SSH keys.")?;
        return session.console.note("      `flowline keys:add` adds one.");
    };
    session.console.head(&format!("{} keys", first.email))?;
    if long {
        return keys.iter().try_for_each(|key| session.console.line(&key.public_key));
    }
    let row = |key: SshKey| {
        let kind = key.public_key.split(' ').next().unwrap_or_default().to_owned();
        vec![Cell(kind, None), Cell(key.fingerprint, None), Cell(key.comment, Some(Paint::Name))]
    };
    let rows: Vec<Vec<Cell>> = keys.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let file = match &args.file {
        Some(file) => session.env.cwd.join(file),
        None => offered(session, args.yes)?,
    };
    let key = public_key(&file)?;
    session.console.begin(&format!("Uploading {}", file.display()))?;
    let answer = session.client.post("/account/keys", &json!({ "public_key": key })).await?;
    session.done("done", &answer)
}

/// What is in the file, unless it is a private key: that goes nowhere.
fn public_key(file: &Path) -> Result<String, CliError> {
    let mut key = String::new();
    let read = File::open(file).and_then(|open| open.take(KEY_LIMIT_BYTES).read_to_string(&mut key));
    read.map_err(|error| CliError::local(format!("read {}", file.display()), error))?;
    if key.contains("PRIVATE KEY") {
        let message = format!("{} is a private key. It was not sent.", file.display());
        return Err(CliError::usage(message, "Name the public one: it has the same name with .pub behind it."));
    }
    Ok(key)
}

/// The public key in ~/.ssh; a person is asked, and chooses where there are several.
fn offered(session: &mut Session<'_>, yes: bool) -> Result<PathBuf, CliError> {
    let folder = session.env.home.as_ref().map(|home| home.join(".ssh")).unwrap_or_default();
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pub"));
    files.sort();
    files.truncate(OFFERED_LIMIT);
    let asks = session.env.terminal.stdin;
    let nothing = || CliError::usage("No key was added.", "Name its file: `flowline keys:add FILE`.");
    match files.as_slice() {
        [] => {
            let next = "Make one with `ssh-keygen -t ed25519`, or name its file: `flowline keys:add FILE`.";
            Err(CliError::usage(format!("There is no public SSH key in {}.", folder.display()), next))
        }
        [only] if yes => Ok(only.clone()),
        [only] if asks => {
            let answer = session.console.ask(&format!("Upload {}? [Y/n] ", only.display()))?;
            let agreed = answer.is_empty() || answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes");
            if agreed { Ok(only.clone()) } else { Err(nothing()) }
        }
        [_] => Err(CliError::usage("Nobody is there to be asked.", "Say --yes, or name the file.")),
        [_, _, ..] if asks && !yes => {
            for (index, file) in files.iter().enumerate() {
                session.console.prompt(&format!("  {}  {}\n", index + 1, file.display()))?;
            }
            let number = session.console.ask("Which one? Its number: ")?.parse::<usize>().ok();
            number.and_then(|number| files.get(number.checked_sub(1)?).cloned()).ok_or_else(nothing)
        }
        [_, _, ..] => {
            let list = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(CliError::usage(format!("There are several public keys: {list}."), "Name the file that is meant."))
        }
    }
}

async fn remove(session: &mut Session<'_>, which: &str) -> Result<(), CliError> {
    let (_, keys) = all(session).await?;
    let is = |key: &&SshKey| key.comment == which || key.id == which || key.fingerprint == which;
    let found: Vec<&SshKey> = keys.iter().filter(is).collect();
    let key = match found.as_slice() {
        [key] => *key,
        [] => {
            let next = "`flowline keys` lists them, with the comment at the end of each.";
            return Err(CliError::missing(format!("You have no SSH key {which}."), next));
        }
        [_, _, ..] => {
            let list = found.iter().map(|key| key.fingerprint.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("{} SSH keys have the comment {which}: {list}.", found.len());
            return Err(CliError::usage(message, "Name one by its fingerprint."));
        }
    };
    session.console.begin(&format!("Removing the SSH key {which}"))?;
    let gone = session.client.delete(&path(&key.id)).await?;
    session.done("done", &gone)
}

async fn clear(session: &mut Session<'_>) -> Result<(), CliError> {
    let (answer, keys) = all(session).await?;
    session.console.begin(&format!("Removing all SSH keys ({})", keys.len()))?;
    for key in &keys {
        session.client.delete(&path(&key.id)).await?;
    }
    session.done("done", &answer)
}
