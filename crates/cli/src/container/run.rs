//! `container:pull`, `container:run`: the images that were pushed, on this machine.

use super::dockerfile;
use super::local::Engine;
use crate::args::OnApp;
use crate::child;
use crate::error::CliError;
use crate::session::Session;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::PathBuf;

/// The type that is reached from outside.
const WEB: &str = "web";

/// What `container:pull` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Pull {
    /// Process types, such as web; or with a tag, such as web:latest
    #[arg(required = true)]
    types: Vec<String>,
    #[command(flatten)]
    pub(super) on: OnApp,
}

/// What `container:run` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    /// A process type, such as web
    #[arg(value_name = "TYPE")]
    process_type: String,
    /// What to run in place of the image's command; words with a dash before them go after --
    command: Vec<String>,
    /// PORT in the container; of web also the port of this machine at which it answers
    #[arg(short, long, default_value_t = 5000, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// A file with more of the environment, NAME=VALUE on each line
    #[arg(short, long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) on: OnApp,
}

pub(super) async fn pull(session: &mut Session<'_>, args: &Pull) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    args.types.iter().try_for_each(|wanted| tagged(wanted))?;
    let mut engine = Engine::of(session)?;
    engine.admit(session)?;
    let mut images = Vec::new();
    for wanted in &args.types {
        let image = engine.image(&app.name, wanted);
        session.console.note(&format!("=== Pulling {wanted} as {image}"))?;
        engine.must(session, &["pull", &image]).await?;
        images.push(json!({ "app": app.name, "type": wanted, "image": image }));
    }
    if session.console.is_json() { session.console.json(&Value::from(images)) } else { Ok(()) }
}

/// Runs it in front of the user; its exit status is ours.
pub(super) async fn run(session: &mut Session<'_>, args: &Run) -> Result<u8, CliError> {
    let app = session.app(&args.on)?;
    dockerfile::check(&args.process_type)?;
    if let Some(file) = args.env_file.as_ref().filter(|file| !session.env.cwd.join(file).is_file()) {
        return Err(CliError::missing(
            format!("There is no file {}.", file.display()),
            "--env-file FILE names one with NAME=VALUE on each line.",
        ));
    }
    let mut engine = Engine::of(session)?;
    let image = engine.image(&app.name, &args.process_type);
    if !engine.has(&image).await? {
        engine.admit(session)?;
        engine.must(session, &["pull", &image]).await?;
    }
    session.console.note(&format!("=== Running {image}"))?;
    let terminal = session.env.terminal;
    let ended = engine.run(session, args.words(&image, terminal.stdin && terminal.stdout)).await?;
    let status = child::code(ended);
    if session.console.is_json() {
        let ended = json!({ "app": app.name, "type": args.process_type, "image": image, "exit_status": status });
        session.console.json(&ended)?;
    }
    Ok(status)
}

impl Run {
    fn words(&self, image: &str, terminal: bool) -> Vec<OsString> {
        let port = self.port;
        let mut words: Vec<OsString> = vec!["run".into(), "--rm".into(), "--interactive".into()];
        if terminal {
            words.push("--tty".into());
        }
        if let Some(file) = &self.env_file {
            words.extend(["--env-file".into(), file.into()]);
        }
        words.extend(["--env".into(), format!("PORT={port}").into()]);
        if self.process_type == WEB && self.command.is_empty() {
            words.extend(["--publish".into(), format!("127.0.0.1:{port}:{port}").into()]);
        }
        words.push(image.into());
        words.extend(self.command.iter().map(OsString::from));
        words
    }
}

/// A type, or one with a tag (<https://github.com/distribution/reference>, "tag").
fn tagged(wanted: &str) -> Result<(), CliError> {
    let Some((process_type, tag)) = wanted.split_once(':') else { return dockerfile::check(wanted) };
    dockerfile::check(process_type)?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts = tag.bytes().next().is_some_and(word);
    if starts && tag.len() <= 128 && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-') {
        return Ok(());
    }
    Err(CliError::usage(format!("`{tag}` is not a tag."), "Write letters, digits, points, dashes: web:latest."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        run: Run,
    }

    #[test]
    fn what_an_engine_is_told_to_run() {
        for (typed, terminal, told) in [
            ("web -a shop", true, "--tty --env PORT=5000 --publish 127.0.0.1:5000:5000 IMAGE"),
            ("web -p 80 -e .env", false, "--env-file .env --env PORT=80 --publish 127.0.0.1:80:80 IMAGE"),
            ("worker", false, "--env PORT=5000 IMAGE"),
            ("web ls -a shop -- -l --app", false, "--env PORT=5000 IMAGE ls -l --app"),
        ] {
            let words = ["run"].into_iter().chain(typed.split(' '));
            let words = Typed::try_parse_from(words).unwrap().run.words("IMAGE", terminal);
            let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!(words.join(" "), format!("run --rm --interactive {told}"), "{typed}");
        }
    }

    #[test]
    fn tags() {
        assert!(tagged("web").is_ok() && tagged("web:latest").is_ok() && tagged("web:v1.2-3").is_ok());
        assert!(tagged("web:").is_err() && tagged("web:.a").is_err() && tagged("Web:a").is_err());
    }
}
