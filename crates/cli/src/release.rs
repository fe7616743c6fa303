//! `releases`, `releases:info`, `releases:output`, `rollback`.

use crate::args::{OnApp, Print};
use crate::client::{StreamKind, segment};
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::receipt;
use crate::release_create;
use crate::release_phase::{self, Phase, Retry};
use crate::session::{Chosen, Session};
use crate::stream::Stream;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The release command's output is there when the command has begun (RELPH-40): so many tries, a second apart.
const OUTPUT_TRIES: u32 = 30;

/// Output that goes into one JSON string; more is cut.
const OUTPUT_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Looked through for what to roll back to (RLS-7).
const ROLLBACK_RANGE: &str = "version ..; max=10, order=desc";

/// The commands about releases.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List the releases
    #[command(name = "releases", alias = "releases:list")]
    List(Releases),
    /// Show a release with its config vars
    #[command(name = "releases:info")]
    Show(OneRelease),
    /// Make a release of a slug that is there already
    #[command(name = "releases:create")]
    Create(release_create::Create),
    /// Print what a release command printed, or prints
    #[command(name = "releases:output")]
    Output(OneRelease),
    /// Go back to an earlier release, by a new one
    #[command(name = "releases:rollback", visible_alias = "rollback")]
    Rollback(OneRelease),
    /// Run the release command of the newest release once more, by a new release
    #[command(name = "releases:retry")]
    Retry(Retry),
    /// End a release whose command runs, or waits for its turn
    #[command(name = "releases:abort")]
    Abort(OneRelease),
    /// Say how long a release command may run and whether two may run at once, or change it
    #[command(name = "releases:phase")]
    Phase(Phase),
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Create(args) => args.on.print,
            Self::Show(args) | Self::Output(args) | Self::Rollback(args) | Self::Abort(args) => args.on.print,
            Self::Retry(args) => args.on.print,
            Self::Phase(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, args).await,
            Self::Show(args) => show(session, args).await,
            Self::Create(args) => release_create::create(session, args).await,
            Self::Output(args) => output(session, args).await,
            Self::Rollback(args) => rollback(session, args).await,
            Self::Retry(args) => release_phase::retry(session, &args.on).await,
            Self::Abort(args) => release_phase::abort(session, args).await,
            Self::Phase(args) => release_phase::phase(session, args).await,
        }
    }
}

/// What `releases` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Releases {
    /// How many
    #[arg(short, long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    num: u32,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `releases:info`, `releases:output` and `rollback` take.
#[derive(Debug, Clone, clap::Args)]
pub struct OneRelease {
    /// v12 or 12, or its id; without it the newest, for rollback the one before
    pub(crate) release: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What is read of a release.
#[derive(Deserialize)]
pub(crate) struct Release {
    pub(crate) id: String,
    pub(crate) version: i64,
    pub(crate) status: String,
    #[serde(default)]
    current: bool,
    pub(crate) description: String,
    created_at: String,
    output_stream_url: Option<String>,
    #[serde(default)]
    eligible_for_rollback: bool,
    user: User,
}

#[derive(Deserialize)]
struct User {
    email: String,
}

impl Release {
    /// What the listing adds to the description (RELPH-44).
    fn mark(&self) -> Option<&'static str> {
        match self.status.as_str() {
            "pending" => Some("release command executing"),
            "failed" => Some("release command failed"),
            "expired" => Some("release expired"),
            _ => None,
        }
    }

    fn paint(&self) -> Paint {
        match self.status.as_str() {
            "pending" => Paint::Series(0),
            "failed" | "expired" => Paint::Bad,
            _ if self.current => Paint::Good,
            _ => Paint::Faint,
        }
    }
}

