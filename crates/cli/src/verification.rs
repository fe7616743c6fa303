//! `verify`, `verify:info`, `verify:output`, `verify:run`, `verify:stop`, `verify:artifacts`, `verify:set`.

use crate::args::{OnApp, Print};
use crate::client::{StreamKind, segment};
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::release::collected;
use crate::session::{Chosen, Session};
use crate::verification_artifact::{self, Artifacts};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The end of a check is noted a moment after its output ended: so many looks, a second apart.
const END_TRIES: u32 = 30;

/// The commands about the check on the running server.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the checks of releases on the running server
    #[command(name = "verify", visible_alias = "verify:list")]
    List(List),
    /// Show a check
    #[command(name = "verify:info")]
    Show(One),
    /// Print what a check printed, or prints
    #[command(name = "verify:output")]
    Output(One),
    /// Check the current release once more, and wait for the green light
    #[command(name = "verify:run")]
    Run(Run),
    /// Stop a check
    #[command(name = "verify:stop")]
    Stop(One),
    /// List the reports and screenshots that a check left, or save them
    #[command(name = "verify:artifacts")]
    Artifacts(Artifacts),
    /// Say what follows when a release does not get its green light, and how long a check may run
    #[command(name = "verify:set")]
    Set(Set),
}

/// What `verify` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// How many
    #[arg(short, long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    num: u32,
    #[command(flatten)]
    on: OnApp,
}

/// One check.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its number; without it the newest
    number: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `verify:run` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    #[command(flatten)]
    on: OnApp,
}

/// What `verify:set` takes.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// alarm: people are told; hold: nothing is promoted without a green light; rollback: back to the last green release at once;
    /// default: as it was at first
    #[arg(long, value_name = "alarm|hold|rollback|default")]
    policy: Option<String>,
    /// Seconds that a check may run, or default
    #[arg(long, value_name = "SECONDS|default", value_parser = seconds)]
    timeout: Option<Seconds>,
}

/// What `verify:set` takes, with whom it is about.
#[derive(Debug, Clone, clap::Args)]
pub struct Set {
    #[command(flatten)]
    changes: Changes,
    /// For all apps of a stage that say nothing themselves: the pipeline
    #[arg(long, requires = "stage", conflicts_with_all = ["app", "remote"])]
    pipeline: Option<String>,
    /// The stage of that pipeline
    #[arg(long, requires = "pipeline")]
    stage: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

/// A number of seconds, or what holds without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Option<u64>);

/// Reads it.
pub(crate) fn seconds(text: &str) -> Result<Seconds, String> {
    match text {
        "default" => Ok(Seconds(None)),
        number => {
            number.parse().map(|seconds| Seconds(Some(seconds))).map_err(|_| "write seconds, such as 300".to_owned())
        }
    }
}

/// What is read of a check.
#[derive(Deserialize)]
pub(crate) struct Check {
    pub(crate) number: i64,
    pub(crate) release: ReleaseRef,
    stage: String,
    policy: String,
    command: String,
    timeout: u64,
    status: String,
    message: Option<String>,
    rolled_back_by: Option<i64>,
    user: User,
    output_stream_url: String,
    created_at: String,
}

#[derive(Deserialize)]
pub(crate) struct ReleaseRef {
    pub(crate) version: i64,
}

#[derive(Deserialize)]
struct User {
    email: String,
}

/// What holds for the next check.
#[derive(Deserialize)]
struct Terms {
    stage: String,
    policy: String,
    timeout: u64,
}

impl Check {
    fn paint(&self) -> Paint {
        match self.status.as_str() {
            "green" => Paint::Good,
            "pending" | "running" => Paint::Series(0),
            "cancelled" => Paint::Faint,
            _ => Paint::Bad,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "running")
    }
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Show(args) | Self::Output(args) | Self::Stop(args) => args.on.print,
            Self::Run(args) => args.on.print,
            Self::Artifacts(args) => args.on.print,
            Self::Set(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, args).await,
            Self::Show(args) => show(session, args).await,
            Self::Output(args) => output(session, args).await,
            Self::Run(args) => run(session, &args.on).await,
            Self::Stop(args) => stop(session, args).await,
            Self::Artifacts(args) => verification_artifact::list(session, args).await,
            Self::Set(args) => set(session, args).await,
        }
    }
}

