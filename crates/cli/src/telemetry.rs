//! `telemetry`, `telemetry:add`, `telemetry:info`, `telemetry:update`, `telemetry:remove`: OpenTelemetry receivers of an app.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::console::Cell;
use crate::error::CliError;
use crate::session::Session;
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The commands about telemetry drains.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// List where an app's telemetry is sent
    #[command(name = "telemetry")]
    List(AppOnly),
    /// Send an app's logs, requests and figures to an OpenTelemetry receiver
    #[command(name = "telemetry:add")]
    Add(Add),
    /// Show one telemetry drain
    #[command(name = "telemetry:info")]
    Info(One),
    /// Change a telemetry drain; what is not said stays
    #[command(name = "telemetry:update")]
    Update(Update),
    /// Send telemetry there no more
    #[command(name = "telemetry:remove")]
    Remove(Remove),
}

/// What `telemetry:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    /// The receiver: http:// or https://; by HTTP, /v1/logs, /v1/metrics and /v1/traces below it
    endpoint: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    on: OnApp,
}

/// What `telemetry:update` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Update {
    /// The drain, by its id
    drain: String,
    /// Another address
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    print: Print,
}

/// What a drain is told to do.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// What is sent
    #[arg(long, value_enum, value_delimiter = ',')]
    signals: Vec<Signal>,
    /// How it is sent; else http
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// A header of every request, such as the receiver's key; all of them are replaced
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// The same as a JSON object
    #[arg(long, value_name = "JSON", conflicts_with = "header")]
    headers: Option<String>,
}

/// One drain.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// The drain, by its id
    drain: String,
    #[command(flatten)]
    print: Print,
}

/// What `telemetry:remove` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Remove {
    /// The drain, by its id; else all of the app's
    drain: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signal {
    /// A span for each request
    Traces,
    /// How long requests took, and what dynos use
    Metrics,
    /// The log
    Logs,
    /// All of them; so it is when nothing is said
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// OTLP by HTTP, in protobuf
    Http,
    /// OTLP by gRPC
    Grpc,
}

impl Transport {
    fn kind(self) -> &'static str {
        match self {
            Self::Http => "otlphttp",
            Self::Grpc => "otlp",
        }
    }
}

/// What is read of a drain.
#[derive(Deserialize)]
struct Drain {
    id: String,
    signals: Vec<String>,
    exporter: Exporter,
}

#[derive(Deserialize)]
struct Exporter {
    #[serde(rename = "type")]
    kind: String,
    endpoint: String,
    headers: Map<String, Value>,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Add(args) => args.on.print,
            Self::Info(args) => args.print,
            Self::Update(args) => args.print,
            Self::Remove(args) => args.on.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Add(args) => add(session, &args).await,
            Self::Info(args) => info(session, &args.drain).await,
            Self::Update(args) => update(session, &args).await,
            Self::Remove(args) => remove(session, &args).await,
        }
    }
}

impl Settings {
    fn signals(&self) -> Vec<&'static str> {
        let all = self.signals.is_empty() || self.signals.contains(&Signal::All);
        let wanted = |signal: &Signal| all || self.signals.contains(signal);
        let words = [(Signal::Traces, "traces"), (Signal::Metrics, "metrics"), (Signal::Logs, "logs")];
        words.into_iter().filter(|(signal, _)| wanted(signal)).map(|(_, word)| word).collect()
    }

    fn headers(&self) -> Result<Option<Value>, CliError> {
        if let Some(text) = &self.headers {
            let read: Result<Map<String, Value>, _> = serde_json::from_str(text);
            let bad = |error| {
                CliError::usage(
                    format!("--headers is not a JSON object: {error}"),
                    "Write --header NAME=VALUE instead.",
                )
            };
            return read.map(|headers| Some(headers.into())).map_err(bad);
        }
        if self.header.is_empty() {
            return Ok(None);
        }
        let pair = |text: &String| {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                CliError::usage(format!("`{text}` is not NAME=VALUE."), "A header is --header 'Api-Key=abc'.")
            })?;
            Ok((name.to_owned(), Value::from(value)))
        };
        let headers: Result<Map<String, Value>, CliError> = self.header.iter().map(pair).collect();
        headers.map(|headers| Some(headers.into()))
    }
}

fn path(drain: &str) -> String {
    format!("/telemetry-drains/{}", segment(drain))
}

