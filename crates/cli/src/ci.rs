//! `ci` and `ci:*`: the test runs of a pipeline.

use crate::args::{OnApp, Print};
use crate::ci_config;
use crate::ci_source::{self, Tested};
use crate::client::{StreamKind, segment};
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::pipeline;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// So many are listed, the newest first.
const NEWEST: &str = "number ..; order=desc, max=15";

const LAST: &str = "number ..; order=desc, max=1";

/// The commands about test runs.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the newest test runs of a pipeline
    #[command(name = "ci", alias = "ci:list")]
    List(Of),
    /// Show a test run with what it printed
    #[command(name = "ci:info")]
    Info(One),
    /// Show the newest test run with what it printed
    #[command(name = "ci:last")]
    Last(Of),
    /// Test the last commit of this folder
    #[command(name = "ci:run")]
    Run(Fresh),
    /// Test the commit of an earlier test run again
    #[command(name = "ci:rerun")]
    Rerun(Again),
    /// End a test run that is under way
    #[command(name = "ci:cancel")]
    Cancel(Cancel),
    /// Show or set whether pushes to the pipeline's apps are tested before they are built
    #[command(name = "ci:gate")]
    Gate(ci_config::Gate),
    /// List the config vars that tests get
    #[command(name = "ci:config")]
    Config(Of),
    /// Print the value of a config var that tests get
    #[command(name = "ci:config:get")]
    ConfigGet(ci_config::Key),
    /// Set config vars that tests get
    #[command(name = "ci:config:set")]
    ConfigSet(ci_config::Set),
    /// Remove config vars that tests get
    #[command(name = "ci:config:unset")]
    ConfigUnset(ci_config::Keys),
}

/// Which pipeline.
#[derive(Debug, Clone, clap::Args)]
pub struct Of {
    /// The pipeline, by name or id; without it the app's
    #[arg(short, long)]
    pipeline: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// Which run.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its number
    number: u64,
    #[command(flatten)]
    of: Of,
}

/// What `ci:run` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Fresh {
    /// Begin with an empty build cache
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    of: Of,
}

/// What `ci:rerun` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Again {
    /// The number of the run whose commit is tested again; without it the newest
    number: Option<u64>,
    /// Begin with an empty build cache
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    of: Of,
}

/// What `ci:cancel` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Cancel {
    /// Its number; without it the newest
    number: Option<u64>,
    /// Why
    #[arg(short, long, default_value = "")]
    message: String,
    #[command(flatten)]
    of: Of,
}

/// What is read of a run.
#[derive(Debug, Clone, Deserialize)]
struct TestRun {
    id: String,
    number: i64,
    status: String,
    commit_branch: String,
    commit_sha: String,
    commit_message: String,
    actor_email: String,
    created_at: String,
    message: Option<String>,
    warning_message: Option<String>,
}

/// What is read of a node.
#[derive(Deserialize)]
struct TestNode {
    setup_stream_url: String,
    output_stream_url: String,
}

impl TestRun {
    fn short_sha(&self) -> &str {
        self.commit_sha.get(..7).unwrap_or(&self.commit_sha)
    }

    fn paint(&self) -> Paint {
        match self.status.as_str() {
            "succeeded" => Paint::Good,
            "failed" | "errored" | "cancelled" => Paint::Bad,
            _ => Paint::Series(0),
        }
    }
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(of) | Self::Last(of) | Self::Config(of) => of.on.print,
            Self::Info(args) => args.of.on.print,
            Self::Run(args) => args.of.on.print,
            Self::Rerun(args) => args.of.on.print,
            Self::Cancel(args) => args.of.on.print,
            Self::Gate(args) => args.print(),
            Self::ConfigGet(args) => args.print(),
            Self::ConfigSet(args) => args.print(),
            Self::ConfigUnset(args) => args.print(),
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(of) => list(session, &of).await,
            Self::Info(args) => info(session, &args).await,
            Self::Last(of) => last(session, &of).await,
            Self::Run(args) => fresh(session, &args).await,
            Self::Rerun(args) => again(session, &args).await,
            Self::Cancel(args) => cancel(session, &args).await,
            Self::Gate(args) => ci_config::gate(session, &args).await,
            Self::Config(of) => ci_config::list(session, &of).await,
            Self::ConfigGet(args) => ci_config::get(session, &args).await,
            Self::ConfigSet(args) => ci_config::set(session, &args).await,
            Self::ConfigUnset(args) => ci_config::unset(session, &args).await,
        }
    }
}

/// The pipeline that was named, or the app's; its id and name.
pub(crate) async fn pipeline_of(session: &Session<'_>, of: &Of) -> Result<(String, String), CliError> {
    if let Some(named) = &of.pipeline {
        let (_, found) = pipeline::find(session, named).await?;
        return Ok((found.id, found.name));
    }
    let app = session.app(&of.on)?;
    let couplings = session.client.get(&app.path("/pipeline-couplings")).await?;
    let id = couplings["pipeline"]["id"].as_str().unwrap_or_default();
    let (_, found) = pipeline::find(session, id).await?;
    Ok((found.id, found.name))
}