async fn list(session: &mut Session<'_>, args: &List) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let range = format!("number ..; max={}, order=desc", args.num);
    let answer = Value::Array(session.client.page(&app.path("/verifications"), &range).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let checks: Vec<Check> = session.client.read(&answer)?;
    let terms: Terms = session.client.read(&session.client.get(&app.path("/verify")).await?)?;
    let name = session.console.app(&app.name);
    session.console.head(&format!("{name} Verify on {}: policy {}", terms.stage, terms.policy))?;
    if checks.is_empty() {
        return session
            .console
            .line("No release was verified yet: declare `verify: <command>` in the Procfile and push.");
    }
    let now = (session.env.now)();
    let row = |check: &Check| {
        vec![
            Cell(format!("#{}", check.number), None),
            Cell(format!("v{}", check.release.version), None),
            Cell(check.status.clone(), Some(check.paint())),
            Cell(check.message.clone().unwrap_or_default(), None),
            Cell(ago(&check.created_at, now), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = checks.iter().map(row).collect();
    session.console.table(&rows)
}

async fn show(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (answer, check) = one(session, &app, args.number.as_deref()).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.head(&format!("Verify #{} of v{}", check.number, check.release.version))?;
    let now = (session.env.now)();
    let mut fields = vec![
        ("By", check.user.email.clone()),
        ("Command", check.command.clone()),
        ("Policy", check.policy.clone()),
        ("Stage", check.stage.clone()),
        ("Status", check.status.clone()),
        ("Timeout", format!("{} s", check.timeout)),
        ("When", ago(&check.created_at, now)),
    ];
    fields.extend(check.message.map(|why| ("Why", why)));
    fields.extend(check.rolled_back_by.map(|version| ("Rolled back by", format!("v{version}"))));
    session.console.fields(&fields)
}

async fn output(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (mut answer, check) = one(session, &app, args.number.as_deref()).await?;
    let mut stream = session.client.stream(&check.output_stream_url, StreamKind::Plain).await?;
    if session.console.is_json() {
        answer["output"] = Value::from(collected(&mut stream).await?);
        return session.console.json(&answer);
    }
    while let Some(bytes) = stream.chunk().await? {
        session.console.raw(&bytes)?;
    }
    if check.is_open() { ended(session, &app, check.number).await.map(drop) } else { Ok(()) }
}

async fn run(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = session.client.post(&app.path("/verifications"), &json!({})).await?;
    let check: Check = session.client.read(&answer)?;
    session.console.note(&format!("Verifying v{} of {}...", check.release.version, app.name))?;
    let mut stream = session.client.stream(&check.output_stream_url, StreamKind::Plain).await?;
    while let Some(bytes) = stream.chunk().await? {
        if !session.console.is_json() {
            session.console.raw(&bytes)?;
        }
    }
    let (answer, check) = ended(session, &app, check.number).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.line(&format!("v{} is green: {}", check.release.version, check.message.unwrap_or_default()))
}

async fn stop(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (_, check) = one(session, &app, args.number.as_deref()).await?;
    let path = app.path(&format!("/verifications/{}/actions/stop", check.number));
    let answer = session.client.post(&path, &json!({})).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.line(&format!("Stopped the verify of v{}", check.release.version))
}

async fn set(session: &mut Session<'_>, args: &Set) -> Result<(), CliError> {
    let mut body = Map::new();
    if let Some(policy) = &args.changes.policy {
        let value = if policy == "default" { Value::Null } else { Value::from(policy.as_str()) };
        body.insert("policy".to_owned(), value);
    }
    if let Some(Seconds(timeout)) = args.changes.timeout {
        body.insert("timeout".to_owned(), json!(timeout));
    }
    let body = Value::Object(body);
    if let (Some(pipeline), Some(stage)) = (&args.pipeline, &args.stage) {
        let path = format!("/pipelines/{}/stage/{}/verify", segment(pipeline), segment(stage));
        let answer = session.client.patch(&path, &body).await?;
        if session.console.is_json() {
            return session.console.json(&answer);
        }
        let policy = answer["policy"].as_str().unwrap_or("alarm");
        return session.console.line(&format!("Apps of {pipeline} on {stage} are verified with policy {policy}"));
    }
    let app = session.app(&args.on)?;
    let answer = session.client.patch(&app.path("/verify"), &body).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let terms: Terms = session.client.read(&answer)?;
    let name = session.console.app(&app.name);
    let Terms { stage, policy, timeout } = terms;
    session.console.line(&format!("{name} is verified on {stage} with policy {policy}, {timeout} seconds at most"))
}

/// The check of this number; without one the newest.
pub(crate) async fn one(session: &Session<'_>, app: &Chosen, number: Option<&str>) -> Result<(Value, Check), CliError> {
    let answer = match number {
        Some(number) => {
            let number = number.trim_start_matches('#');
            session.client.get(&app.path(&format!("/verifications/{}", segment(number)))).await?
        }
        None => {
            let newest = session.client.page(&app.path("/verifications"), "number ..; order=desc,max=1").await?;
            newest.into_iter().next().ok_or_else(|| {
                let message = format!("No release of {} was verified yet.", app.name);
                CliError::missing(message, "Declare `verify: <command>` in the Procfile and push.")
            })?
        }
    };
    let check = session.client.read(&answer)?;
    Ok((answer, check))
}

/// How a check ended; without a green light that is an error.
async fn ended(session: &Session<'_>, app: &Chosen, number: i64) -> Result<(Value, Check), CliError> {
    let mut tries = 0;
    loop {
        let answer = session.client.get(&app.path(&format!("/verifications/{number}"))).await?;
        let check: Check = session.client.read(&answer)?;
        if check.is_open() && tries < END_TRIES {
            tries += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        if check.status == "green" {
            return Ok((answer, check));
        }
        let why = check.message.unwrap_or_else(|| "it is not over".to_owned());
        let back = check
            .rolled_back_by
            .map(|version| format!(" v{version} went back to the last green release."))
            .unwrap_or_default();
        let message = format!("v{} has no green light ({}): {why}.{back}", check.release.version, check.status);
        let next = format!("`flowline verify:output {number} -a {}` has its output.", app.name);
        return Err(CliError::failed(message, next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_or_default() {
        assert_eq!(seconds("300"), Ok(Seconds(Some(300))));
        assert_eq!(seconds("default"), Ok(Seconds(None)));
        assert!(seconds("5m").unwrap_err().contains("300"));
    }
}
