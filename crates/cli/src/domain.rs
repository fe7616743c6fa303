//! `domains` and what follows its colon.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::confirm::Confirm;
use crate::console::Cell;
use crate::error::CliError;
use crate::session::{Chosen, Session};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks of `domains:wait`, and how long it looks at most.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
const WAIT_LIMIT: Duration = Duration::from_secs(15 * 60);

/// The commands about host names.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DomainCommand {
    /// List the host names that lead to an app
    #[command(name = "domains", alias = "domains:list")]
    List(AppOnly),
    /// Add a host name, www.example.com or *.example.com
    #[command(name = "domains:add")]
    Add(Add),
    /// Remove all host names but the app's own
    #[command(name = "domains:clear")]
    Clear(Clear),
    /// Show a host name
    #[command(name = "domains:info")]
    Show(OneDomain),
    /// Remove a host name
    #[command(name = "domains:remove", alias = "domains:delete")]
    Remove(OneDomain),
    /// Serve a host name with another certificate
    #[command(name = "domains:update")]
    Update(Update),
    /// Wait until host names lead to the app
    #[command(name = "domains:wait")]
    Wait(Wait),
}

/// What `domains:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    /// The host name
    hostname: String,
    /// The certificate to serve it with, as `flowline certs` names it
    #[arg(long, value_name = "NAME")]
    cert: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `domains:clear` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Clear {
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    on: OnApp,
}

/// What `domains:info` and `domains:remove` take.
#[derive(Debug, Clone, clap::Args)]
pub struct OneDomain {
    /// The host name
    hostname: String,
    #[command(flatten)]
    on: OnApp,
}

/// What `domains:update` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Update {
    /// The host name
    hostname: String,
    /// The certificate, as `flowline certs` names it; an empty one takes it off
    #[arg(long, value_name = "NAME")]
    cert: String,
    #[command(flatten)]
    on: OnApp,
}

/// What `domains:wait` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Wait {
    /// The host name; without it all of them
    hostname: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What is read of a domain.
#[derive(Deserialize)]
struct Domain {
    hostname: String,
    kind: String,
    cname: Option<String>,
    status: String,
    acm_status_reason: Option<String>,
    sni_endpoint: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl DomainCommand {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) => args.on.print,
            Self::Add(args) => args.on.print,
            Self::Clear(args) => args.on.print,
            Self::Show(args) | Self::Remove(args) => args.on.print,
            Self::Update(args) => args.on.print,
            Self::Wait(args) => args.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Add(args) => add(session, args).await,
            Self::Clear(args) => clear(session, args).await,
            Self::Show(args) => show(session, args).await,
            Self::Remove(args) => remove(session, args).await,
            Self::Update(args) => update(session, args).await,
            Self::Wait(args) => wait(session, args).await,
        }
    }
}

fn path(app: &Chosen, hostname: &str) -> String {
    app.path(&format!("/domains/{}", segment(hostname)))
}

async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.all(&app.path("/domains")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let domains: Vec<Domain> = session.client.read(&answer)?;
    let (own, added): (Vec<Domain>, Vec<Domain>) = domains.into_iter().partition(|domain| domain.kind == "heroku");
    let head = format!("{} Domain", session.console.app(&app.name));
    session.console.head(&head)?;
    own.iter().try_for_each(|domain| session.console.line(&domain.hostname))?;
    if added.is_empty() {
        return session.console.note("      `flowline domains:add www.example.com` adds one of yours.");
    }
    session.console.line("")?;
    let head = format!("{} Custom Domains", session.console.app(&app.name));
    session.console.head(&head)?;
    let mut rows = vec![["Domain Name", "DNS Target", "Certificate"].map(|text| Cell(text.to_owned(), None)).into()];
    rows.extend(added.into_iter().map(|domain| {
        let certificate = domain.sni_endpoint.map(|endpoint| endpoint.name).unwrap_or_default();
        vec![Cell(domain.hostname, None), Cell(domain.cname.unwrap_or_default(), None), Cell(certificate, None)]
    }));
    session.console.table(&rows)
}

async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let what = format!("Adding {} to {}", args.hostname, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let body = json!({ "hostname": args.hostname, "sni_endpoint": args.cert });
    let answer = session.client.post(&app.path("/domains"), &body).await?;
    session.console.end("done")?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let domain: Domain = session.client.read(&answer)?;
    let target = domain.cname.unwrap_or_default();
    session.console.line(&format!("Point the DNS entry of {} to {target}", domain.hostname))
}

async fn clear(session: &mut Session<'_>, args: &Clear) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    args.confirm.check(session, &app, &format!("This removes all custom domains from {}", app.name))?;
    let what = format!("Removing all domains from {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let all: Vec<Domain> = session.client.read(&Value::Array(session.client.all(&app.path("/domains")).await?))?;
    let mut gone = Vec::new();
    for domain in all.iter().filter(|domain| domain.kind == "custom") {
        gone.push(session.client.delete(&path(&app, &domain.hostname)).await?);
    }
    session.console.end(&format!("done, {} removed", gone.len()))?;
    if session.console.is_json() { session.console.json(&Value::Array(gone)) } else { Ok(()) }
}

async fn show(session: &mut Session<'_>, args: &OneDomain) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let answer = session.client.get(&path(&app, &args.hostname)).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let domain: Domain = session.client.read(&answer)?;
    session.console.head(&domain.hostname)?;
    let fields = [
        ("Kind", domain.kind),
        ("Status", domain.status),
        ("DNS Target", domain.cname.unwrap_or_default()),
        ("Certificate", domain.sni_endpoint.map(|endpoint| endpoint.name).unwrap_or_default()),
        ("ACM", domain.acm_status_reason.unwrap_or_default()),
    ];
    session.console.fields(&fields.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
}

async fn remove(session: &mut Session<'_>, args: &OneDomain) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let what = format!("Removing {} from {}", args.hostname, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let gone = session.client.delete(&path(&app, &args.hostname)).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&gone) } else { Ok(()) }
}

async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let what = format!("Updating {} on {}", args.hostname, session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let cert = Some(args.cert.as_str()).filter(|cert| !cert.is_empty());
    let body = json!({ "sni_endpoint": cert });
    let answer = session.client.patch(&path(&app, &args.hostname), &body).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// Here nothing is ever pending; another server of the same API may take its time.
async fn wait(session: &mut Session<'_>, args: &Wait) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let began = Instant::now();
    loop {
        let answer = match &args.hostname {
            Some(hostname) => Value::Array(vec![session.client.get(&path(&app, hostname)).await?]),
            None => Value::Array(session.client.all(&app.path("/domains")).await?),
        };
        let domains: Vec<Domain> = session.client.read(&answer)?;
        let Some(pending) = domains.iter().find(|domain| domain.status == "pending") else {
            return if session.console.is_json() { session.console.json(&answer) } else { Ok(()) };
        };
        if began.elapsed() > WAIT_LIMIT {
            let message = format!("{} is still pending.", pending.hostname);
            return Err(CliError::failed(message, "Look at it with `flowline domains:info`."));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