async fn of_app(session: &Session<'_>, name: &str) -> Result<Value, CliError> {
    Ok(Value::Array(session.client.all(&format!("/apps/{}/telemetry-drains", segment(name))).await?))
}

async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = of_app(session, &app.name).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let drains: Vec<Drain> = session.client.read(&answer)?;
    if drains.is_empty() {
        let name = session.console.app(&app.name);
        let line = format!("{name} has no telemetry drains; `flowline telemetry:add URL` adds one.");
        return session.console.line(&line);
    }
    session.console.head("Telemetry drains")?;
    let row = |drain: Drain| {
        [drain.id, drain.signals.join(", "), drain.exporter.endpoint].map(|text| Cell(text, None)).into()
    };
    let rows: Vec<Vec<Cell>> = drains.into_iter().map(row).collect();
    session.console.table(&rows)
}

async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let owner = session.client.get(&format!("/apps/{}", segment(&app.name))).await?;
    let body = json!({
        "owner": { "id": owner["id"], "type": "app" },
        "signals": args.settings.signals(),
        "exporter": {
            "type": args.settings.transport.unwrap_or(Transport::Http).kind(),
            "endpoint": args.endpoint,
            "headers": args.settings.headers()?.unwrap_or_else(|| json!({})),
        },
    });
    let answer = session.client.post("/telemetry-drains", &body).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let drain: Drain = session.client.read(&answer)?;
    session.console.line(&format!("Added telemetry drain {} to {}", drain.id, drain.exporter.endpoint))
}

async fn info(session: &mut Session<'_>, drain: &str) -> Result<(), CliError> {
    let answer = session.client.get(&path(drain)).await?;
    show(session, &answer)
}

async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    let mut exporter = Map::new();
    exporter.extend(args.endpoint.as_ref().map(|endpoint| ("endpoint".to_owned(), endpoint.as_str().into())));
    exporter.extend(args.settings.transport.map(|transport| ("type".to_owned(), transport.kind().into())));
    exporter.extend(args.settings.headers()?.map(|headers| ("headers".to_owned(), headers)));
    let mut body = json!({});
    if !args.settings.signals.is_empty() {
        body["signals"] = args.settings.signals().into();
    }
    if !exporter.is_empty() {
        body["exporter"] = exporter.into();
    }
    if body == json!({}) {
        return Err(CliError::usage(
            "There is nothing to change.",
            "Say --signals, --endpoint, --transport or --header.",
        ));
    }
    let answer = session.client.patch(&path(&args.drain), &body).await?;
    show(session, &answer)
}

fn show(session: &mut Session<'_>, answer: &Value) -> Result<(), CliError> {
    if session.console.is_json() {
        return session.console.json(answer);
    }
    let drain: Drain = session.client.read(answer)?;
    let transport = if drain.exporter.kind == Transport::Grpc.kind() { "gRPC" } else { "HTTP" };
    // Their values are the receiver's keys.
    let headers: Vec<String> = drain.exporter.headers.keys().cloned().collect();
    session.console.head(&drain.id)?;
    session.console.fields(&[
        ("Endpoint", drain.exporter.endpoint),
        ("Signals", drain.signals.join(", ")),
        ("Transport", transport.to_owned()),
        ("Headers", if headers.is_empty() { "none".to_owned() } else { headers.join(", ") }),
    ])
}

async fn remove(session: &mut Session<'_>, args: &Remove) -> Result<(), CliError> {
    let all = match &args.drain {
        Some(drain) => vec![drain.clone()],
        None => {
            let app = session.app(&args.on)?;
            let drains: Vec<Drain> = session.client.read(&of_app(session, &app.name).await?)?;
            drains.into_iter().map(|drain| drain.id).collect()
        }
    };
    let mut gone = Vec::new();
    for drain in &all {
        gone.push(session.client.delete(&path(drain)).await?);
    }
    if session.console.is_json() {
        return session.console.json(&Value::Array(gone));
    }
    let drains: Vec<Drain> = session.client.read(&Value::Array(gone))?;
    if drains.is_empty() {
        return session.console.line("There was no telemetry drain.");
    }
    for drain in drains {
        session.console.line(&format!("Removed telemetry drain to {}", drain.exporter.endpoint))?;
    }
    Ok(())
}
