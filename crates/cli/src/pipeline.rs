//! `pipelines` and `pipelines:*`: make, show, rename, hand over, destroy; which app is at which stage.

use crate::args::{Bare, OnApp, Print};
use crate::client::segment;
use crate::confirm::Loss;
use crate::console::{Cell, Paint};
use crate::deployment::{self, Metrics};
use crate::error::CliError;
use crate::pipeline_setup::{self, Setup};
use crate::promotion::{self, Promote};
use crate::promotion_receipt::{self, OfPipeline, OnePromotion};
use crate::session::{Chosen, Session};
use crate::stage_gate;
use model::pipeline::Stage;
use serde::Deserialize;
use serde_json::{Value, json};

/// Pipelines.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// What must hold before a stage takes something.
    #[command(flatten)]
    Gates(stage_gate::Verb),
    /// List the pipelines that you see
    #[command(name = "pipelines", alias = "pipelines:list")]
    List(Bare),
    /// Make a pipeline with an app in it
    #[command(name = "pipelines:create")]
    Create(Create),
    /// Put an app into a pipeline
    #[command(name = "pipelines:add")]
    Add(Add),
    /// Show a pipeline and its apps by stage
    #[command(name = "pipelines:info")]
    Info(One),
    /// Move an app to another stage
    #[command(name = "pipelines:update")]
    Update(Update),
    /// Take an app out of its pipeline
    #[command(name = "pipelines:remove")]
    Remove(OfApp),
    /// Give a pipeline another name
    #[command(name = "pipelines:rename")]
    Rename(Rename),
    /// Hand a pipeline and all its apps over
    #[command(name = "pipelines:transfer")]
    Transfer(Transfer),
    /// Promote an app's code to the next stage; nothing is built again
    #[command(name = "pipelines:promote")]
    Promote(Promote),
    /// Compare an app with those of the next stage, by the commits of this folder's repository
    #[command(name = "pipelines:diff")]
    Diff(OfApp),
    /// Make a pipeline with an app for staging and one for production
    #[command(name = "pipelines:setup")]
    Setup(Setup),
    /// List what was promoted in a pipeline
    #[command(name = "promotions")]
    Promotions(OfPipeline),
    /// Show the receipt of a promotion
    #[command(name = "promotions:info")]
    PromotionsInfo(OnePromotion),
    /// Print lead time, deployment frequency, change failure rate and time to restore
    #[command(name = "pipelines:metrics")]
    Metrics(Metrics),
    /// Destroy a pipeline; its apps go on
    #[command(name = "pipelines:destroy")]
    Destroy(One),
}

/// What is said of one pipeline.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its name or id
    pipeline: String,
    #[command(flatten)]
    print: Print,
}

/// What `pipelines:remove` and `pipelines:diff` take.
#[derive(Debug, Clone, clap::Args)]
pub struct OfApp {
    #[command(flatten)]
    on: OnApp,
}

