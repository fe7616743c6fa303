//! `apps:create`, `apps:info`, `apps:destroy`, `apps:rename`, `open`, `maintenance`, `git:remote`.

use crate::args::{OnApp, Print};
use crate::confirm::Loss;
use crate::error::CliError;
use crate::remote::{self, Added, DEFAULT_REMOTE};
use crate::session::{Chosen, Session};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// What `apps:create` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// 3 to 30 lower-case letters, digits and dashes; without it a name is made up
    name: Option<String>,
    /// The name in another way, as heroku takes it
    #[arg(short, long, value_name = "APP", conflicts_with = "name")]
    app: Option<String>,
    /// The git remote to add
    #[arg(short, long, value_name = "NAME", default_value = DEFAULT_REMOTE)]
    remote: String,
    /// Add no git remote
    #[arg(short, long)]
    no_remote: bool,
    /// The stack it runs on
    #[arg(short, long)]
    stack: Option<String>,
    /// Its region
    #[arg(long)]
    region: Option<String>,
    /// The team that it belongs to; without it it is your own
    #[arg(short, long)]
    team: Option<String>,
    /// With --team: the team's members may only look until they are added
    #[arg(short, long, requires = "team")]
    locked: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// What `apps:info` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// The app, in another way than -a
    #[arg(value_name = "APP", conflicts_with = "app")]
    name: Option<String>,
    /// Print name=value lines that a shell can read
    #[arg(short, long)]
    shell: bool,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `apps:destroy` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Destroy {
    /// The app, in another way than -a
    #[arg(value_name = "APP", conflicts_with = "app")]
    name: Option<String>,
    /// The app's name once more; without it you are asked
    #[arg(short, long, value_name = "APP")]
    confirm: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `apps:rename` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Rename {
    /// The name it gets
    #[arg(value_name = "NEWNAME")]
    to: String,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `open` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Open {
    /// A path in the app, for example /about
    path: Option<String>,
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// What `git:remote` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct GitRemote {
    /// The app the remote leads to
    #[arg(short, long, value_name = "APP")]
    app: Option<String>,
    /// The remote's name
    #[arg(short, long, value_name = "NAME", default_value = DEFAULT_REMOTE)]
    remote: String,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// What is read of an app.
#[derive(Deserialize)]
struct App {
    name: String,
    git_url: String,
    web_url: Option<String>,
    maintenance: bool,
    owner: Owner,
    region: Named,
    stack: Named,
    slug_size: Option<u64>,
    repo_size: Option<u64>,
    released_at: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    email: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl App {
    /// `https://shop.example.com/ | https://example.com/shop.git`, what to do next with a new app.
    fn addresses(&self) -> String {
        match &self.web_url {
            Some(web) => format!("{web} | {}", self.git_url),
            None => self.git_url.clone(),
        }
    }
}

/// Makes an app and, in a git repository, the remote to push to.
pub(crate) async fn create(session: &mut Session<'_>, args: Create) -> Result<(), CliError> {
    let name = args.name.clone().or_else(|| args.app.clone());
    let mut body = json!({});
    for (key, value) in [("name", &name), ("stack", &args.stack), ("region", &args.region)] {
        if let Some(value) = value {
            body[key] = Value::from(value.as_str());
        }
    }
    let what = name.as_ref().map_or("app".to_owned(), |name| session.console.app_note(name));
    session.console.begin(&format!("Creating {what}"))?;
    let answer = made(session, body, &args).await?;
    let app: App = session.client.read(&answer)?;
    let made =
        if name.is_none() { format!("done, {}", session.console.app_note(&app.name)) } else { "done".to_owned() };
    session.console.end(&made)?;
    if session.console.is_json() {
        session.console.json(&answer)?;
    } else {
        session.console.line(&app.addresses())?;
    }
    session.console.flush()?;
    if args.no_remote {
        return Ok(());
    }
    match remote::add(&session.env.cwd, &args.remote, &app.git_url)? {
        Added::NoRepository => return Ok(()),
        Added::New => session.console.note(&format!("Git remote {} added", args.remote))?,
        Added::Already => {}
        Added::Elsewhere(url) => {
            let next = format!("`flowline git:remote -a {}` changes that", app.name);
            session.console.warn(&format!("The git remote {} leads to {url} already; {next}.", args.remote))?;
        }
    }
    remote::use_our_credentials(&session.env.cwd, &session.client.server, &session.env.exe)
}

/// The new app: one's own, or a team's.
async fn made(session: &Session<'_>, mut body: Value, args: &Create) -> Result<Value, CliError> {
    let Some(team) = &args.team else { return session.client.post("/apps", &body).await };
    (body["team"], body["locked"]) = (json!(team), json!(args.locked));
    session.client.post("/teams/apps", &body).await
}

/// One app.
pub(crate) async fn show(session: &mut Session<'_>, args: &Show) -> Result<(), CliError> {
    let chosen = named_or_on(session, args.name.as_ref(), &args.on)?;
    let answer = session.client.get(&chosen.path("")).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let app: App = session.client.read(&answer)?;
    let dynos: Vec<Value> = session.client.all(&chosen.path("/dynos")).await?;
    let mut types = BTreeMap::<&str, usize>::new();
    for dyno in &dynos {
        *types.entry(dyno["type"].as_str().unwrap_or("?")).or_default() += 1;
    }
    let dynos = types.iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>().join(", ");
    let fields = [
        ("Dynos", "dynos", dynos),
        ("Git URL", "git_url", app.git_url.clone()),
        ("Maintenance", "maintenance", if app.maintenance { "on" } else { "off" }.to_owned()),
        ("Owner", "owner", app.owner.email.clone()),
        ("Region", "region", app.region.name.clone()),
        ("Released", "released_at", app.released_at.clone().unwrap_or_default()),
        ("Repo Size", "repo_size", size(app.repo_size)),
        ("Slug Size", "slug_size", size(app.slug_size)),
        ("Stack", "stack", app.stack.name.clone()),
        ("Web URL", "web_url", app.web_url.clone().unwrap_or_default()),
    ];
    if args.shell {
        return fields.iter().try_for_each(|(_, key, value)| session.console.line(&format!("{key}={value}")));
    }
    let head = session.console.app(&app.name);
    session.console.head(&head)?;
    let filled = fields.into_iter().filter(|(_, _, value)| !value.is_empty()).map(|(name, _, value)| (name, value));
    session.console.fields(&filled.collect::<Vec<_>>())
}

/// Takes an app away for good, once its name was typed twice (APP-3).
pub(crate) async fn destroy(session: &mut Session<'_>, args: &Destroy) -> Result<(), CliError> {
    let chosen = named_or_on(session, args.name.as_ref(), &args.on)?;
    let answer = session.client.get(&chosen.path("")).await?;
    let app: App = session.client.read(&answer)?;
    let shown = session.console.app_note(&app.name);
    let warning = format!("This destroys {shown} with its code, config, releases and logs");
    Loss { name: &app.name, what: &warning }.confirmed(session, args.confirm.as_deref())?;
    session.console.begin(&format!("Destroying {shown}"))?;
    let gone = session.client.delete(&Chosen { name: app.name }.path("")).await?;
    session.console.end("done")?;
    for remote in remote::named_at(&session.env.cwd, &app.git_url) {
        remote::remove(&session.env.cwd, &remote)?;
    }
    if session.console.is_json() { session.console.json(&gone) } else { Ok(()) }
}

/// Another name: another host and another git address (APP-2).
pub(crate) async fn rename(session: &mut Session<'_>, args: &Rename) -> Result<(), CliError> {
    let chosen = session.app(&args.on)?;
    let before: App = session.client.read(&session.client.get(&chosen.path("")).await?)?;
    let what = format!("Renaming {} to {}", session.console.app_note(&before.name), args.to);
    session.console.begin(&what)?;
    let answer = session.client.patch(&chosen.path(""), &json!({ "name": args.to })).await?;
    session.console.end("done")?;
    let after: App = session.client.read(&answer)?;
    if session.console.is_json() {
        session.console.json(&answer)?;
    } else {
        session.console.line(&after.addresses())?;
    }
    for remote in remote::named_at(&session.env.cwd, &before.git_url) {
        remote::set(&session.env.cwd, &remote, &after.git_url)?;
        session.console.note(&format!("Git remote {remote} updated"))?;
    }
    Ok(())
}

/// Prints the app's address; on a desktop the browser opens it.
pub(crate) async fn open(session: &mut Session<'_>, args: &Open) -> Result<(), CliError> {
    let chosen = session.app(&args.on)?;
    let answer = session.client.get(&chosen.path("")).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let app: App = session.client.read(&answer)?;
    let Some(web) = app.web_url else {
        return Err(CliError::missing(
            format!("{} has no web address.", app.name),
            "Only apps with a router have one.",
        ));
    };
    let path = args.path.as_deref().unwrap_or_default().trim_start_matches('/');
    let url = format!("{}/{path}", web.trim_end_matches('/'));
    session.console.line(&url)?;
    session.console.flush()?;
    let is_web = url.starts_with("http://") || url.starts_with("https://");
    if session.env.desktop && session.env.terminal.stdout && is_web {
        let browser =
            Command::new("xdg-open").arg(&url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        if browser.is_err() {
            session.console.note("      No xdg-open here: open that address yourself.")?;
        }
    }
    Ok(())
}

/// `on` or `off`.
pub(crate) async fn maintenance(session: &mut Session<'_>, on: &OnApp) -> Result<(), CliError> {
    let chosen = session.app(on)?;
    let answer = session.client.get(&chosen.path("")).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    let app: App = session.client.read(&answer)?;
    session.console.line(if app.maintenance { "on" } else { "off" })
}

/// Switches the maintenance page on or off.
pub(crate) async fn set_maintenance(session: &mut Session<'_>, on: &OnApp, wanted: bool) -> Result<(), CliError> {
    let chosen = session.app(on)?;
    let verb = if wanted { "Enabling" } else { "Disabling" };
    let what = format!("{verb} maintenance mode for {}", session.console.app_note(&chosen.name));
    session.console.begin(&what)?;
    let answer = session.client.patch(&chosen.path(""), &json!({ "maintenance": wanted })).await?;
    session.console.end("done")?;
    if session.console.is_json() { session.console.json(&answer) } else { Ok(()) }
}

/// Ties this folder's repository to an app.
pub(crate) async fn git_remote(session: &mut Session<'_>, args: &GitRemote) -> Result<(), CliError> {
    let chosen = session.app(&OnApp { app: args.app.clone(), remote: None, print: args.print })?;
    let answer = session.client.get(&chosen.path("")).await?;
    let app: App = session.client.read(&answer)?;
    remote::set(&session.env.cwd, &args.remote, &app.git_url)?;
    remote::use_our_credentials(&session.env.cwd, &session.client.server, &session.env.exe)?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.line(&format!("set git remote {} to {}", args.remote, app.git_url))
}

fn named_or_on(session: &Session<'_>, name: Option<&String>, on: &OnApp) -> Result<Chosen, CliError> {
    match name {
        Some(name) => Ok(Chosen { name: name.clone() }),
        None => session.app(on),
    }
}

/// `12 MB`; nothing when it is not known yet.
fn size(bytes: Option<u64>) -> String {
    const KILO: u64 = 1000;
    match bytes {
        None => String::new(),
        Some(bytes @ ..KILO) => format!("{bytes} B"),
        Some(bytes @ ..1_000_000) => format!("{} KB", bytes / KILO),
        Some(bytes) => format!("{} MB", bytes / 1_000_000),
    }
}
