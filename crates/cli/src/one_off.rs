//! `run` and `run:detached`: one-off dynos.

use crate::args::OnApp;
use crate::client::segment;
use crate::console::Console;
use crate::dyno::Dyno;
use crate::error::CliError;
use crate::log::{Follow, HISTORY_LINES, Wanted, object};
use crate::session::{Chosen, Session};
use model::log::{self, LogSource};
use model::time::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// After so long without a line we look whether the dyno is still there.
const SILENCE: Duration = Duration::from_secs(5);

/// So many looks without finding it: its last line is not coming.
const LOOKS_LIMIT: u32 = 3;

/// What `run` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    #[command(flatten)]
    what: OneOff,
    /// Exit with the command's own status instead of 1 when it fails
    #[arg(short = 'x', long)]
    exit_code: bool,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `run:detached` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct RunDetached {
    #[command(flatten)]
    what: OneOff,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What both take.
#[derive(Debug, Clone, clap::Args)]
struct OneOff {
    /// Its size, for example Standard-2X
    #[arg(short, long)]
    size: Option<String>,
    /// The process type it counts as (default: run)
    #[arg(long = "type", value_name = "TYPE")]
    process_type: Option<String>,
    /// Further environment, for example "A=1;B=2"
    #[arg(short, long, value_name = "A=1;B=2")]
    env: Option<String>,
    /// The command; one word with spaces is run as it is, flags of its own go after --
    #[arg(value_name = "COMMAND", required_unless_present = "verbatim")]
    command: Vec<String>,
    /// The command, with nothing of it read as a flag of ours
    #[arg(last = true, value_name = "COMMAND")]
    verbatim: Vec<String>,
}

impl OneOff {
    /// One word goes as it is; of several, those with spaces or quotes are quoted, as heroku does.
    fn command(&self) -> String {
        let words: Vec<&str> = self.command.iter().chain(&self.verbatim).map(String::as_str).collect();
        let quoted = |word: &&str| {
            let plain = !word.is_empty() && !word.contains([' ', '"']);
            if plain { (*word).to_owned() } else { format!("\"{}\"", word.replace('"', "\\\"")) }
        };
        match words.as_slice() {
            [only] => (*only).to_owned(),
            several => several.iter().map(quoted).collect::<Vec<_>>().join(" "),
        }
    }

    fn body(&self, term: Option<&str>) -> Result<Value, CliError> {
        let mut env = Map::new();
        if let Some(term) = term {
            env.insert("TERM".to_owned(), Value::from(term));
        }
        for pair in self.env.iter().flat_map(|env| env.split(';')).filter(|pair| !pair.is_empty()) {
            let bad = || {
                CliError::usage(
                    format!("{pair} is invalid. Must be in the format FOO=bar."),
                    "For example: -e \"A=1;B=2\".",
                )
            };
            let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(bad)?;
            env.insert(name.to_owned(), Value::from(value));
        }
        let mut body = json!({ "command": self.command(), "attach": false, "env": env });
        for (key, value) in [("size", &self.size), ("type", &self.process_type)] {
            if let Some(value) = value {
                body[key] = Value::from(value.as_str());
            }
        }
        Ok(body)
    }
}

/// Starts it and returns.
pub(crate) async fn detached(session: &mut Session<'_>, args: &RunDetached) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (answer, dyno) = start(session, &app, &args.what).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let hint = format!("      `flowline logs --tail --dyno {} -a {}` shows its output.", dyno.name, app.name);
    session.console.note(&hint)
}

/// Starts it, prints what it prints, and says how it ended. The answer is the exit code.
pub(crate) async fn attached(session: &mut Session<'_>, args: &Run) -> Result<u8, CliError> {
    let app = session.app(&args.on)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| CliError::local("watch for Ctrl-C", error))?;
    let (answer, dyno) = start(session, &app, &args.what).await?;
    let wanted = Wanted { tail: true, lines: HISTORY_LINES, dyno: Some(dyno.name.clone()), source: None };
    let mut follow = Follow::new(&session.client, &app, wanted);
    let mut watch = Watch::new(&dyno);
    let path = app.path(&format!("/dynos/{}", segment(&dyno.name)));
    let mut stopping = false;
    let status = loop {
        tokio::select! {
            line = tokio::time::timeout(SILENCE, follow.next(session.console)) => match line {
                Ok(line) => {
                    let Some(line) = line? else { continue };
                    if let Some(status) = watch.line(session.console, &line)? {
                        break status;
                    }
                }
                Err(_) => watch.look(session.client.get(&path).await)?,
            },
            _ = interrupt.recv() => {
                if stopping {
                    let next = format!("`flowline logs --tail --dyno {} -a {}` shows the rest.", dyno.name, app.name);
                    return Err(CliError::failed(format!("Left {} while it was stopping.", dyno.name), next));
                }
                stopping = true;
                session.console.note(&format!("Stopping {}... (Ctrl-C again leaves it to itself)", dyno.name))?;
                session.client.post(&format!("{path}/actions/stop"), &json!({})).await?;
            }
        }
    };
    if session.console.is_json() {
        session.console.line(&json!({ "dyno": answer, "exit_status": status }).to_string())?;
    } else {
        session.console.note(&format!("{} exited with status {status}", dyno.name))?;
    }
    Ok(match (status, args.exit_code) {
        (0, _) => 0,
        (_, false) => 1,
        (_, true) => u8::try_from(status).unwrap_or(1),
    })
}

