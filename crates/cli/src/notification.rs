//! `notifications`: who is told of what breaks; `alarms`: what is broken.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::console::{Cell, Paint};
use crate::error::CliError;
use crate::moment::ago;
use crate::session::Session;
use crate::user_notification::{self, Mine};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The newest first, as many as one answer holds.
const NEWEST: &str = "seq ..; order=desc, max=1000";

/// The commands about alarms and who is told of them.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum NotificationCommand {
    /// List what of an app is broken
    #[command(name = "alarms")]
    Alarms(AppOnly),
    /// List who is told when something of an app breaks and when it works again
    #[command(name = "notifications", alias = "notifications:list")]
    List(Which),
    /// Tell somebody when something breaks and when it works again
    #[command(name = "notifications:add")]
    Add(Add),
    /// Tell them no more
    #[command(name = "notifications:remove", alias = "notifications:delete")]
    Remove(One),
    /// Send a test
    #[command(name = "notifications:test")]
    Test(OneOfApp),
    /// Send a drill to everybody who would be told if something broke, and see that it arrives
    #[command(name = "notifications:drill")]
    Drill(Drill),
    /// List what was told to whom, and whether it was taken
    #[command(name = "notifications:sent")]
    Sent(AppOnly),
    /// List what broke of the apps that you see; it counts as read then
    #[command(name = "notifications:mine")]
    Mine(Mine),
}

impl NotificationCommand {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Alarms(args) | Self::Sent(args) => args.on.print,
            Self::List(args) => args.on.print,
            Self::Add(args) => args.which.on.print,
            Self::Remove(args) => args.which.on.print,
            Self::Test(args) => args.on.print,
            Self::Drill(args) => args.on.print,
            Self::Mine(args) => args.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Alarms(args) => alarms(session, &args.on).await,
            Self::List(args) => list(session, args).await,
            Self::Add(args) => add(session, args).await,
            Self::Remove(args) => remove(session, args).await,
            Self::Test(args) => test(session, args).await,
            Self::Drill(args) => drill(session, args).await,
            Self::Sent(args) => sent(session, &args.on).await,
            Self::Mine(args) => user_notification::list(session, args).await,
        }
    }
}