/// The newest ones, newest first.
async fn list(session: &mut Session<'_>, args: &Releases) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let range = format!("version ..; max={}, order=desc", args.num);
    let answer = Value::Array(session.client.page(&app.path("/releases"), &range).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let releases: Vec<Release> = session.client.read(&answer)?;
    let name = session.console.app(&app.name);
    if releases.is_empty() {
        return session.console.line(&format!("{name} has no releases."));
    }
    let current = releases.iter().find(|release| release.current);
    let current = current.map(|release| format!(" - Current: v{}", release.version)).unwrap_or_default();
    session.console.head(&format!("{name} Releases{current}"))?;
    let now = (session.env.now)();
    let row = |release: &Release| {
        let mark = release.mark().map(|mark| format!(" ({mark})")).unwrap_or_default();
        vec![
            Cell(format!("v{}", release.version), Some(release.paint())),
            Cell(format!("{}{mark}", release.description), release.mark().map(|_| release.paint())),
            Cell(release.user.email.clone(), None),
            Cell(ago(&release.created_at, now), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = releases.iter().map(row).collect();
    session.console.table(&rows)
}

/// One release with its config vars.
async fn show(session: &mut Session<'_>, args: &OneRelease) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (answer, release) = one(session, &app, args.release.as_deref()).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.head(&format!("Release v{}", release.version))?;
    let now = (session.env.now)();
    let status = release.mark().unwrap_or(&release.status);
    let receipt = receipt::of(session, &app, &release.id).await?;
    let mut fields = vec![
        ("By", release.user.email.clone()),
        ("Change", release.description.clone()),
        ("Current", if release.current { "yes" } else { "no" }.to_owned()),
        ("Status", status.to_owned()),
        ("When", ago(&release.created_at, now)),
    ];
    fields.extend(receipt.map(|receipt| ("Receipt", receipt)));
    session.console.fields(&fields)?;
    let path = app.path(&format!("/releases/{}/config-vars", segment(&release.id)));
    let vars: Map<String, Value> = session.client.read(&session.client.get(&path).await?)?;
    session.console.line("")?;
    session.console.head(&format!("v{} Config vars", release.version))?;
    let row = |(name, value): (&String, &Value)| {
        vec![
            Cell(format!("{name}:"), Some(Paint::Name)),
            Cell(value.as_str().map_or_else(|| value.to_string(), str::to_owned), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = vars.iter().map(row).collect();
    session.console.table(&rows)
}

/// What the release command printed, or prints (RELPH-42).
async fn output(session: &mut Session<'_>, args: &OneRelease) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let (mut answer, release) = one(session, &app, args.release.as_deref()).await?;
    let Some(url) = &release.output_stream_url else {
        let message = format!("Release v{} has no release output available.", release.version);
        return Err(CliError::missing(message, "Only releases of code with a `release` line in its Procfile have."));
    };
    let mut stream = session.client.stream(url, StreamKind::Plain).await.map_err(|error| match error {
        CliError::Refused { status: 404, .. } => {
            CliError::failed("Release command not started yet.", "Please try again in a few seconds.")
        }
        other => other,
    })?;
    if session.console.is_json() {
        answer["output"] = Value::from(collected(&mut stream).await?);
        return session.console.json(&answer);
    }
    while let Some(bytes) = stream.chunk().await? {
        session.console.raw(&bytes)?;
    }
    if release.status == "pending" { outcome(session, &app, &release).await.map(drop) } else { Ok(()) }
}

/// A new release with an earlier one's code and config (RLS-6); waits for its release command.
async fn rollback(session: &mut Session<'_>, args: &OneRelease) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let to = match &args.release {
        Some(_) => one(session, &app, args.release.as_deref()).await?.1,
        None => before(session, &app).await?,
    };
    let what = format!("Rolling back {} to v{}", session.console.app_note(&app.name), to.version);
    session.console.begin(&what)?;
    let mut answer = session.client.post(&app.path("/releases"), &json!({ "release": to.id })).await?;
    let release: Release = session.client.read(&answer)?;
    session.console.end(&format!("done, v{}", release.version))?;
    if !session.console.is_json() {
        session
            .console
            .warn("Rollback affects code and config vars; it doesn't add or remove add-ons or change databases.")?;
    }
    answer = see_through(session, &app, answer).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note(&format!("      To undo: flowline rollback -a {}", app.name))
}

/// Waits for the command of a release that was just made, and prints what it prints; the release as it is then.
pub(crate) async fn see_through(session: &mut Session<'_>, app: &Chosen, answer: Value) -> Result<Value, CliError> {
    let release: Release = session.client.read(&answer)?;
    let (Some(url), "pending") = (&release.output_stream_url, release.status.as_str()) else { return Ok(answer) };
    session.console.note("Running release command...")?;
    let mut stream = begun(session, url).await?;
    while let Some(bytes) = stream.chunk().await? {
        if !session.console.is_json() {
            session.console.raw(&bytes)?;
        }
    }
    outcome(session, app, &release).await
}

/// The newest release, if there is one.
pub(crate) async fn newest(session: &Session<'_>, app: &Chosen) -> Result<Option<Release>, CliError> {
    let list = session.client.page(&app.path("/releases"), "version ..; order=desc,max=1").await?;
    list.first().map(|release| session.client.read(release)).transpose()
}

/// A release that is not current before its command succeeds (RELPH-21).
pub(crate) fn announce_pending(session: &mut Session<'_>, app: &Chosen, release: &Release) -> Result<(), CliError> {
    let version = release.version;
    session.console.warn(&format!(
        "Release command declared: v{version} is not current until it succeeds (`flowline releases:output v{version} -a {}`).",
        app.name
    ))
}

/// The release of this version or id; without one the newest.
pub(crate) async fn one(
    session: &Session<'_>,
    app: &Chosen,
    wanted: Option<&str>,
) -> Result<(Value, Release), CliError> {
    let answer = match wanted {
        Some(wanted) => session.client.get(&app.path(&format!("/releases/{}", segment(bare(wanted))))).await?,
        None => {
            let list = session.client.page(&app.path("/releases"), "version ..; order=desc,max=1").await?;
            let none = || CliError::missing(format!("{} has no releases.", app.name), "Push code or set a config var.");
            list.into_iter().next().ok_or_else(none)?
        }
    };
    let release = session.client.read(&answer)?;
    Ok((answer, release))
}

/// The second newest that may be rolled back to: the newest is the one that runs (RLS-7).
async fn before(session: &Session<'_>, app: &Chosen) -> Result<Release, CliError> {
    let list = session.client.page(&app.path("/releases"), ROLLBACK_RANGE).await?;
    let releases: Vec<Release> = session.client.read(&Value::Array(list))?;
    releases.into_iter().filter(|release| release.eligible_for_rollback).nth(1).ok_or_else(|| {
        let message = format!("{} has no earlier release to roll back to.", app.name);
        CliError::missing(message, format!("`flowline releases -a {}` lists them.", app.name))
    })
}

/// Opens the output as soon as the command has begun.
pub(crate) async fn begun(session: &Session<'_>, url: &str) -> Result<Stream, CliError> {
    let mut tries = 0;
    loop {
        match session.client.stream(url, StreamKind::Plain).await {
            Err(CliError::Refused { status: 404, .. }) if tries < OUTPUT_TRIES => tries += 1,
            other => return other,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// How a release that was pending ended; a failed one is an error.
async fn outcome(session: &Session<'_>, app: &Chosen, release: &Release) -> Result<Value, CliError> {
    let path = app.path(&format!("/releases/{}", segment(&release.id)));
    let mut tries = 0;
    loop {
        let answer = session.client.get(&path).await?;
        let now: Release = session.client.read(&answer)?;
        match now.status.as_str() {
            // The stream ends a moment before the release is decided.
            "pending" if tries < OUTPUT_TRIES => tries += 1,
            "failed" => {
                let message = format!("The release command of v{} failed; what ran before still runs.", now.version);
                return Err(CliError::failed(
                    message,
                    format!("`flowline releases:output v{} -a {}` has its output.", now.version, app.name),
                ));
            }
            _ => return Ok(answer),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A whole stream as text.
pub(crate) async fn collected(stream: &mut Stream) -> Result<String, CliError> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.chunk().await? {
        let room = OUTPUT_LIMIT_BYTES - all.len();
        all.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// `v12` → `12` (RLS-10); ids stay.
fn bare(wanted: &str) -> &str {
    match wanted.strip_prefix('v') {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => number,
        Some(_) | None => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rls_10_versions() {
        assert_eq!((bare("v12"), bare("12"), bare("vx")), ("12", "12", "vx"));
    }
}
