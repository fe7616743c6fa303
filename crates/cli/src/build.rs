//! `builds`, `builds:info`, `builds:output`, `builds:cancel`.

use crate::args::{OnApp, Print};
use crate::build_create;
use crate::client::{StreamKind, segment};
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::release::{self, collected};
use crate::session::{Chosen, Session};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The output ends a moment before the build is decided: so many looks, a second apart.
const OUTCOME_TRIES: u32 = 30;

/// Builds.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the builds
    #[command(name = "builds", alias = "builds:list")]
    List(Builds),
    /// Show a build
    #[command(name = "builds:info")]
    Show(OneBuild),
    /// Print what a build printed, or prints
    #[command(name = "builds:output")]
    Output(OneBuild),
    /// Build the last commit of this folder, or an archive elsewhere, without a push
    #[command(name = "builds:create")]
    Create(build_create::Create),
    /// Cancel a build that waits or runs
    #[command(name = "builds:cancel")]
    Cancel(OneBuild),
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Show(args) | Self::Output(args) | Self::Cancel(args) => args.on.print,
            Self::Create(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args).await,
            Self::Show(args) => show(session, &args).await,
            Self::Output(args) => output(session, &args).await,
            Self::Create(args) => build_create::create(session, &args).await,
            Self::Cancel(args) => cancel(session, &args).await,
        }
    }
}

/// What `builds` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Builds {
    /// How many
    #[arg(short, long, default_value_t = 15)]
    num: usize,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `builds:info`, `builds:output` and `builds:cancel` take.
#[derive(Debug, Clone, clap::Args)]
pub struct OneBuild {
    /// Its id; without it the newest
    build: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What is read of a build.
#[derive(Deserialize)]
struct Build {
    id: String,
    status: String,
    created_at: String,
    output_stream_url: String,
    stack: String,
    source_blob: SourceBlob,
    release: Option<Id>,
    slug: Option<Id>,
    user: User,
}

#[derive(Deserialize)]
struct SourceBlob {
    version: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct User {
    email: String,
}

impl Build {
    /// A commit is cut to eight digits, as releases show it (RLS-4).
    fn version(&self) -> String {
        self.source_blob.version.as_deref().unwrap_or("-").chars().take(8).collect()
    }

