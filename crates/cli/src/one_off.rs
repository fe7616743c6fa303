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
use tokio::signal::unix::{Signal, SignalKind, signal};

/// After so long without a line we look whether the dyno is still there.
const SILENCE: Duration = Duration::from_secs(5);

/// So many looks without finding it: its last line is not coming.
const LOOKS_LIMIT: u32 = 3;

/// What `run` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub(crate) what: OneOff,
    /// Exit with the command's own status instead of 1 when it fails
    #[arg(short = 'x', long)]
    exit_code: bool,
}

/// What `run:detached` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct RunDetached {
    #[command(flatten)]
    pub(crate) what: OneOff,
}

/// What both take.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OneOff {
    /// Its size, for example Standard-2X
    #[arg(short, long)]
    size: Option<String>,
    /// The process type it counts as (default: run)
    #[arg(long = "type", value_name = "TYPE")]
    process_type: Option<String>,
    /// Further environment, for example "A=1;B=2"
    #[arg(short, long, value_name = "A=1;B=2")]
    env: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
    /// The command; flags that are also ours go after --
    #[arg(value_name = "COMMAND", allow_hyphen_values = true, required_unless_present = "verbatim")]
    command: Vec<String>,
    /// The command, with nothing of it read as a flag of ours
    #[arg(last = true, hide = true, value_name = "COMMAND")]
    verbatim: Vec<String>,
}

impl OneOff {
    /// As heroku does: a flag of ours counts wherever it stands before `--` (`run rake db:migrate -a shop`), any other is
    /// the command's (`run ls -l`). Sets `exit_code` where it finds that flag.
    fn sorted(mut self, exit_code: &mut bool) -> Result<Self, CliError> {
        let mut words = std::mem::take(&mut self.command).into_iter();
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
                Some(_) | None => (word.as_str(), None),
            };
            let place = match flag {
                "-a" | "--app" => &mut self.on.app,
                "-r" | "--remote" => &mut self.on.remote,
                "-s" | "--size" => &mut self.size,
                "-e" | "--env" => &mut self.env,
                "--type" => &mut self.process_type,
                "--json" => {
                    self.on.print.json = true;
                    continue;
                }
                "-x" | "--exit-code" => {
                    *exit_code = true;
                    continue;
                }
                "--" => {
                    self.verbatim.extend(words);
                    break;
                }
                _ => {
                    self.command.push(word);
                    continue;
                }
            };
            let none = || CliError::usage(format!("{flag} needs a value."), "Flags of the command itself go after --.");
            *place = Some(value.or_else(|| words.next()).ok_or_else(none)?);
        }
        match self.command.first() {
            Some(flag) if flag.starts_with('-') => {
                Err(CliError::usage(format!("There is no flag {flag}."), "`flowline run --help` lists the flags."))
            }
            Some(_) | None => Ok(self),
        }
    }

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
pub(crate) async fn detached(session: &mut Session<'_>, args: RunDetached) -> Result<(), CliError> {
    let what = args.what.sorted(&mut false)?;
    session.console.set_json(what.on.print.json);
    let app = session.app(&what.on)?;
    let (answer, dyno) = start(session, &app, &what).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let hint = format!("      `flowline logs --tail --dyno {} -a {}` shows its output.", dyno.name, app.name);
    session.console.note(&hint)
}

/// Starts it, prints what it prints, and says how it ended. The answer is the exit code.
pub(crate) async fn attached(session: &mut Session<'_>, args: Run) -> Result<u8, CliError> {
    let mut exit_code = args.exit_code;
    let what = args.what.sorted(&mut exit_code)?;
    session.console.set_json(what.on.print.json);
    let app = session.app(&what.on)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| CliError::local("watch for Ctrl-C", error))?;
    let (answer, dyno) = start(session, &app, &what).await?;
    let status = watched(session, &app, &dyno, &mut interrupt).await?;
    if session.console.is_json() {
        session.console.line(&json!({ "dyno": answer, "exit_status": status }).to_string())?;
    } else {
        session.console.note(&format!("{} exited with status {status}", dyno.name))?;
    }
    Ok(match (status, exit_code) {
        (0, _) => 0,
        (_, false) => 1,
        (_, true) => u8::try_from(status).unwrap_or(1),
    })
}

/// Prints its lines until its end; Ctrl-C stops it. The answer is its exit status.
async fn watched(
    session: &mut Session<'_>,
    app: &Chosen,
    dyno: &Dyno,
    interrupt: &mut Signal,
) -> Result<i32, CliError> {
    let wanted = Wanted { tail: true, lines: HISTORY_LINES, dyno: Some(dyno.name.clone()), source: None };
    let mut follow = Follow::new(&session.client, app, wanted);
    let mut watch = Watch::new(dyno);
    let path = app.path(&format!("/dynos/{}", segment(&dyno.name)));
    let mut stopping = false;
    loop {
        tokio::select! {
            line = tokio::time::timeout(SILENCE, follow.next(session.console)) => match line {
                Ok(line) => {
                    let Some(line) = line? else { continue };
                    if let Some(status) = watch.line(session.console, &line)? {
                        return Ok(status);
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
    }
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

    fn parsed(words: &[&str]) -> (OneOff, bool) {
        let run = Program::try_parse_from([&["run"], words].concat()).unwrap().run;
        let mut exit_code = run.exit_code;
        (run.what.sorted(&mut exit_code).unwrap(), exit_code)
    }

    #[test]
    fn our_flags_and_the_commands() {
        for (words, command, app) in [
            (vec!["rake db:migrate"], "rake db:migrate", None),
            (vec!["rake", "db:migrate", "-a", "shop"], "rake db:migrate", Some("shop")),
            (vec!["ls", "-l", "--app=shop", "--color"], "ls -l --color", Some("shop")),
            (vec!["-a", "shop", "--", "ls", "-a", "/app"], "ls -a /app", Some("shop")),
            (vec!["-a", "shop", "bash", "--", "-c", "echo \"a b\""], "bash -c \"echo \\\"a b\\\"\"", Some("shop")),
        ] {
            let (what, exit_code) = parsed(&words);
            assert_eq!((what.command().as_str(), what.on.app.as_deref(), exit_code), (command, app, false));
        }
        assert!(parsed(&["-x", "ls"]).1 && parsed(&["ls", "-x"]).1 && parsed(&["ls", "--json"]).0.on.print.json);
        let lone = Program::try_parse_from(["run", "--jsn", "ls"]).unwrap().run.what;
        assert!(lone.sorted(&mut false).is_err());
        assert!(Program::try_parse_from(["run"]).is_err());
    }

    #[test]
    fn the_environment_of_a_one_off() {
        let body = parsed(&["-e", "A=1;B=x=y", "ls"]).0.body(Some("xterm")).unwrap();
        assert_eq!(body["env"], json!({ "A": "1", "B": "x=y", "TERM": "xterm" }));
        assert!(parsed(&["-e", "A", "ls"]).0.body(None).is_err());
    }
}
