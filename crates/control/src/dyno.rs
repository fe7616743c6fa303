//! Dynos as people handle them: list, run one off, restart, stop.

use crate::gate::Authorized;
use crate::sandbox::{OneOff, SandboxError};
use crate::{Control, attach, journal, life, rendezvous, sandbox, slumber};
use model::app::App;
use model::dyno::{Dyno, DynoName, DynoRole, DynoSize, DynoState, NoSuchSize, TIME_TO_LIVE_LIMIT_S};
use model::feature::Feature;
use model::id::{DynoId, ReleaseId};
use model::procfile::{BadProcessType, ProcessType};
use runtime::{Attach, DynoControl};
use std::collections::BTreeMap;
use std::time::Duration;
use store::StoreError;

/// One-off dynos of an app at the same time.
pub const ONE_OFF_LIMIT: usize = 50;

/// The longest command.
pub const COMMAND_LIMIT_BYTES: usize = 32 * 1024;

/// A one-off dyno as a client asks for it (DYNO-50).
#[derive(Debug, Clone, Default)]
pub struct NewDyno {
    /// What it runs; the name of a process type stands for that type's command (DYNO-51).
    pub command: String,
    /// Environment beside the config.
    pub env: BTreeMap<String, String>,
    /// Its size.
    pub size: Option<String>,
    /// What it is called; `run` when missing.
    pub process_type: Option<String>,
    /// Seconds until it is stopped.
    pub time_to_live_s: Option<u64>,
    /// Is it a client's, who comes over the rendezvous (DYNO-52)? Then it starts when they come.
    pub streams: Option<Streams>,
}

/// How a client is attached to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// By a terminal, as large as `COLUMNS` and `LINES` of the environment say (DYNO-57).
    Terminal,
    /// By pipes: `force_no_tty`.
    Pipes,
}

impl Streams {
    fn attach(self, env: &BTreeMap<String, String>) -> Attach {
        match self {
            Self::Terminal => Attach { terminal: Some(rendezvous::size_in(env)) },
            Self::Pipes => Attach { terminal: None },
        }
    }
}

/// What a client gets that runs something.
#[derive(Debug, Clone)]
pub struct Started {
    /// The dyno.
    pub dyno: Dyno,
    /// For the rendezvous, if it is to attach.
    pub secret: Option<String>,
}

/// Why dynos are not found or started.
#[derive(Debug, thiserror::Error)]
pub enum DynoError {
    /// No such dyno.
    #[error("Couldn't find that dyno.")]
    NoSuchDyno,
    /// No dyno of that type.
    #[error("Couldn't find that process type ({0}).")]
    NoSuchType(String),
    /// Nothing to run it on.
    #[error(
        "{0} has no release with code yet. Push something first: git push flowline main, or an image: \
         flowline container:push web -a {0}"
    )]
    NoCode(String),
    /// No command.
    #[error("A one-off dyno needs a command, such as `bash` or `python manage.py migrate`")]
    NoCommand,
    /// Over [`COMMAND_LIMIT_BYTES`].
    #[error("The command is longer than {COMMAND_LIMIT_BYTES} bytes; put it into a script of the app")]
    CommandTooLong,
    /// Over [`ONE_OFF_LIMIT`].
    #[error("{0} one-off dynos run already, which is the limit; `flowline ps` lists them, `flowline ps:stop` ends one")]
    TooMany(usize),
    /// Too many attached programs, over all apps.
    #[error("Too many sessions are open on this server; end some, then try again")]
    TooManySessions,
    /// Nothing can be run in a dyno without processes.
    #[error("{0} is not running; `flowline ps` lists the dynos that are")]
    NotRunning(DynoName),
    /// Its feature is off.
    #[error(
        "Nobody is let into running dynos of {0}; `flowline features:enable runtime-heroku-exec -a {0}` changes that"
    )]
    ExecOff(String),
    /// The files of its image are not there.
    #[error("The program cannot be started: {0}")]
    Unusable(String),
    /// A longer life than a day (DYNO-50).
    #[error("time_to_live may be 1 to {TIME_TO_LIVE_LIMIT_S} seconds")]
    BadTimeToLive,
    /// A variable that no environment can hold.
    #[error(transparent)]
    BadEnvironment(#[from] model::config_var::ConfigError),
    /// A bad type name.
    #[error(transparent)]
    BadType(#[from] BadProcessType),
    /// An unknown size.
    #[error(transparent)]
    Size(#[from] NoSuchSize),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SandboxError> for DynoError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Store(error) => error.into(),
            other => Self::Unusable(other.to_string()),
        }
    }
}