/// Of an app, of a pipeline's apps, or of all.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// For every app of the server; for its operators
    #[arg(long, conflicts_with_all = ["app", "remote", "pipeline"])]
    server: bool,
    /// For the apps of a pipeline
    #[arg(short, long, conflicts_with_all = ["app", "remote"])]
    pipeline: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `notifications:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    /// E-mail addresses; or an http(s) address for signed posts; or author, who wrote the change; or log, the app's log
    #[arg(long, value_delimiter = ',', required = true, value_name = "ADDRESS,...")]
    to: Vec<String>,
    /// Only these kinds, such as build, release, crash
    #[arg(long = "kind", value_delimiter = ',', value_name = "KIND,...")]
    kinds: Vec<String>,
    /// Only of apps at this stage of a pipeline: development, staging, production
    #[arg(long)]
    stage: Option<String>,
    /// At least so severe: info (also what went well), warning or critical [default: warning]
    #[arg(long)]
    severity: Option<String>,
    /// Only what is still broken so many seconds later: the author has that long to mend it
    #[arg(long, value_name = "SECONDS")]
    after: Option<u64>,
    #[command(flatten)]
    which: Which,
}

/// One route.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its id, as `flowline notifications` lists it
    route: String,
    #[command(flatten)]
    which: Which,
}

/// What `notifications:drill` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Drill {
    /// Wait so long for what is on its way
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    #[command(flatten)]
    on: OnApp,
}

/// One route of an app.
#[derive(Debug, Clone, clap::Args)]
pub struct OneOfApp {
    /// Its id, as `flowline notifications` lists it
    route: String,
    #[command(flatten)]
    on: OnApp,
}

/// What is read of a route.
#[derive(Deserialize)]
struct Route {
    id: String,
    to: Vec<String>,
    stage: Option<String>,
    kinds: Vec<String>,
    severity: String,
    after_s: u64,
}

/// What is read of an alarm.
#[derive(Deserialize)]
struct Alarm {
    kind: String,
    thing: Option<String>,
    state: String,
    since: Option<String>,
    what: String,
    first_failing_line: Option<String>,
}

/// What is read of a notice.
#[derive(Clone, Deserialize)]
struct Notice {
    id: String,
    headline: String,
    to: String,
    status: String,
    why: Option<String>,
    created_at: String,
}

impl Which {
    fn path(&self, session: &Session<'_>, rest: &str) -> Result<String, CliError> {
        let rest = format!("/notification-routes{rest}");
        match &self.pipeline {
            Some(pipeline) => Ok(format!("/pipelines/{}{rest}", segment(pipeline))),
            None if self.server => Ok(rest),
            None => Ok(session.app(&self.on)?.path(&rest)),
        }
    }

    fn name(&self, session: &Session<'_>) -> Result<String, CliError> {
        match &self.pipeline {
            Some(pipeline) => Ok(pipeline.clone()),
            None if self.server => Ok("every app".to_owned()),
            None => Ok(session.app(&self.on)?.name),
        }
    }
}

/// What is broken.
async fn alarms(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.all(&app.path("/alarms")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let alarms: Vec<Alarm> = session.client.read(&answer)?;
    let name = session.console.app(&app.name);
    if alarms.is_empty() {
        return session.console.line(&format!("Nothing of {name} is broken."));
    }
    session.console.head(&format!("{name} Alarms"))?;
    let now = (session.env.now)();
    let row = |alarm: Alarm| {
        let what = alarm.thing.map_or_else(|| alarm.kind.clone(), |thing| format!("{} {thing}", alarm.kind));
        let since = alarm.since.map(|since| ago(&since, now)).unwrap_or_default();
        let paint = Some(if alarm.state == "broken" { Paint::Bad } else { Paint::Series(0) });
        let why = alarm.first_failing_line.unwrap_or(alarm.what);
        vec![Cell(what, Some(Paint::Name)), Cell(alarm.state, paint), Cell(since, None), Cell(why, None)]
    };
    let rows: Vec<Vec<Cell>> = alarms.into_iter().map(row).collect();
    session.console.table(&rows)
}

/// Who is told.
async fn list(session: &mut Session<'_>, which: &Which) -> Result<(), CliError> {
    let answer = Value::Array(session.client.all(&which.path(session, "")?).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let routes: Vec<Route> = session.client.read(&answer)?;
    let name = which.name(session)?;
    session.console.head(&format!("{name} Notifications"))?;
    if routes.is_empty() {
        return session
            .console
            .line("Only the author of a change is told, by e-mail where the server has a mail server.");
    }
    let row = |route: Route| {
        let kinds = if route.kinds.is_empty() { "everything".to_owned() } else { route.kinds.join(",") };
        let after = if route.after_s == 0 { String::new() } else { format!("after {} s", route.after_s) };
        [route.id, route.to.join(","), kinds, route.severity, route.stage.unwrap_or_default(), after]
            .map(|text| Cell(text, None))
            .into()
    };
    let rows: Vec<Vec<Cell>> = routes.into_iter().map(row).collect();
    session.console.table(&rows)
}

/// Adds a route. A secret goes to stdout, everything else to stderr.
async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let mut body = json!({ "to": args.to, "kinds": args.kinds });
    for (name, value) in [("severity", &args.severity), ("stage", &args.stage)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Some(after) = args.after {
        body["after_s"] = json!(after);
    }
    let (path, name) = (args.which.path(session, "")?, args.which.name(session)?);
    session.console.begin(&format!("Adding a notification for {name}"))?;
    let answer = session.client.post(&path, &body).await?;
    session.done("done", &answer)?;
    match answer["secret"].as_str() {
        Some(secret) if !session.console.is_json() => {
            session.console.note("The secret that its posts are signed with, which is not shown again:")?;
            session.console.line(secret)
        }
        Some(_) | None => Ok(()),
    }
}

/// Removes a route.
async fn remove(session: &mut Session<'_>, args: &One) -> Result<(), CliError> {
    let path = args.which.path(session, &format!("/{}", segment(&args.route)))?;
    session.console.begin(&format!("Removing notification {}", args.route))?;
    let answer = session.client.delete(&path).await?;
    session.done("done", &answer)
}

/// Sends a test.
async fn test(session: &mut Session<'_>, args: &OneOfApp) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let path = app.path(&format!("/notification-routes/{}/actions/test", segment(&args.route)));
    session.console.begin(&format!("Sending a test by {}", args.route))?;
    let answer = session.client.post(&path, &json!({})).await?;
    session.done("on its way; `flowline notifications:sent` says what became of it", &answer)
}

/// Between two looks at what is on its way.
const LOOK: Duration = Duration::from_secs(1);

/// Sends a drill, and waits until it arrived everywhere.
async fn drill(session: &mut Session<'_>, args: &Drill) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    session.console.begin(&format!("Sending a drill to everybody who is told of {}", app.name))?;
    let mut sent = session.client.post(&app.path("/alarms/actions/drill"), &json!({})).await?;
    let mut notices: Vec<Notice> = session.client.read(&sent)?;
    let is_open = |notice: &Notice| matches!(notice.status.as_str(), "pending" | "retrying");
    let until = tokio::time::Instant::now() + Duration::from_secs(args.wait);
    while notices.iter().any(is_open) && tokio::time::Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        let mut all = session.client.page(&app.path("/notices"), NEWEST).await?;
        all.retain(|one| notices.iter().any(|notice| one["id"] == notice.id.as_str()));
        sent = Value::Array(all);
        notices = session.client.read(&sent)?;
    }
    let arrived = notices.iter().filter(|notice| notice.status == "sent").count();
    let said = format!("{arrived} of {} arrived", notices.len());
    session.done(&said, &sent)?;
    if !session.console.is_json() && !notices.is_empty() {
        table(session, notices.clone())?;
    }
    match notices.len() {
        0 => {
            Err(CliError::failed(format!("Nobody is told of {}.", app.name), "Add a route: flowline notifications:add"))
        }
        all if all == arrived => Ok(()),
        _ => Err(CliError::failed(
            format!("Not everybody was reached: {said}."),
            "`flowline notifications:sent` says why",
        )),
    }
}

/// What was told.
async fn sent(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.page(&app.path("/notices"), NEWEST).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let notices: Vec<Notice> = session.client.read(&answer)?;
    let name = session.console.app(&app.name);
    if notices.is_empty() {
        return session.console.line(&format!("Nobody was told anything of {name}."));
    }
    session.console.head(&format!("{name} Notices"))?;
    table(session, notices)
}

/// A line for each notice.
fn table(session: &mut Session<'_>, notices: Vec<Notice>) -> Result<(), CliError> {
    let now = (session.env.now)();
    let row = |notice: Notice| {
        let paint = match notice.status.as_str() {
            "sent" => Paint::Good,
            "failed" => Paint::Bad,
            _ => Paint::Series(0),
        };
        vec![
            Cell(notice.headline, None),
            Cell(notice.to, None),
            Cell(notice.status, Some(paint)),
            Cell(ago(&notice.created_at, now), None),
            Cell(notice.why.unwrap_or_default(), None),
        ]
    };
    let rows: Vec<Vec<Cell>> = notices.into_iter().map(row).collect();
    session.console.table(&rows)
}
