//! `pipelines:gates`, `pipelines:lock`, `pipelines:approve`, `pipelines:checks` and what belongs to them: what must hold before a stage
//! takes something, and who opens it.

use crate::args::{OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::pipeline::{find, path};
use crate::session::Session;
use model::pipeline::Stage;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Gates.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Show the gates of a pipeline's stages, and how they stand for what could be promoted
    #[command(name = "pipelines:gates")]
    Gates(One),
    /// Set gates of a stage; what is not named stays
    #[command(name = "pipelines:gates:set")]
    Set(Box<Set>),
    /// Lock a stage: nothing is deployed to it
    #[command(name = "pipelines:lock")]
    Lock(Lock),
    /// Lift the lock of a stage
    #[command(name = "pipelines:unlock")]
    Unlock(OfStage),
    /// Approve what is on an app now for a stage after it
    #[command(name = "pipelines:approve")]
    Approve(Approve),
    /// Take your approval back
    #[command(name = "pipelines:disapprove")]
    Disapprove(Approve),
    /// Show what checks said of a commit
    #[command(name = "pipelines:checks")]
    Checks(Checks),
    /// Report what a check says of a commit
    #[command(name = "pipelines:checks:report")]
    Report(Report),
}

/// What is said of one pipeline.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its name or id
    pipeline: String,
    #[command(flatten)]
    print: Print,
}

/// What `pipelines:gates:set` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Set {
    /// Its name or id
    pipeline: String,
    /// development, staging or production
    stage: Stage,
    /// A check that must have succeeded on the commit; once for each, and none at all with `--check none`
    #[arg(long = "check", value_name = "NAME")]
    checks: Vec<String>,
    /// The release needs its green light on the stage before: true or false
    #[arg(long, value_name = "BOOL")]
    green_light: Option<bool>,
    /// How many people other than its author must approve the release: 0, 1 or 2
    #[arg(long, value_name = "NUMBER")]
    approvals: Option<u8>,
    /// How long it must have been live on the stage before, such as 30m; `none`
    #[arg(long, value_name = "TIME")]
    soak: Option<String>,
    /// Freeze windows, as a JSON list in the shape of flowline.yml; `[]` takes them away
    #[arg(long, value_name = "JSON")]
    freeze: Option<String>,
    /// What happens when all gates are open: manual or auto
    #[arg(long, value_name = "HOW")]
    promote: Option<String>,
    #[command(flatten)]
    print: Print,
}

/// What is said of one stage.
#[derive(Debug, Clone, clap::Args)]
pub struct OfStage {
    /// The pipeline, by name or id
    pipeline: String,
    /// development, staging or production
    stage: Stage,
    #[command(flatten)]
    print: Print,
}

/// What `pipelines:lock` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Lock {
    /// The pipeline, by name or id
    pipeline: String,
    /// development, staging or production
    stage: Stage,
    /// Why, for those who meet it
    #[arg(short = 'm', long)]
    reason: String,
    #[command(flatten)]
    print: Print,
}

/// What `pipelines:approve` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Approve {
    /// The stage that it may go to
    stage: Stage,
    #[command(flatten)]
    on: OnApp,
}

/// What `pipelines:checks` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Checks {
    /// The pipeline, by name or id
    pipeline: String,
    /// The commit's whole hash
    commit: String,
    #[command(flatten)]
    print: Print,
}

/// What `pipelines:checks:report` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Report {
    /// The pipeline, by name or id
    pipeline: String,
    /// The commit's whole hash
    commit: String,
    /// The check's name
    name: String,
    /// pending, success, failure or error
    state: String,
    /// In its own words
    #[arg(long)]
    description: Option<String>,
    /// Where people see more
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    print: Print,
}

/// How the gates of a stage stand.
#[derive(Debug, Clone, Deserialize)]
struct StageGates {
    stage: String,
    gates: Value,
    lock: Option<Locked>,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, Deserialize)]