async fn list(session: &mut Session<'_>, of: &Of) -> Result<(), CliError> {
    let (id, name) = pipeline_of(session, of).await?;
    let answer = Value::Array(session.client.page(&pipeline::path(&id, "/test-runs"), NEWEST).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let runs: Vec<TestRun> = session.client.read(&answer)?;
    if runs.is_empty() {
        return session.console.line(&format!(
            "{name} has no test runs. `flowline ci:gate on -p {name}` tests every push, `flowline ci:run -p {name}` this folder."
        ));
    }
    session.console.head(&format!("{name} Test Runs"))?;
    let now = (session.env.now)();
    let row = |run: &TestRun| {
        vec![
            Cell(format!("#{}", run.number), None),
            Cell(run.status.clone(), Some(run.paint())),
            Cell(run.commit_branch.clone(), None),
            Cell(run.short_sha().to_owned(), None),
            Cell(run.commit_message.lines().next().unwrap_or_default().to_owned(), None),
            Cell(run.actor_email.clone(), None),
            Cell(ago(&run.created_at, now), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = runs.iter().map(row).collect();
    session.console.table(&rows)
}

async fn info(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let (id, _) = pipeline_of(session, &args.of).await?;
    let answer = by_number(session, &id, args.number).await?;
    show(session, answer).await
}

async fn by_number(session: &Session<'_>, pipeline: &str, number: u64) -> Result<Value, CliError> {
    session.client.get(&pipeline::path(pipeline, &format!("/test-runs/{number}"))).await
}

async fn last(session: &mut Session<'_>, of: &Of) -> Result<(), CliError> {
    let (id, name) = pipeline_of(session, of).await?;
    let answer = newest(session, &id, &name).await?;
    show(session, answer).await
}

async fn newest(session: &Session<'_>, pipeline: &str, name: &str) -> Result<Value, CliError> {
    let mut runs = session.client.page(&pipeline::path(pipeline, "/test-runs"), LAST).await?;
    let none = || {
        CliError::missing(
            format!("{name} has no test runs."),
            format!("`flowline ci:run -p {name}` tests this folder."),
        )
    };
    runs.pop().ok_or_else(none)
}

/// All that a run printed, or prints; how it ended is how this command ends.
async fn show(session: &mut Session<'_>, answer: Value) -> Result<(), CliError> {
    let run: TestRun = session.client.read(&answer)?;
    let path = format!("/test-runs/{}", segment(&run.id));
    if session.console.is_json() {
        let nodes = session.client.get(&format!("{path}/test-nodes")).await?;
        return session.console.json(&json!({ "test_run": answer, "test_nodes": nodes }));
    }
    let head = format!("Test run #{} ({} {})", run.number, run.commit_branch, run.short_sha());
    session.console.head(&head)?;
    let nodes: Vec<TestNode> = session.client.read(&session.client.get(&format!("{path}/test-nodes")).await?)?;
    for node in nodes {
        for url in [&node.setup_stream_url, &node.output_stream_url] {
            follow(session, url).await?;
        }
    }
    let run: TestRun = session.client.read(&session.client.get(&path).await?)?;
    session.console.flush()?;
    verdict(session, &run)
}

async fn follow(session: &mut Session<'_>, url: &str) -> Result<(), CliError> {
    let mut stream = match session.client.stream(url, StreamKind::Plain).await {
        Ok(stream) => stream,
        Err(error) if error.lacks("test_run") => {
            return session.console.warn("What it printed is not kept any more.");
        }
        Err(error) => return Err(error),
    };
    while let Some(bytes) = stream.chunk().await? {
        session.console.raw(&bytes)?;
    }
    Ok(())
}

fn verdict(session: &mut Session<'_>, run: &TestRun) -> Result<(), CliError> {
    if let Some(warning) = &run.warning_message {
        session.console.warn(warning)?;
    }
    let why = run.message.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let ended = format!("Test run #{} {}{why}.", run.number, run.status);
    match run.status.as_str() {
        "succeeded" => session.console.note(&ended),
        "failed" => Err(CliError::failed(ended, "The reason is in the lines above.")),
        "errored" | "cancelled" => Err(CliError::failed(ended, "`flowline ci:rerun` tests the commit again.")),
        _ => {
            Err(CliError::failed(ended, format!("Its output has ended; `flowline ci:info {}` says more.", run.number)))
        }
    }
}

async fn fresh(session: &mut Session<'_>, args: &Fresh) -> Result<(), CliError> {
    let (id, _) = pipeline_of(session, &args.of).await?;
    let tested = ci_source::head(&session.env.cwd)?;
    begin(session, &id, &tested, args.no_cache).await
}

async fn again(session: &mut Session<'_>, args: &Again) -> Result<(), CliError> {
    let (id, name) = pipeline_of(session, &args.of).await?;
    let answer = match args.number {
        Some(number) => by_number(session, &id, number).await?,
        None => newest(session, &id, &name).await?,
    };
    let run: TestRun = session.client.read(&answer)?;
    let tested = Tested { branch: run.commit_branch, message: run.commit_message, sha: run.commit_sha };
    begin(session, &id, &tested, args.no_cache).await
}

async fn begin(session: &mut Session<'_>, pipeline: &str, tested: &Tested, no_cache: bool) -> Result<(), CliError> {
    let url = ci_source::upload(session, &tested.sha).await?;
    let body = json!({
        "pipeline": pipeline,
        "commit_branch": tested.branch,
        "commit_message": tested.message,
        "commit_sha": tested.sha,
        "source_blob_url": url,
        "clear_cache": no_cache,
    });
    let answer = session.client.post("/test-runs", &body).await?;
    show(session, answer).await
}

async fn cancel(session: &mut Session<'_>, args: &Cancel) -> Result<(), CliError> {
    let (id, name) = pipeline_of(session, &args.of).await?;
    let answer = match args.number {
        Some(number) => by_number(session, &id, number).await?,
        None => newest(session, &id, &name).await?,
    };
    let run: TestRun = session.client.read(&answer)?;
    session.console.begin(&format!("Cancelling test run #{} of {name}", run.number))?;
    let body = json!({ "status": "cancelled", "message": args.message });
    let answer = session.client.patch(&format!("/test-runs/{}", segment(&run.id)), &body).await?;
    session.done("done", &answer)
}