/// What `pipelines:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// Its name; without it the app's, without the ending that says its stage
    name: Option<String>,
    /// The app's stage; without it what its name says, else production
    #[arg(short, long)]
    stage: Option<Stage>,
    /// The team that it belongs to
    #[arg(short, long)]
    team: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `pipelines:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    /// Its name or id
    pipeline: String,
    /// The app's stage; without it what its name says, else production
    #[arg(short, long)]
    stage: Option<Stage>,
    #[command(flatten)]
    on: OnApp,
}

/// What `pipelines:update` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Update {
    /// The stage that the app goes to
    #[arg(short, long)]
    stage: Stage,
    #[command(flatten)]
    on: OnApp,
}

/// What `pipelines:rename` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Rename {
    /// Its name or id
    pipeline: String,
    /// The name it gets
    name: String,
    #[command(flatten)]
    print: Print,
}

/// What `pipelines:transfer` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Transfer {
    /// A team's name, or `me`
    owner: String,
    /// The pipeline, by name or id
    #[arg(short, long)]
    pipeline: String,
    /// Its name once more; without it you are asked
    #[arg(short, long, value_name = "PIPELINE")]
    confirm: Option<String>,
    #[command(flatten)]
    print: Print,
}

/// What is read of a pipeline.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pipeline {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner: Owner,
}

/// Whose it is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Owner {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// What is read of a coupling.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Coupling {
    id: String,
    pub(crate) app: Id,
    pub(crate) pipeline: Id,
    pub(crate) stage: String,
}

/// Something's id, and its name where the API tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Id {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
}

/// An app of a pipeline.
pub(crate) struct Member {
    pub(crate) id: String,
    /// Empty for an app that one may not see.
    pub(crate) name: String,
    pub(crate) stage: Option<Stage>,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Gates(verb) => verb.print(),
            Self::List(args) => args.print,
            Self::Info(args) | Self::Destroy(args) => args.print,
            Self::Create(args) => args.on.print,
            Self::Add(args) => args.on.print,
            Self::Update(args) => args.on.print,
            Self::Remove(args) | Self::Diff(args) => args.on.print,
            Self::Setup(args) => args.print,
            Self::Rename(args) => args.print,
            Self::Transfer(args) => args.print,
            Self::Promote(args) => args.on.print,
            Self::Promotions(args) => args.print,
            Self::PromotionsInfo(args) => args.print,
            Self::Metrics(args) => args.print(),
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Gates(verb) => verb.run(session).await,
            Self::List(_) => list(session).await,
            Self::Create(args) => create(session, args).await,
            Self::Add(args) => add(session, &args).await,
            Self::Info(args) => info(session, &args.pipeline).await,
            Self::Update(args) => update(session, &args).await,
            Self::Remove(args) => remove(session, &args.on).await,
            Self::Diff(args) => crate::pipeline_diff::diff(session, &args.on).await,
            Self::Setup(args) => pipeline_setup::setup(session, &args).await,
            Self::Rename(args) => rename(session, &args).await,
            Self::Transfer(args) => transfer(session, &args).await,
            Self::Promote(args) => promotion::promote(session, &args).await,
            Self::Promotions(args) => promotion_receipt::list(session, &args).await,
            Self::PromotionsInfo(args) => promotion_receipt::show(session, &args).await,
            Self::Metrics(args) => deployment::metrics(session, &args).await,
            Self::Destroy(args) => destroy(session, &args.pipeline).await,
        }
    }
}

/// `/pipelines/ID` and what follows.
pub(crate) fn path(id: &str, rest: &str) -> String {
    format!("/pipelines/{}{rest}", segment(id))
}

/// The pipeline with this name or id (PIPE-2): several with one name are listed, and an id asked for.
pub(crate) async fn find(session: &Session<'_>, which: &str) -> Result<(Value, Pipeline), CliError> {
    let mut named = session.client.all(&format!("/pipelines?eq[name]={}", segment(which))).await?;
    if named.len() > 1 {
        let all: Vec<Pipeline> = session.client.read(&Value::Array(named))?;
        let ids = all.iter().map(|one| format!("{} (of the {} {})", one.id, one.owner.kind, one.owner.id));
        let message = format!("{} pipelines are called {which}: {}.", all.len(), ids.collect::<Vec<_>>().join(", "));
        return Err(CliError::usage(message, "Name it by its id."));
    }
    let answer = match named.pop() {
        Some(answer) => answer,
        None => session.client.get(&path(which, "")).await?,
    };
    let pipeline = session.client.read(&answer)?;
    Ok((answer, pipeline))
}

/// The apps of a pipeline, in the order of PIPE-22.
pub(crate) async fn members(session: &Session<'_>, pipeline: &str) -> Result<Vec<Member>, CliError> {
    let couplings = session.client.all(&path(pipeline, "/pipeline-couplings")).await?;
    let couplings: Vec<Coupling> = session.client.read(&Value::Array(couplings))?;
    let ids: Vec<&str> = couplings.iter().map(|one| one.app.id.as_str()).collect();
    let apps = session.client.post("/filters/apps", &json!({ "in": { "id": ids } })).await?;
    let apps: Vec<Id> = session.client.read(&apps)?;
    let name = |id: &str| apps.iter().find(|app| app.id == id).map(|app| app.name.clone()).unwrap_or_default();
    let member =
        |one: &Coupling| Member { id: one.app.id.clone(), name: name(&one.app.id), stage: one.stage.parse().ok() };
    let mut all: Vec<Member> = couplings.iter().map(member).collect();
    let place = |one: &Member| Stage::LISTED.iter().position(|stage| one.stage == Some(*stage));
    all.sort_by_key(|one| (place(one), one.name.clone()));
    Ok(all)
}

/// Where an app is.
pub(crate) async fn coupling(session: &Session<'_>, app: &Chosen) -> Result<Coupling, CliError> {
    let answer = session.client.get(&app.path("/pipeline-couplings")).await.map_err(|error| {
        if !error.lacks("pipeline_coupling") {
            return error;
        }
        let message = format!("This app ({}) does not seem to be a part of any pipeline.", app.name);
        CliError::missing(message, format!("`flowline pipelines:add PIPELINE -a {}` puts it into one.", app.name))
    })?;
    session.client.read(&answer)
}

async fn list(session: &mut Session<'_>) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all("/pipelines").await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let mut all: Vec<Pipeline> = session.client.read(&answer)?;
    if all.is_empty() {
        session.console.line("You see no pipelines.")?;
        return session.console.note("      `flowline pipelines:create NAME -a APP` makes one.");
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    session.console.head("Pipelines")?;
    let rows: Vec<Vec<Cell>> = all.into_iter().map(|one| vec![Cell(one.name, Some(Paint::Name))]).collect();
    session.console.table(&rows)
}

async fn create(session: &mut Session<'_>, args: Create) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (guessed, rest) = Stage::guess(&app.name);
    let name = args.name.unwrap_or_else(|| rest.to_owned());
    let stage = args.stage.unwrap_or(guessed);
    let mut body = json!({ "name": name });
    if let Some(team) = &args.team {
        body["owner"] = json!({ "id": team, "type": "team" });
    }
    session.console.begin(&format!("Creating the pipeline {name}"))?;
    let answer = session.client.post("/pipelines", &body).await?;
    session.console.end("done")?;
    let pipeline: Pipeline = session.client.read(&answer)?;
    couple(session, &app, &pipeline, stage).await?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let stage = args.stage.unwrap_or(Stage::guess(&app.name).0);
    let (_, pipeline) = find(session, &args.pipeline).await?;
    let answer = couple(session, &app, &pipeline, stage).await?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

async fn couple(session: &mut Session<'_>, app: &Chosen, pipeline: &Pipeline, stage: Stage) -> Result<Value, CliError> {
    let name = session.console.app_note(&app.name);
    session.console.begin(&format!("Adding {name} to the pipeline {} as {stage}", pipeline.name))?;
    let body = json!({ "app": app.name, "pipeline": pipeline.id, "stage": stage.word() });
    let answer = session.client.post("/pipeline-couplings", &body).await?;
    session.console.end("done")?;
    Ok(answer)
}

async fn info(session: &mut Session<'_>, which: &str) -> Result<(), CliError> {
    let (mut answer, pipeline) = find(session, which).await?;
    let members = members(session, &pipeline.id).await?;
    if session.console.is_json() {
        let shown = |one: &Member| json!({ "id": one.id, "name": one.name, "stage": one.stage.map(Stage::word) });
        answer["apps"] = members.iter().map(shown).collect();
        return session.console.json(&answer);
    }
    session.console.head(&pipeline.name)?;
    session.console.line(&format!("owner: {} {}\n", pipeline.owner.kind, pipeline.owner.id))?;
    let row = |one: &Member| {
        let name = if one.name.is_empty() { "(an app that you may not see)" } else { &one.name };
        let stage = one.stage.map(Stage::word).unwrap_or_default();
        vec![Cell(name.to_owned(), Some(Paint::App)), Cell(stage.to_owned(), Some(Paint::Name))]
    };
    let mut rows = vec![vec![Cell("app name".into(), Some(Paint::Head)), Cell("stage".into(), Some(Paint::Head))]];
    rows.extend(members.iter().map(row));
    session.console.table(&rows)
}

async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let coupling = coupling(session, &app).await?;
    session.console.begin(&format!("Changing {} to {}", session.console.app_note(&app.name), args.stage))?;
    let body = json!({ "stage": args.stage.word() });
    let answer = session.client.patch(&format!("/pipeline-couplings/{}", segment(&coupling.id)), &body).await?;
    session.done("done", &answer)
}

async fn remove(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let coupling = coupling(session, &app).await?;
    let name = session.console.app_note(&app.name);
    session.console.begin(&format!("Removing {name} from the pipeline {}", coupling.pipeline.name))?;
    let gone = session.client.delete(&format!("/pipeline-couplings/{}", segment(&coupling.id))).await?;
    session.done("done", &gone)
}

async fn rename(session: &mut Session<'_>, args: &Rename) -> Result<(), CliError> {
    let (_, pipeline) = find(session, &args.pipeline).await?;
    session.console.begin(&format!("Renaming the pipeline {} to {}", pipeline.name, args.name))?;
    let answer = session.client.patch(&path(&pipeline.id, ""), &json!({ "name": args.name })).await?;
    session.done("done", &answer)
}

async fn transfer(session: &mut Session<'_>, args: &Transfer) -> Result<(), CliError> {
    let (_, pipeline) = find(session, &args.pipeline).await?;
    let (kind, from) = match args.owner.as_str() {
        "me" => ("user", "/account".to_owned()),
        team => ("team", crate::team::path(team, "")),
    };
    let owner: Id = session.client.read(&session.client.get(&from).await?)?;
    let members = members(session, &pipeline.id).await?;
    let names: Vec<&str> = members.iter().map(|one| one.name.as_str()).collect();
    let what = format!("This hands {} and all its apps ({}) over to {}", pipeline.name, names.join(", "), args.owner);
    Loss { name: &pipeline.name, what: &what }.confirmed(session, args.confirm.as_deref())?;
    session.console.begin(&format!("Transferring the pipeline {} to {}", pipeline.name, args.owner))?;
    let body = json!({ "pipeline": { "id": pipeline.id }, "new_owner": { "id": owner.id, "type": kind } });
    let answer = session.client.post("/pipeline-transfers", &body).await?;
    session.done("done", &answer)
}

async fn destroy(session: &mut Session<'_>, which: &str) -> Result<(), CliError> {
    let (_, pipeline) = find(session, which).await?;
    session.console.begin(&format!("Destroying the pipeline {}", pipeline.name))?;
    let gone = session.client.delete(&path(&pipeline.id, "")).await?;
    session.done("done, its apps go on", &gone)
}