struct Locked {
    by: String,
    reason: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Candidate {
    app: Named,
    release: Version,
    open: bool,
    gates: Vec<Gate>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Version {
    version: i64,
}

/// How one gate stands.
#[derive(Debug, Clone, Deserialize)]
struct Gate {
    rule: String,
    open: bool,
    says: String,
    lift: Option<String>,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Gates(args) => args.print,
            Self::Set(args) => args.print,
            Self::Lock(args) => args.print,
            Self::Unlock(args) => args.print,
            Self::Approve(args) | Self::Disapprove(args) => args.on.print,
            Self::Checks(args) => args.print,
            Self::Report(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Gates(args) => gates(session, &args.pipeline).await,
            Self::Set(args) => set(session, &args).await,
            Self::Lock(args) => lock(session, &args).await,
            Self::Unlock(args) => unlock(session, &args).await,
            Self::Approve(args) => approve(session, &args, true).await,
            Self::Disapprove(args) => approve(session, &args, false).await,
            Self::Checks(args) => checks(session, &args).await,
            Self::Report(args) => report(session, args).await,
        }
    }
}

async fn gates(session: &mut Session<'_>, which: &str) -> Result<(), CliError> {
    let (_, pipeline) = find(session, which).await?;
    let answer = session.client.get(&path(&pipeline.id, "/gates")).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let board: Vec<StageGates> = session.client.read(&answer)?;
    for stage in &board {
        session.console.head(&stage.stage)?;
        let told = told(&stage.gates);
        session.console.line(&format!("settings: {}", if told.is_empty() { "no gates" } else { &told }))?;
        if let Some(lock) = &stage.lock {
            session.console.line(&format!("locked by {}: {}", lock.by, lock.reason))?;
        }
        for candidate in &stage.candidates {
            let state = if candidate.open { "may come" } else { "has to wait" };
            let name = session.console.app(&candidate.app.name);
            session.console.line(&format!("{name} v{} {state}", candidate.release.version))?;
            let rows: Vec<Vec<Cell>> = candidate.gates.iter().map(row).collect();
            session.console.table(&rows)?;
        }
        session.console.line("")?;
    }
    Ok(())
}

fn row(gate: &Gate) -> Vec<Cell> {
    let state = if gate.open { Cell("open".into(), Some(Paint::Name)) } else { Cell("shut".into(), Some(Paint::Head)) };
    let says = match &gate.lift {
        Some(lift) => format!("{}. {lift}.", gate.says),
        None => gate.says.clone(),
    };
    vec![Cell("  ".into(), None), state, Cell(gate.rule.clone(), None), Cell(says, None)]
}

/// The gates that are set, in a line.
fn told(gates: &Value) -> String {
    let set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::Array(all) => !all.is_empty(),
        Value::Bool(true) | Value::String(_) | Value::Object(_) => true,
    };
    let word = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name} {text}"),
        Value::Array(all) if name == "required_checks" => {
            format!("{name} {}", all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        Value::Array(all) => format!("{name} {} window{}", all.len(), if all.len() == 1 { "" } else { "s" }),
        Value::Null | Value::Bool(_) => name.clone(),
        Value::Number(_) | Value::Object(_) => format!("{name} {value}"),
    };
    let all = gates.as_object().into_iter().flatten().filter(|(_, value)| set(value)).map(word);
    all.collect::<Vec<_>>().join(", ")
}

async fn set(session: &mut Session<'_>, args: &Set) -> Result<(), CliError> {
    let change = change(args)?;
    if change.is_empty() {
        return Err(CliError::usage(
            "Nothing to set.",
            "Name a gate, such as --approvals 1, --soak 30m or --promote auto.",
        ));
    }
    let (_, pipeline) = find(session, &args.pipeline).await?;
    session.console.begin(&format!("Setting the gates to {} of {}", args.stage, pipeline.name))?;
    let path = path(&pipeline.id, &format!("/stage/{}/gates", args.stage.word()));
    let answer = session.client.patch(&path, &Value::Object(change)).await?;
    session.done("done", &answer)?;
    if session.console.is_json() {
        return Ok(());
    }
    let told = told(&answer);
    session.console.line(&format!("{}: {}", args.stage, if told.is_empty() { "no gates" } else { &told }))
}