async fn start(session: &mut Session<'_>, app: &Chosen, what: &OneOff) -> Result<(Value, Dyno), CliError> {
    let body = what.body(session.env.term.as_deref())?;
    let line = format!("Running {} on {}", what.command(), session.console.app_note(&app.name));
    session.console.begin(&line)?;
    let answer = session.client.post(&app.path("/dynos"), &body).await?;
    let dyno: Dyno = session.client.read(&answer)?;
    session.console.end(&format!("done, {}", dyno.name))?;
    Ok((answer, dyno))
}

/// What the log says of one dyno.
struct Watch {
    name: String,
    /// Lines before this are of an earlier dyno with the same number.
    since: Option<Timestamp>,
    looks: u32,
}

impl Watch {
    fn new(dyno: &Dyno) -> Self {
        Self { name: dyno.name.clone(), since: Timestamp::parse(&dyno.created_at), looks: 0 }
    }

    /// Prints a line of the command; the exit status once the platform says it.
    fn line(&mut self, console: &mut Console, text: &str) -> Result<Option<i32>, CliError> {
        let Some(line) = log::parse(text) else { return Ok(None) };
        if line.ps != self.name || self.since.is_some_and(|since| line.at < since) {
            return Ok(None);
        }
        self.looks = 0;
        match line.source {
            LogSource::App if console.is_json() => console.line(&object(text).to_string())?,
            LogSource::App => console.line(&line.text)?,
            LogSource::Platform => {
                if let Some(status) = line.text.strip_prefix("Process exited with status ") {
                    return Ok(status.trim().parse().ok());
                }
                if line.text.starts_with("Error ") {
                    console.warn(&line.text)?;
                }
            }
        }
        console.flush()?;
        Ok(None)
    }

    /// Nothing was said for a while: is it still there?
    fn look(&mut self, found: Result<Value, CliError>) -> Result<(), CliError> {
        match found {
            Ok(_) => self.looks = 0,
            Err(CliError::Refused { status: 404, .. }) => self.looks += 1,
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error),
        }
        if self.looks < LOOKS_LIMIT {
            return Ok(());
        }
        let next = "`flowline logs` may say more.";
        Err(CliError::failed(format!("{} is gone, and its log does not say how it ended.", self.name), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        run: Run,
    }

    fn parsed(words: &[&str]) -> Run {
        Program::try_parse_from([&["run"], words].concat()).unwrap().run
    }

    #[test]
    fn commands_are_joined_as_heroku_does() {
        for (words, command) in [
            (vec!["rake db:migrate"], "rake db:migrate"),
            (vec!["rake", "db:migrate", "-a", "shop"], "rake db:migrate"),
            (vec!["-a", "shop", "--", "ls", "-a", "/app"], "ls -a /app"),
            (vec!["-a", "shop", "bash", "--", "-c", "echo \"a b\""], "bash -c \"echo \\\"a b\\\"\""),
        ] {
            let run = parsed(&words);
            assert_eq!(run.what.command(), command);
            assert_eq!(run.on.app.is_some(), words.contains(&"shop"));
        }
    }

    #[test]
    fn the_environment_of_a_one_off() {
        let body = parsed(&["-e", "A=1;B=x=y", "ls"]).what.body(Some("xterm")).unwrap();
        assert_eq!(body["env"], json!({ "A": "1", "B": "x=y", "TERM": "xterm" }));
        assert!(parsed(&["-e", "A", "ls"]).what.body(None).is_err());
    }
}
