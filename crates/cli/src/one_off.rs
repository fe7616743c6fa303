//! `run`, `run:detached` and `run:inside`: commands in dynos.

use crate::args::OnApp;
use crate::attached::{Manner, attach};
use crate::client::segment;
use crate::dyno::Dyno;
use crate::error::CliError;
use crate::session::{Chosen, Session};
use serde_json::{Map, Value, json};

/// What `run` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub(crate) what: OneOff,
    #[command(flatten)]
    how: How,
}

/// How `run` and `run:inside` are attached.
#[derive(Debug, Clone, Default, clap::Args)]
struct How {
    /// Exit with the command's own status instead of 1 when it fails
    #[arg(short = 'x', long)]
    exit_code: bool,
    /// Attach pipes also where there is a terminal
    #[arg(long)]
    no_tty: bool,
}

/// What `run:inside` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct RunInside {
    /// The dyno, for example web.1
    #[arg(value_name = "DYNO")]
    dyno: String,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// What `ps:exec` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Exec {
    /// The dyno
    #[arg(short, long, value_name = "DYNO", default_value = "web.1")]
    dyno: String,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    pub(crate) on: OnApp,
    /// The command (default: a shell)
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<String>,
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
    /// the command's (`run ls -l`). Sets what it finds of `how`.
    fn sorted(mut self, how: &mut How) -> Result<Self, CliError> {
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
                    how.exit_code = true;
                    continue;
                }
                "--no-tty" => {
                    how.no_tty = true;
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
        as_typed(self.command.iter().chain(&self.verbatim))
    }

    /// `manner`: none for a detached one.
    fn body(&self, term: Option<&str>, manner: Option<Manner>) -> Result<Value, CliError> {
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
        manner.iter().for_each(|manner| manner.describe(&mut env));
        let mut body = json!({ "command": self.command(), "attach": manner.is_some(), "env": env });
        if manner == Some(Manner::Pipes) {
            body["force_no_tty"] = Value::from(true);
        }
        for (key, value) in [("size", &self.size), ("type", &self.process_type)] {
            if let Some(value) = value {
                body[key] = Value::from(value.as_str());
            }
        }
        Ok(body)
    }
}

/// One word goes as it is; of several, those with spaces or quotes are quoted, as heroku does.
fn as_typed<'a>(words: impl Iterator<Item = &'a String>) -> String {
    let words: Vec<&str> = words.map(String::as_str).collect();
    let quoted = |word: &&str| {
        let plain = !word.is_empty() && !word.contains([' ', '"']);
        if plain { (*word).to_owned() } else { format!("\"{}\"", word.replace('"', "\\\"")) }
    };
    match words.as_slice() {
        [only] => (*only).to_owned(),
        several => several.iter().map(quoted).collect::<Vec<_>>().join(" "),
    }
}

/// Starts it and returns.
pub(crate) async fn detached(session: &mut Session<'_>, args: RunDetached) -> Result<(), CliError> {
    let what = args.what.sorted(&mut How::default())?;
    session.console.set_json(what.on.print.json);
    let app = session.app(&what.on)?;
    let begun = format!("Running {} on", what.command());
    let body = what.body(session.env.term.as_deref(), None)?;
    let (answer, dyno) = start(session, &app, &begun, "/dynos", &body).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let hint = format!("      `flowline logs --tail --dyno {} -a {}` shows its output.", dyno.name, app.name);
    session.console.note(&hint)
}

/// Runs it as if it were here. The answer is the exit code.
pub(crate) async fn run(session: &mut Session<'_>, args: Run) -> Result<u8, CliError> {
    let mut how = args.how;
    let what = args.what.sorted(&mut how)?;
    session.console.set_json(what.on.print.json);
    let app = session.app(&what.on)?;
    let manner = Manner::of(session, how.no_tty);
    let begun = format!("Running {} on", what.command());
    let body = what.body(session.env.term.as_deref(), Some(manner))?;
    attached(session, &app, &begun, "/dynos", &body, (manner, how.exit_code)).await
}

/// The same in a dyno that runs already.
pub(crate) async fn inside(session: &mut Session<'_>, args: RunInside) -> Result<u8, CliError> {
    let mut how = args.run.how;
    let what = args.run.what.sorted(&mut how)?;
    session.console.set_json(what.on.print.json);
    let app = session.app(&what.on)?;
    let manner = Manner::of(session, how.no_tty);
    let begun = format!("Running {} in {} on", what.command(), args.dyno);
    let body = what.body(session.env.term.as_deref(), Some(manner))?;
    let path = format!("/dynos/{}", segment(&args.dyno));
    attached(session, &app, &begun, &path, &body, (manner, how.exit_code)).await
}

/// The same by another name, with a shell as what most people want.
pub(crate) async fn exec(session: &mut Session<'_>, args: Exec) -> Result<u8, CliError> {
    let command = if args.command.is_empty() { vec!["bash".to_owned()] } else { args.command };
    let what =
        OneOff { size: None, process_type: None, env: None, on: args.on, command: Vec::new(), verbatim: command };
    inside(session, RunInside { dyno: args.dyno, run: Run { what, how: args.how } }).await
}

/// Starts it, attaches to it, and says how it ended.
async fn attached(
    session: &mut Session<'_>,
    app: &Chosen,
    begun: &str,
    path: &str,
    body: &Value,
    (manner, exit_code): (Manner, bool),
) -> Result<u8, CliError> {
    let (answer, dyno) = start(session, app, begun, path, body).await?;
    let status = attach(session, dyno.attach_url.as_deref(), manner).await?;
    let Some(status) = status else {
        let next = format!("`flowline logs --dyno {} -a {}` may say more.", dyno.name, app.name);
        return Err(CliError::failed("The connection ended before the command did.", next));
    };
    if session.console.is_json() {
        session.console.line(&json!({ "dyno": answer, "exit_status": status }).to_string())?;
    } else if status != 0 {
        session.console.note(&format!("The command exited with status {status}"))?;
    }
    Ok(match (status, exit_code) {
        (0, _) => 0,
        (_, false) => 1,
        (_, true) => u8::try_from(status).unwrap_or(1),
    })
}

async fn start(
    session: &mut Session<'_>,
    app: &Chosen,
    begun: &str,
    path: &str,
    body: &Value,
) -> Result<(Value, Dyno), CliError> {
    let line = format!("{begun} {}", session.console.app_note(&app.name));
    session.console.begin(&line)?;
    let answer = session.client.post(&app.path(path), body).await?;
    let dyno: Dyno = session.client.read(&answer)?;
    session.console.end(&format!("done, {}", dyno.name))?;
    Ok((answer, dyno))
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
        let mut how = run.how;
        (run.what.sorted(&mut how).unwrap(), how.exit_code)
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
        assert!(lone.sorted(&mut How::default()).is_err());
        assert!(Program::try_parse_from(["run"]).is_err());
    }

    #[test]
    fn the_environment_of_a_one_off() {
        let body = parsed(&["-e", "A=1;B=x=y", "ls"]).0.body(Some("xterm"), None).unwrap();
        assert_eq!(body["env"], json!({ "A": "1", "B": "x=y", "TERM": "xterm" }));
        assert!(parsed(&["-e", "A", "ls"]).0.body(None, None).is_err());
    }
}
