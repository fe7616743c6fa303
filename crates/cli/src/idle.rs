//! `sleep`, `sleep:after`, `sleep:now`, `wake`: idle apps.

use crate::args::{AppOnly, OnApp, Print};
use crate::error::CliError;
use crate::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// Idle apps.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Say after what time an app sleeps, and whether it sleeps now
    #[command(name = "sleep")]
    Show(AppOnly),
    /// Let an app sleep when nobody asked for it for some minutes, or never
    #[command(name = "sleep:after")]
    After(After),
    /// Put an app to sleep now; the next request wakes it
    #[command(name = "sleep:now")]
    Now(Now),
    /// Wake an app that sleeps
    #[command(name = "sleep:wake", visible_alias = "wake")]
    Wake(AppOnly),
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Show(args) | Self::Wake(args) => args.on.print,
            Self::After(args) => args.on.print,
            Self::Now(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Show(args) => show(session, &args.on).await,
            Self::After(args) => after(session, &args).await,
            Self::Now(args) => now(session, &args).await,
            Self::Wake(args) => wake(session, &args.on).await,
        }
    }
}

/// What `sleep:after` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct After {
    /// Minutes without a request, or off
    #[arg(value_name = "MINUTES|off", value_parser = minutes)]
    minutes: Minutes,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `sleep:now` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Now {
    /// Stop its dynos instead of freezing them: it uses no memory then, and the next request waits for a boot
    #[arg(long)]
    stop: bool,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// Minutes, or never.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Minutes(Option<f64>);

fn minutes(text: &str) -> Result<Minutes, String> {
    match text {
        "off" | "never" => Ok(Minutes(None)),
        number => match number.parse::<f64>() {
            Ok(minutes) => Ok(Minutes(Some(minutes))),
            Err(_) => Err("write a number of minutes, such as 30, or off".to_owned()),
        },
    }
}

/// What is read of it.
#[derive(Deserialize)]
struct Sleep {
    sleep_after: Option<f64>,
    asleep: Option<String>,
}

impl Sleep {
    fn sentences(&self) -> String {
        let after = match self.sleep_after {
            Some(minutes) => format!("sleeps after {minutes} minutes without a request"),
            None => "never sleeps by itself".to_owned(),
        };
        let now = match self.asleep.as_deref() {
            Some("frozen") => "asleep now: frozen, the next request goes on within milliseconds",
            Some(_) => "asleep now: stopped, the next request starts it",
            None => "awake now",
        };
        format!("{after}; {now}")
    }
}

/// Is it asleep, in a few words for `ps`? Servers before this command know nothing of it.
pub(crate) async fn of(session: &Session<'_>, path: &str) -> Result<Option<&'static str>, CliError> {
    let answer = match session.client.get(path).await {
        Err(CliError::Refused { status: 404, .. }) => return Ok(None),
        answer => answer?,
    };
    let sleep: Sleep = session.client.read(&answer)?;
    Ok(sleep.asleep.map(|_| "asleep; the next request, or `flowline wake`, starts it"))
}

/// How an app sleeps.
async fn show(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = session.client.get(&app.path("/sleep")).await?;
    said(session, &app.name, &answer)
}

/// Sets after what time.
async fn after(session: &mut Session<'_>, args: &After) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let body = json!({ "sleep_after": args.minutes.0 });
    let answer = session.client.patch(&app.path("/sleep"), &body).await?;
    said(session, &app.name, &answer)
}

/// Puts it to sleep.
async fn now(session: &mut Session<'_>, args: &Now) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.post(&app.path("/actions/sleep"), &json!({ "stop": args.stop })).await?;
    said(session, &app.name, &answer)
}

/// Wakes it.
async fn wake(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = session.client.post(&app.path("/actions/wake"), &json!({})).await?;
    said(session, &app.name, &answer)
}

fn said(session: &mut Session<'_>, app: &str, answer: &Value) -> Result<(), CliError> {
    if session.console.is_json() {
        return session.console.json(answer);
    }
    let sleep: Sleep = session.client.read(answer)?;
    let name = session.console.app(app);
    session.console.line(&format!("{name} {}", sleep.sentences()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_or_off() {
        assert_eq!(minutes("30"), Ok(Minutes(Some(30.0))));
        assert_eq!(minutes("off"), Ok(Minutes(None)));
        assert!(minutes("soon").unwrap_err().contains("30"));
    }
}
