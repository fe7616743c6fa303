//! `ps:autoscale`, `ps:autoscale:enable`, `ps:autoscale:disable`: web dynos that are scaled by their response times.

use crate::args::{AppOnly, OnApp, Print};
use crate::error::CliError;
use crate::session::Session;
use model::monitor::P95_DEFAULT_MS;
use serde::Deserialize;
use serde_json::{Value, json};

const PATH: &str = "/formation/web/monitors";

/// Web dynos that are scaled by themselves.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Say between which quantities web dynos are scaled by themselves, and for which response time
    #[command(name = "ps:autoscale")]
    Show(AppOnly),
    /// Scale web dynos by themselves, by the 95th percentile of their response times
    #[command(name = "ps:autoscale:enable")]
    Enable(Enable),
    /// Scale web dynos by themselves no more
    #[command(name = "ps:autoscale:disable")]
    Disable(AppOnly),
}

/// What `ps:autoscale:enable` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Enable {
    /// The fewest dynos
    #[arg(long, value_name = "DYNOS")]
    min: u32,
    /// The most
    #[arg(long, value_name = "DYNOS")]
    max: u32,
    /// The 95th percentile of response times to stay below, in milliseconds; else what it was before, or 1000
    #[arg(long, value_name = "MS")]
    p95: Option<u32>,
    /// Say it in the app's log again every day for as long as the maximum is not enough; else it is said once
    #[arg(long)]
    notifications: bool,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

#[derive(Deserialize)]
struct Monitor {
    id: String,
    is_active: bool,
    min_quantity: u32,
    max_quantity: u32,
    value: u32,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Show(args) | Self::Disable(args) => args.on.print,
            Self::Enable(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Show(args) => show(session, &args.on).await,
            Self::Enable(args) => enable(session, &args).await,
            Self::Disable(args) => disable(session, &args.on).await,
        }
    }
}

fn sentence(monitor: &Monitor) -> String {
    let Monitor { min_quantity, max_quantity, value, .. } = monitor;
    format!("from {min_quantity} to {max_quantity} web dynos, for a p95 below {value} ms")
}

async fn monitor(session: &Session<'_>, path: &str) -> Result<Option<(Monitor, Value)>, CliError> {
    let all = session.client.get(path).await?;
    let Some(first) = all.as_array().and_then(|all| all.first()).cloned() else { return Ok(None) };
    Ok(Some((session.client.read(&first)?, first)))
}

async fn show(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let found = monitor(session, &app.path(PATH)).await?;
    if session.console.is_json() {
        return session.console.json(&found.map_or(Value::Null, |(_, answer)| answer));
    }
    let what = match found {
        Some((monitor, _)) if monitor.is_active => format!("scales by itself {}", sentence(&monitor)),
        Some((monitor, _)) => format!("does not scale by itself; it did {}", sentence(&monitor)),
        None => "does not scale by itself; see `flowline ps:autoscale:enable --help`".to_owned(),
    };
    session.console.line(&format!("{} {what}", app.name))
}

async fn enable(session: &mut Session<'_>, args: &Enable) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let path = app.path(PATH);
    let mut body = json!({
        "action_type": "scale",
        "is_active": true,
        "min_quantity": args.min,
        "max_quantity": args.max,
        "notification_channels": if args.notifications { vec!["app"] } else { vec![] },
    });
    if let Some(p95_ms) = args.p95 {
        body["value"] = p95_ms.into();
    }
    let name = session.console.app_note(&app.name);
    session.console.begin(&format!("Enabling autoscaling on {name}"))?;
    let answer = match monitor(session, &path).await? {
        Some((before, _)) => session.client.patch(&format!("{path}/{}", before.id), &body).await?,
        None => {
            body["value"] = args.p95.unwrap_or(P95_DEFAULT_MS).into();
            session.client.post(&path, &body).await?
        }
    };
    let now: Monitor = session.client.read(&answer)?;
    session.console.end(&format!("done, {}", sentence(&now)))?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

async fn disable(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let path = app.path(PATH);
    let Some((before, _)) = monitor(session, &path).await? else {
        let what = format!("{} does not scale by itself.", app.name);
        return Err(CliError::missing(what, "`flowline ps:autoscale:enable --min 1 --max 3` would begin it."));
    };
    let name = session.console.app_note(&app.name);
    session.console.begin(&format!("Disabling autoscaling on {name}"))?;
    let answer = session.client.patch(&format!("{path}/{}", before.id), &json!({ "is_active": false })).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}