fn change(args: &Set) -> Result<Map<String, Value>, CliError> {
    let mut change = Map::new();
    let mut put = |key: &str, value: Value| drop(change.insert(key.to_owned(), value));
    match args.checks.as_slice() {
        [] => {}
        [none] if none == "none" => put("required_checks", json!([])),
        names => put("required_checks", json!(names)),
    }
    if let Some(green_light) = args.green_light {
        put("green_light", json!(green_light));
    }
    if let Some(approvals) = args.approvals {
        put("approvals", json!(approvals));
    }
    if let Some(soak) = &args.soak {
        put("soak", if soak == "none" { Value::Null } else { json!(soak) });
    }
    if let Some(freeze) = &args.freeze {
        let windows = serde_json::from_str(freeze).map_err(|error| {
            let hint = r#"Such as --freeze '[{"days": ["sat", "sun"], "time_zone": "Europe/Berlin"}]'."#;
            CliError::usage(format!("--freeze is not JSON: {error}."), hint)
        })?;
        put("freeze", windows);
    }
    if let Some(promote) = &args.promote {
        put("promote", json!(promote));
    }
    Ok(change)
}

async fn lock(session: &mut Session<'_>, args: &Lock) -> Result<(), CliError> {
    let (_, pipeline) = find(session, &args.pipeline).await?;
    session.console.begin(&format!("Locking {} of {}", args.stage, pipeline.name))?;
    let path = path(&pipeline.id, &format!("/stage/{}/lock", args.stage.word()));
    let answer = session.client.post(&path, &json!({ "reason": args.reason })).await?;
    session.done("done", &answer)
}

async fn unlock(session: &mut Session<'_>, args: &OfStage) -> Result<(), CliError> {
    let (_, pipeline) = find(session, &args.pipeline).await?;
    session.console.begin(&format!("Unlocking {} of {}", args.stage, pipeline.name))?;
    let answer = session.client.delete(&path(&pipeline.id, &format!("/stage/{}/lock", args.stage.word()))).await?;
    session.done("done", &answer)
}

async fn approve(session: &mut Session<'_>, args: &Approve, yes: bool) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let coupling = crate::pipeline::coupling(session, &app).await?;
    let name = session.console.app_note(&app.name);
    let approvals = path(&coupling.pipeline.id, &format!("/stage/{}/approvals", args.stage.word()));
    let answer = if yes {
        session.console.begin(&format!("Approving what is on {name} for {}", args.stage))?;
        session.client.post(&approvals, &json!({ "app": app.name })).await?
    } else {
        session.console.begin(&format!("Taking your approval of what is on {name} for {} back", args.stage))?;
        session.client.delete(&format!("{approvals}/{}", segment(&app.name))).await?
    };
    session.done("done", &answer)
}

async fn checks(session: &mut Session<'_>, args: &Checks) -> Result<(), CliError> {
    let (_, pipeline) = find(session, &args.pipeline).await?;
    let answer = session.client.get(&path(&pipeline.id, &format!("/checks?commit={}", segment(&args.commit)))).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let all = answer.as_array().cloned().unwrap_or_default();
    if all.is_empty() {
        return session.console.line(&format!("No check reported on {}.", args.commit));
    }
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let row = |one: &Value| {
        ["state", "name", "updated_at", "description", "url"]
            .map(|key| Cell(text(one, key), None))
            .into_iter()
            .collect()
    };
    let rows: Vec<Vec<Cell>> = all.iter().map(row).collect();
    session.console.table(&rows)
}

async fn report(session: &mut Session<'_>, args: Report) -> Result<(), CliError> {
    let Report { pipeline, commit, name, state, description, url, print: _ } = args;
    let (_, pipeline) = find(session, &pipeline).await?;
    session.console.begin(&format!("Reporting {state} of {name} on {commit}"))?;
    let body = json!({ "commit": commit, "name": name, "state": state, "description": description, "url": url });
    let answer = session.client.post(&path(&pipeline.id, "/checks"), &body).await?;
    session.done("done", &answer)
}