/// All dynos of an app, by name.
#[must_use]
pub fn list(control: &Control, app: &Authorized<App>) -> Vec<Dyno> {
    control.registry.of_app(app.id)
}

/// One dyno by name or id.
///
/// # Errors
/// [`DynoError::NoSuchDyno`].
pub fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<Dyno, DynoError> {
    let mut named: Vec<Dyno> = list(control, app).into_iter().filter(|dyno| is(dyno, which)).collect();
    // Two of one name during a deploy: the newer one is meant.
    named.sort_by_key(|dyno| dyno.created_at);
    named.pop().ok_or(DynoError::NoSuchDyno)
}

/// Starts a one-off dyno of the current release; its lines go to the log, or its streams to the client that comes for them.
///
/// # Errors
/// No code, a bad command, size, name or environment, too many at once.
pub async fn run(control: &Control, app: &Authorized<App>, new: NewDyno) -> Result<Started, DynoError> {
    let command = checked(&new)?;
    let running = list(control, app).iter().filter(|dyno| dyno.role == DynoRole::OneOff).count();
    if running >= ONE_OFF_LIMIT {
        return Err(DynoError::TooMany(running));
    }
    let wanted = crate::supervisor::wanted(control, app.id).await?;
    let wanted = wanted.ok_or_else(|| DynoError::NoCode(app.name.to_string()))?;
    let known = match command.parse::<ProcessType>().ok().and_then(|name| wanted.process_types.get(&name)) {
        // The name says which image it is of, too.
        Some(_) if runs_images(control, wanted.release).await? => None,
        known => known.cloned(),
    };
    let now = control.now();
    let dyno = Dyno {
        id: control.world.new_id(),
        app: app.id,
        name: DynoName {
            process_type: new.process_type.as_deref().unwrap_or("run").parse()?,
            number: control.one_off_number(),
        },
        role: DynoRole::OneOff,
        size: new.size.as_deref().map_or(Ok(DynoSize::Standard1X), str::parse)?,
        command: known.unwrap_or(command),
        release: wanted.release,
        version: wanted.version,
        addr: None,
        state: DynoState::Starting,
        since: now,
        created_at: now,
        retired: false,
    };
    let (awaited, secret) = match new.streams {
        Some(_) => control.desk.open(&*control.world).map(Some).ok_or(DynoError::TooManySessions)?,
        None => None,
    }
    .unzip();
    let said = format!("Starting process with command `{}` by user {}", dyno.command, app.by().email);
    journal::api(control, app.id, now, said).await;
    let attach = new.streams.map(|streams| streams.attach(&new.env));
    let life = new.time_to_live_s.map(Duration::from_secs);
    let more = OneOff { env: new.env, life, attach, ..OneOff::default() };
    match awaited {
        Some(awaited) => attach::begin(control, dyno.clone(), more, awaited).await,
        None => {
            // Once it is accepted it runs, or the log says why not, whatever happens to this server. Closed, it says so.
            let _closed = life::begin_with(control, dyno.clone(), more).await;
        }
    }
    Ok(Started { dyno, secret })
}

async fn runs_images(control: &Control, release: ReleaseId) -> Result<bool, StoreError> {
    let db = control.store.db();
    let slug = store::release::by_own_id(db, release).await?.and_then(|release| release.slug);
    let Some(slug) = slug else { return Ok(false) };
    Ok(store::slug::by_id(db, slug).await?.is_some_and(|slug| !slug.images.is_empty()))
}

