//! `flowline heroku -- ARGS`: the official command line, as it is installed, against this Flowline; `flowline env`: the same
//! for a shell.

mod authority;
pub(crate) mod engine;
mod home;
mod loopback;
mod netrc;
mod place;
mod proxy;
mod stand_in;
mod tunnel;
mod variables;

use crate::args::Print;
use crate::child;
use crate::credentials::Credentials;
use crate::error::CliError;
use crate::remote;
use crate::session::Session;
use authority::ThrowAway;
use home::Home;
use netrc::{Entry, Netrc};
use place::Place;
use proxy::Proxy;
use serde_json::{Map, Value};
use stand_in::StandIn;
use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use tokio::process::Command;
use tunnel::Tunnel;
use variables::{FORGOTTEN, Variables};

/// What `heroku` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Heroku {
    /// What the official command line is to do, as you would type it behind `heroku`
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// What `env` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Surroundings {
    #[command(flatten)]
    pub(crate) print: Print,
}

/// Runs it, with the terminal and the streams of this process; its exit status is ours.
pub(crate) async fn heroku(session: &mut Session<'_>, args: &Heroku) -> Result<u8, CliError> {
    let standing = Standing::of(session, args)?;
    let place = Place::of(session).await?;
    let throw_away = ThrowAway::make((session.env.now)())?;
    let proxy = Proxy::start(place.url.clone(), throw_away.config, session.client.server.ca.as_deref()).await;
    let proxy = proxy.map_err(|error| CliError::local("listen on loopback for the command line's proxy", error))?;
    let tunnel = match standing.token() {
        Some(token) => Some(Tunnel::start(&place.url, token, session.client.server.ca.as_deref()).await),
        None => None,
    };
    let tunnel = tunnel.transpose();
    let tunnel = tunnel.map_err(|error| CliError::local("listen on loopback for the command line's SSH", error))?;
    let home = Home::make(session.env, &place.folder())?;
    let authorities = variables::pem(&throw_away.certificate) + &place.authority;
    let authorities = home.write("ca.pem", &authorities)?;
    let git = place.git_config(session.env, &authorities, Some(proxy.addr));
    let git = home.write("gitconfig", &git)?;
    let mut netrc = None;
    let key = match standing {
        Standing::Key(token) => Some(token),
        Standing::Login(entry) => {
            netrc = Some(Netrc::write(&home.home, entry, &place)?);
            None
        }
    };
    let variables = Variables::by_proxy(&place, key.as_deref(), proxy.addr, &authorities, &git, &home.home);
    let mut command = Command::new("heroku");
    command.args(&args.args).current_dir(&session.env.cwd).kill_on_drop(true);
    for name in FORGOTTEN {
        command.env_remove(name);
    }
    for (name, value) in variables.list() {
        command.env(name, value);
    }
    if let Some(tunnel) = &tunnel {
        let hook = home.write("hook.cjs", &tunnel.hook())?;
        command.env("NODE_OPTIONS", tunnel::node_options(session.env.node_options.as_deref(), &hook));
    }
    let stand_in = StandIn::make(session.env, &place, &home)?;
    command.env("PATH", stand_in.path).env(engine::SETTINGS, stand_in.settings);
    session.console.flush()?;
    let status = child::wait(command.spawn().map_err(not_started)?, "heroku").await?;
    if let Some(netrc) = netrc {
        netrc.keep(session, logs_in(args))?;
    }
    tie(session, &place)?;
    tell_refused(session, &proxy, status)?;
    if let Some(why) = tunnel.and_then(|tunnel| tunnel.failed()) {
        session.console.warn(&format!("No SSH connection to {} came about: {why}.", place.url))?;
    }
    Ok(child::code(status))
}

/// Prints the environment for a shell; nothing else runs then, so hosts that the official command line has no variable for
/// stay away.
pub(crate) async fn print(session: &mut Session<'_>) -> Result<(), CliError> {
    let token = token(session)?;
    let place = Place::of(session).await?;
    let folder = home::folder(session.env)?.join(place.folder());
    let authority = home::write(&folder.join("ca.pem"), &place.authority)?;
    let git = home::write(&folder.join("gitconfig"), &place.git_config(session.env, &authority, None))?;
    let variables = Variables::direct(&place, &token, &authority, &git);
    if session.console.is_json() {
        let object: Map<String, Value> =
            variables.list().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        return session.console.json(&Value::Object(object));
    }
    for line in variables.script(&place.url) {
        session.console.line(&line)?;
    }
    Ok(())
}

/// As whom the official command line goes.
enum Standing {
    /// With a token that was given for this command or this folder: what it does about logins goes nowhere.
    Key(String),
    /// As whoever `flowline login` made known, or as nobody yet: what it does about logins holds for `flowline` too.
    Login(Option<Entry>),
}

impl Standing {
    fn of(session: &Session<'_>, args: &Heroku) -> Result<Self, CliError> {
        if let Some(token) = &session.env.token {
            return Ok(Self::Key(token.clone()));
        }
        let stored = Credentials::read(session.env)?;
        let login = stored.servers.get(&session.client.server.url);
        let entry = login.map(|login| Entry { email: login.email.clone(), token: login.token.clone() });
        if entry.is_some() || logs_in(args) {
            return Ok(Self::Login(entry));
        }
        Ok(Self::Key(token(session)?))
    }

    /// What it shows the server; nothing before the first login.
    fn token(&self) -> Option<&str> {
        match self {
            Self::Key(token) => Some(token),
            Self::Login(entry) => entry.as_ref().map(|entry| entry.token.as_str()),
        }
    }
}

/// Is it to log in?
fn logs_in(args: &Heroku) -> bool {
    args.args.first().is_some_and(|word| word == "login" || word == "auth:login")
}

fn token(session: &Session<'_>) -> Result<String, CliError> {
    let server = &session.client.server;
    server.token.clone().ok_or_else(|| CliError::LoggedOut { url: server.url.clone() })
}

fn not_started(error: io::Error) -> CliError {
    if error.kind() != io::ErrorKind::NotFound {
        return CliError::local("start heroku", error);
    }
    CliError::missing(
        "The official heroku command line is not installed here, or not on the PATH.",
        "`npm install --global heroku` installs it. `flowline COMMAND` has the same commands without it.",
    )
}

/// A git remote that it made works in any shell: this repository's git asks us for the token, and trusts the authority.
fn tie(session: &Session<'_>, place: &Place) -> Result<(), CliError> {
    let env = session.env;
    let Some(git) = &place.git else { return Ok(()) };
    let prefix = format!("{git}/");
    if !remote::list(&env.cwd).iter().any(|remote| remote.url.starts_with(&prefix)) {
        return Ok(());
    }
    let authority = if place.own_authority() {
        Some(home::write(&home::folder(env)?.join(place.folder()).join("ca.pem"), &place.authority)?)
    } else {
        None
    };
    remote::use_our_credentials_at(&env.cwd, git, &place.url, &env.exe, authority.as_deref())
}

fn tell_refused(session: &mut Session<'_>, proxy: &Proxy, status: ExitStatus) -> Result<(), CliError> {
    if status.success() {
        return Ok(());
    }
    for host in proxy.refused() {
        session.console.warn(&format!(
            "It asked for {host}, which is not the platform: `flowline heroku` leads to {} only.",
            session.client.server.url
        ))?;
    }
    Ok(())
}
