//! `ps`, `ps:restart`, `ps:stop`.

use crate::args::OnApp;
use crate::client::segment;
use crate::console::Paint;
use crate::error::CliError;
use crate::idle;
use crate::moment::ago;
use crate::session::Session;
use model::dyno::DynoName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What `ps` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Ps {
    /// Only these process types
    #[arg(value_name = "TYPE")]
    types: Vec<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `ps:restart` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Restart {
    /// web.1, or web for all of that type; without it all dynos
    #[arg(value_name = "DYNO|TYPE")]
    dyno: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `ps:stop` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Stop {
    /// web.1, or web for all of that type
    #[arg(value_name = "DYNO|TYPE", required_unless_present_any = ["dyno_name", "process_type"])]
    dyno: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// heroku's newer way to name dynos.
#[derive(Debug, Clone, clap::Args)]
struct Which {
    /// One dyno
    #[arg(short, long, value_name = "DYNO", conflicts_with_all = ["dyno", "process_type"])]
    dyno_name: Option<String>,
    /// All dynos of a type
    #[arg(short, long, value_name = "TYPE", conflicts_with = "dyno")]
    process_type: Option<String>,
}

/// What is read of a dyno.
#[derive(Deserialize)]
pub(crate) struct Dyno {
    pub(crate) name: String,
    #[serde(rename = "type")]
    process_type: String,
    size: String,
    state: String,
    command: String,
    /// Only of one that waits for its client.
    pub(crate) attach_url: Option<String>,
    updated_at: String,
}

impl Dyno {
    fn number(&self) -> u32 {
        self.name.rsplit_once('.').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }

    fn paint(&self) -> Paint {
        match self.state.as_str() {
            "up" => Paint::Good,
            "crashed" => Paint::Bad,
            _ => Paint::Series(0),
        }
    }
}

/// The dynos by process type, one-off dynos first (DYNO-38).
pub(crate) async fn list(session: &mut Session<'_>, args: &Ps) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let mut all = session.client.all(&app.path("/dynos")).await?;
    let wanted = |dyno: &Value| args.types.is_empty() || args.types.iter().any(|name| dyno["type"] == name.as_str());
    all.retain(wanted);
    let answer = Value::Array(all);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let mut dynos: Vec<Dyno> = session.client.read(&answer)?;
    if dynos.is_empty() {
        let asleep = idle::of(session, &app.path("/sleep")).await?;
        let name = session.console.app(&app.name);
        let line = asleep.map_or_else(|| format!("No dynos on {name}"), |asleep| format!("{name} is {asleep}"));
        return session.console.line(&line);
    }
    dynos.sort_by_key(Dyno::number);
    let (one_off, formation): (Vec<&Dyno>, Vec<&Dyno>) = dynos.iter().partition(|dyno| dyno.process_type == "run");
    if !one_off.is_empty() {
        session.console.head(&format!("run: one-off processes ({})", one_off.len()))?;
        for dyno in one_off {
            let line = format!("{} ({}): {}: {}", dyno.name, dyno.size, how(session, dyno), dyno.command);
            session.console.line(&line)?;
        }
        session.console.line("")?;
    }
    let mut groups = BTreeMap::<(&str, &str, &str), Vec<&Dyno>>::new();
    for dyno in formation {
        groups.entry((&dyno.process_type, &dyno.size, &dyno.command)).or_default().push(dyno);
    }
    for ((process_type, size, command), dynos) in groups {
        let name = session.console.paint(Paint::Name, process_type);
        session.console.head(&format!("{name} ({size}): {command} ({})", dynos.len()))?;
        for dyno in dynos {
            let line = format!("{}: {}", dyno.name, how(session, dyno));
            session.console.line(&line)?;
        }
        session.console.line("")?;
    }
    Ok(())
}

/// `up 2026/01/02 03:04:05 +0000 (~ 3s ago)`.
fn how(session: &Session<'_>, dyno: &Dyno) -> String {
    let state = session.console.paint(dyno.paint(), &dyno.state);
    format!("{state} {}", ago(&dyno.updated_at, (session.env.now)()))
}

/// Which dynos a command is about.
enum Target {
    All,
    Type(String),
    One(String),
}

impl Which {
    /// The positional word is a dyno when it ends in a number: `web.1`.
    fn target(&self, word: Option<&String>) -> Target {
        match (word, &self.dyno_name, &self.process_type) {
            (Some(word), _, _) if word.parse::<DynoName>().is_ok() => Target::One(word.clone()),
            (None, Some(name), _) => Target::One(name.clone()),
            (Some(name), _, _) | (None, None, Some(name)) => Target::Type(name.clone()),
            (None, None, None) => Target::All,
        }
    }
}

/// Fresh dynos in place of these (DYNO-35).
pub(crate) async fn restart(session: &mut Session<'_>, args: &Restart) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (what, path) = match args.which.target(args.dyno.as_ref()) {
        Target::All => ("all dynos".to_owned(), "/dynos".to_owned()),
        Target::Type(name) => (format!("all {name} dynos"), format!("/formations/{}", segment(&name))),
        Target::One(name) => (format!("dyno {name}"), format!("/dynos/{}", segment(&name))),
    };
    let what = format!("Restarting {what} on {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.delete(&app.path(&path)).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// Ends dynos; those of the formation come back (DYNO-35).
pub(crate) async fn stop(session: &mut Session<'_>, args: &Stop) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (what, path) = match args.which.target(args.dyno.as_ref()) {
        Target::Type(name) => (format!("all {name} dynos"), format!("/formations/{}/actions/stop", segment(&name))),
        Target::One(name) => (format!("dyno {name}"), format!("/dynos/{}/actions/stop", segment(&name))),
        Target::All => {
            return Err(CliError::usage("Which dyno?", "Name one, for example `flowline ps:stop run.1234`."));
        }
    };
    let what = format!("Stopping {what} on {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.post(&app.path(&path), &json!({})).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}