    fn paint(&self) -> Paint {
        match self.status.as_str() {
            "succeeded" => Paint::Good,
            "failed" => Paint::Bad,
            _ => Paint::Series(0),
        }
    }
}

/// The newest ones, newest first.
async fn list(session: &mut Session<'_>, args: &Builds) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let mut all = newest_first(session, &app).await?;
    all.truncate(args.num);
    let answer = Value::Array(all);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let builds: Vec<Build> = session.client.read(&answer)?;
    let name = session.console.app(&app.name);
    if builds.is_empty() {
        return session.console.line(&format!("{name} has no builds."));
    }
    session.console.head(&format!("{name} Builds"))?;
    let now = (session.env.now)();
    let row = |build: &Build| {
        vec![
            Cell(build.id.clone(), None),
            Cell(build.status.clone(), Some(build.paint())),
            Cell(build.version(), None),
            Cell(build.user.email.clone(), None),
            Cell(ago(&build.created_at, now), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = builds.iter().map(row).collect();
    session.console.table(&rows)
}

/// One build.
async fn show(session: &mut Session<'_>, args: &OneBuild) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (answer, build) = one(session, &app, args.build.as_deref()).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let now = (session.env.now)();
    session.console.head(&format!("Build {}", build.id))?;
    let id = |id: &Option<Id>| id.as_ref().map_or("none".to_owned(), |id| id.id.clone());
    let status = session.console.paint(build.paint(), &build.status);
    session.console.fields(&[
        ("By", build.user.email.clone()),
        ("Release", id(&build.release)),
        ("Slug", id(&build.slug)),
        ("Stack", build.stack.clone()),
        ("Status", status),
        ("Version", build.version()),
        ("When", ago(&build.created_at, now)),
    ])
}

/// What it printed, or prints; a build that fails while one looks on is a failure here too.
async fn output(session: &mut Session<'_>, args: &OneBuild) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (mut answer, build) = one(session, &app, args.build.as_deref()).await?;
    if let Some(output) = printed(session, &build).await? {
        answer["output"] = Value::from(output);
        return session.console.json(&answer);
    }
    if build.status == "pending" { outcome(session, &app, &build.id).await } else { Ok(()) }
}

/// A build that was just made, to its end, and its release to that of its command.
pub(crate) async fn see_through(session: &mut Session<'_>, app: &Chosen, answer: Value) -> Result<(), CliError> {
    let build: Build = session.client.read(&answer)?;
    let output = printed(session, &build).await?;
    outcome(session, app, &build.id).await?;
    let (mut answer, build) = one(session, app, Some(&build.id)).await?;
    if let Some(output) = output {
        answer["output"] = Value::from(output);
        session.console.json(&answer)?;
    }
    let Some(made) = build.release else { return Ok(()) };
    let (answer, made) = release::one(session, app, Some(&made.id)).await?;
    session.console.note(&format!("Released v{}", made.version))?;
    release::see_through(session, app, answer).await.map(drop)
}

/// Shows what a build prints, as it comes; for a script it is the answer, whole.
async fn printed(session: &mut Session<'_>, build: &Build) -> Result<Option<String>, CliError> {
    let mut stream = session.client.stream(&build.output_stream_url, StreamKind::Plain).await?;
    if session.console.is_json() {
        return collected(&mut stream).await.map(Some);
    }
    while let Some(bytes) = stream.chunk().await? {
        session.console.raw(&bytes)?;
    }
    Ok(None)
}

/// Ends one that waits or runs.
async fn cancel(session: &mut Session<'_>, args: &OneBuild) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (_, build) = one(session, &app, args.build.as_deref()).await?;
    session.console.begin(&format!("Cancelling build {} of {}", build.id, app.name))?;
    let answer = session.client.delete(&app.path(&format!("/builds/{}", segment(&build.id)))).await?;
    let now: Build = session.client.read(&answer)?;
    session.done(if now.status == "pending" { "it ends in a moment" } else { "done" }, &answer)
}

async fn outcome(session: &Session<'_>, app: &Chosen, id: &str) -> Result<(), CliError> {
    for _ in 0..OUTCOME_TRIES {
        let (_, build) = one(session, app, Some(id)).await?;
        match build.status.as_str() {
            "pending" => tokio::time::sleep(Duration::from_secs(1)).await,
            "failed" => {
                let next = "The reason is in the lines above; what ran before still runs.";
                return Err(CliError::failed(format!("Build {id} failed."), next));
            }
            _ => return Ok(()),
        }
    }
    Err(CliError::failed(
        format!("Build {id} is still pending, but its output has ended."),
        format!("`flowline builds:info {id} -a {}` says how it ends.", app.name),
    ))
}

async fn one(session: &Session<'_>, app: &Chosen, wanted: Option<&str>) -> Result<(Value, Build), CliError> {
    let answer = match wanted {
        Some(wanted) => session.client.get(&app.path(&format!("/builds/{}", segment(wanted)))).await?,
        None => {
            let none =
                || CliError::missing(format!("{} has no builds.", app.name), "`git push flowline main` makes one.");
            newest_first(session, app).await?.into_iter().next().ok_or_else(none)?
        }
    };
    let build = session.client.read(&answer)?;
    Ok((answer, build))
}

/// The API lists oldest first; times of this form sort as text.
async fn newest_first(session: &Session<'_>, app: &Chosen) -> Result<Vec<Value>, CliError> {
    let mut all = session.client.all(&app.path("/builds")).await?;
    all.sort_by(|a, b| b["created_at"].as_str().cmp(&a["created_at"].as_str()));
    Ok(all)
}
