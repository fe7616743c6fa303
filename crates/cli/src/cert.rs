//! `certs` and what follows its colon.

use crate::args::{AppOnly, OnApp, Print};
use crate::client::segment;
use crate::confirm::Confirm;
use crate::console::Cell;
use crate::error::CliError;
use crate::session::{Chosen, Session};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What the server takes of a chain, and more than it takes of a key.
const FILE_LIMIT_BYTES: u64 = 64 * 1024;

/// The commands about certificates.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum CertCommand {
    /// List the certificates of an app
    #[command(name = "certs", alias = "certs:list")]
    List(AppOnly),
    /// Add a certificate
    #[command(name = "certs:add")]
    Add(Add),
    /// Say whether certificates are to be made automatically
    #[command(name = "certs:auto")]
    Auto(AppOnly),
    /// Do not make certificates automatically
    #[command(name = "certs:auto:disable")]
    AutoDisable(AutoDisable),
    /// Make certificates automatically, as soon as this server can
    #[command(name = "certs:auto:enable")]
    AutoEnable(AppOnly),
    /// Show a certificate
    #[command(name = "certs:info")]
    Show(OneCert),
    /// Remove a certificate
    #[command(name = "certs:remove")]
    Remove(Remove),
    /// Put another certificate in its place
    #[command(name = "certs:update")]
    Update(Update),
}

/// A certificate and its key.
#[derive(Debug, Clone, clap::Args)]
struct Files {
    /// PEM: the certificate, then those of its issuers
    #[arg(value_name = "CRT")]
    chain: PathBuf,
    /// PEM: its key
    #[arg(value_name = "KEY")]
    key: PathBuf,
}

/// What `certs:add` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Add {
    #[command(flatten)]
    files: Files,
    /// A domain to serve with it; can be given several times
    #[arg(long = "domain", value_name = "HOSTNAME")]
    domains: Vec<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `certs:auto:disable` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct AutoDisable {
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    on: OnApp,
}

/// What `certs:info` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct OneCert {
    /// Its name, as `flowline certs` lists it; needed when there are several
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    on: OnApp,
}

/// What `certs:remove` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Remove {
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    cert: OneCert,
}

/// What `certs:update` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Update {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    cert: OneCert,
}

/// What is read of a certificate.
#[derive(Deserialize)]
struct Endpoint {
    name: String,
    ssl_cert: SslCert,
    domains: Vec<String>,
    warnings: Option<Value>,
}

#[derive(Deserialize)]
struct SslCert {
    cert_domains: Vec<String>,
    issuer: String,
    subject: String,
    starts_at: String,
    expires_at: String,
}

impl CertCommand {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::List(args) | Self::Auto(args) | Self::AutoEnable(args) => args.on.print,
            Self::Add(args) => args.on.print,
            Self::AutoDisable(args) => args.on.print,
            Self::Show(args) => args.on.print,
            Self::Remove(args) => args.cert.on.print,
            Self::Update(args) => args.cert.on.print,
        }
    }

    pub(crate) async fn run(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::List(args) => list(session, &args.on).await,
            Self::Add(args) => add(session, args).await,
            Self::Auto(args) => auto(session, &args.on).await,
            Self::AutoDisable(args) => auto_disable(session, args).await,
            Self::AutoEnable(args) => auto_enable(session, &args.on).await,
            Self::Show(args) => show(session, args).await,
            Self::Remove(args) => remove(session, args).await,
            Self::Update(args) => update(session, args).await,
        }
    }
}

impl Files {
    /// As a body.
    fn read(&self) -> Result<Value, CliError> {
        Ok(json!({ "certificate_chain": text(&self.chain)?, "private_key": text(&self.key)? }))
    }
}