/// Runs a command in a dyno that runs already, for a client that attaches to it.
///
/// # Errors
/// No such dyno, no process in it, a bad command or environment, too many sessions.
pub async fn inside(control: &Control, app: &Authorized<App>, which: &str, new: NewDyno) -> Result<Started, DynoError> {
    let command = checked(&new)?;
    let (dyno, handle) = running(control, app, which).await?;
    let (awaited, secret) = control.desk.open(&*control.world).ok_or(DynoError::TooManySessions)?;
    let attach = new.streams.unwrap_or(Streams::Terminal).attach(&new.env);
    let program = sandbox::program(control, &dyno, &command, &new.env, attach).await?;
    let said = format!("Starting process with command `{command}` in {} by user {}", dyno.name, app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    attach::inside(control, dyno.clone(), handle, program, awaited);
    Ok(Started { dyno, secret: Some(secret) })
}

/// A dyno that others may enter, woken if it slept.
///
/// # Errors
/// No such dyno, no process in it, or nobody is let in.
pub(crate) async fn running(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<(Dyno, DynoControl), DynoError> {
    if !store::feature::enabled(control.store.db(), app.id, Feature::Exec).await? {
        return Err(DynoError::ExecOff(app.name.to_string()));
    }
    if let Err(error) = slumber::wake(control, app.id).await {
        tracing::warn!(app.id = %app.id, %error, "An app could not be woken for somebody who enters a dyno of it");
    }
    let dyno = find(control, app, which)?;
    let handle = control.registry.control(dyno.id).filter(|_| dyno.state != DynoState::Stopping);
    let handle = handle.ok_or_else(|| DynoError::NotRunning(dyno.name.clone()))?;
    Ok((dyno, handle))
}

/// Restarts dynos of the formation (DYNO-35): all, those of a type, or one. Web dynos are replaced without a gap.
///
/// # Errors
/// When there is none of that type or name.
pub async fn restart(control: &Control, app: &Authorized<App>, which: Which<'_>) -> Result<(), DynoError> {
    slumber::wanted(control, app.id);
    let count = control.registry.retire(app.id, |dyno| dyno.role == DynoRole::Formation && which.holds(dyno));
    which.found(count)?;
    let said = format!("Restarted {which} by user {}", app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    control.supervisor.seen(app.id).await;
    Ok(())
}

/// Stops dynos: one-off ones end, those of the formation come back (DYNO-35).
///
/// # Errors
/// When there is none of that type or name.
pub async fn stop(control: &Control, app: &Authorized<App>, which: Which<'_>) -> Result<(), DynoError> {
    let dynos: Vec<Dyno> = list(control, app).into_iter().filter(|dyno| which.holds(dyno)).collect();
    which.found(dynos.len())?;
    for dyno in dynos {
        match dyno.role {
            DynoRole::Formation => {
                control.registry.retire(app.id, |known| known.id == dyno.id);
            }
            DynoRole::OneOff | DynoRole::Release | DynoRole::Verify | DynoRole::Build => {
                life::stop(control, &dyno);
            }
        }
    }
    let said = format!("Stopped {which} by user {}", app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    control.supervisor.seen(app.id).await;
    Ok(())
}

/// Which dynos are meant.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// Those of a process type.
    Type(&'a str),
    /// The one of this name or id.
    One(&'a str),
}

impl Which<'_> {
    fn holds(&self, dyno: &Dyno) -> bool {
        match self {
            Self::All => true,
            Self::Type(name) => dyno.name.process_type.as_str() == *name,
            Self::One(which) => is(dyno, which),
        }
    }

    fn found(&self, count: usize) -> Result<(), DynoError> {
        match self {
            Self::One(_) if count == 0 => Err(DynoError::NoSuchDyno),
            Self::Type(name) if count == 0 => Err(DynoError::NoSuchType((*name).to_owned())),
            Self::All | Self::Type(_) | Self::One(_) => Ok(()),
        }
    }
}

impl std::fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all dynos"),
            Self::Type(name) => write!(f, "{name} dynos"),
            Self::One(which) => f.write_str(which),
        }
    }
}

fn is(dyno: &Dyno, which: &str) -> bool {
    dyno.name.to_string() == which || which.parse::<DynoId>().is_ok_and(|id| id == dyno.id)
}

fn checked(new: &NewDyno) -> Result<String, DynoError> {
    let command = new.command.trim();
    if command.is_empty() {
        return Err(DynoError::NoCommand);
    }
    if command.len() > COMMAND_LIMIT_BYTES {
        return Err(DynoError::CommandTooLong);
    }
    if new.time_to_live_s.is_some_and(|seconds| seconds == 0 || seconds > TIME_TO_LIVE_LIMIT_S) {
        return Err(DynoError::BadTimeToLive);
    }
    let patch = new.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    model::config_var::apply(&BTreeMap::new(), &patch)?;
    Ok(command.to_owned())
}