fn text(path: &Path) -> Result<String, CliError> {
    let failed = |source| CliError::local(format!("read {}", path.display()), source);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_LIMIT_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The one that is named, or the only one.
async fn chosen(session: &Session<'_>, app: &Chosen, name: Option<&String>) -> Result<String, CliError> {
    if let Some(name) = name {
        return Ok(name.clone());
    }
    let answer = Value::Array(session.client.all(&app.path("/sni-endpoints")).await?);
    let all: Vec<Endpoint> = session.client.read(&answer)?;
    match all.as_slice() {
        [] => Err(CliError::missing(format!("{} has no certificates.", app.name), "`flowline certs:add` adds one.")),
        [one] => Ok(one.name.clone()),
        [..] => Err(CliError::usage(
            "There are several certificates.",
            "Choose one with --name; `flowline certs` lists them.",
        )),
    }
}

fn path(app: &Chosen, name: &str) -> String {
    app.path(&format!("/sni-endpoints/{}", segment(name)))
}

async fn list(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = Value::Array(session.client.all(&app.path("/sni-endpoints")).await?);
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let all: Vec<Endpoint> = session.client.read(&answer)?;
    if all.is_empty() {
        let line = format!("{} has no certificates.", session.console.app(&app.name));
        session.console.line(&line)?;
        return session.console.note("      `flowline certs:add CRT KEY` adds one.");
    }
    let mut rows =
        vec![["Name", "Common Name(s)", "Expires", "Domains"].map(|text| Cell(text.to_owned(), None)).into()];
    rows.extend(all.into_iter().map(|endpoint| {
        let (names, domains) = (endpoint.ssl_cert.cert_domains.join(", "), endpoint.domains.len().to_string());
        [endpoint.name, names, endpoint.ssl_cert.expires_at, domains].map(|text| Cell(text, None)).into()
    }));
    session.console.table(&rows)
}

async fn add(session: &mut Session<'_>, args: &Add) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let body = args.files.read()?;
    let what = format!("Adding SSL certificate to {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.post(&app.path("/sni-endpoints"), &body).await?;
    session.console.end("done")?;
    let endpoint: Endpoint = session.client.read(&answer)?;
    for hostname in &args.domains {
        let domain = app.path(&format!("/domains/{}", segment(hostname)));
        session.client.patch(&domain, &json!({ "sni_endpoint": endpoint.name })).await?;
    }
    said(session, &answer, endpoint)
}

/// The certificate, and what is odd about it.
fn said(session: &mut Session<'_>, answer: &Value, endpoint: Endpoint) -> Result<(), CliError> {
    if endpoint.warnings.is_some() {
        session.console.warn(&format!("{} was taken, though it has expired.", endpoint.name))?;
    }
    if session.console.is_json() {
        return session.console.json(answer);
    }
    let fields = [
        ("Name", endpoint.name),
        ("Common Name(s)", endpoint.ssl_cert.cert_domains.join(", ")),
        ("Expires At", endpoint.ssl_cert.expires_at),
        ("Issuer", endpoint.ssl_cert.issuer),
        ("Starts At", endpoint.ssl_cert.starts_at),
        ("Subject", endpoint.ssl_cert.subject),
        ("Domains", endpoint.domains.len().to_string()),
    ];
    session.console.fields(&fields)
}

async fn show(session: &mut Session<'_>, args: &OneCert) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    let name = chosen(session, &app, args.name.as_ref()).await?;
    let answer = session.client.get(&path(&app, &name)).await?;
    let endpoint = session.client.read(&answer)?;
    said(session, &answer, endpoint)
}

async fn remove(session: &mut Session<'_>, args: &Remove) -> Result<(), CliError> {
    let app = session.app(&args.cert.on)?;
    let name = chosen(session, &app, args.cert.name.as_ref()).await?;
    args.confirm.check(session, &app, &format!("This removes the certificate {name} from {}", app.name))?;
    let what = format!("Removing SSL certificate {name} from {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let gone = session.client.delete(&path(&app, &name)).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&gone) } else { Ok(()) }
}

async fn update(session: &mut Session<'_>, args: &Update) -> Result<(), CliError> {
    let app = session.app(&args.cert.on)?;
    let body = args.files.read()?;
    let name = chosen(session, &app, args.cert.name.as_ref()).await?;
    args.confirm.check(session, &app, &format!("This replaces the certificate {name} of {}", app.name))?;
    let what = format!("Updating SSL certificate {name} for {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.patch(&path(&app, &name), &body).await?;
    session.console.end("done")?;
    let endpoint = session.client.read(&answer)?;
    said(session, &answer, endpoint)
}

async fn auto(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let answer = session.client.get(&app.path("")).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let state = if answer["acm"].as_bool() == Some(true) { "wanted" } else { "off" };
    let line = format!("Automated certificates are {state} for {}.", session.console.app(&app.name));
    session.console.line(&line)?;
    session.console.note("      `flowline domains:info HOSTNAME` says what has become of one.")
}

async fn auto_enable(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let app = session.app(on)?;
    let what = format!("Enabling automated certificates for {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.post(&app.path("/acm"), &json!({})).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

async fn auto_disable(session: &mut Session<'_>, args: &AutoDisable) -> Result<(), CliError> {
    let app = session.app(&args.on)?;
    args.confirm.check(session, &app, &format!("This ends automated certificates for {}", app.name))?;
    let what = format!("Disabling automated certificates for {}", session.console.app_note(&app.name));
    session.console.begin(&what)?;
    let answer = session.client.delete(&app.path("/acm")).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}
