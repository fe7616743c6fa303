//! Start and end: the hands are opened, what outlived the last server is found again, what did not is ended with a reason.

use crate::build_queue::BuildQueue;
use crate::event::Wire;
use crate::notify::Notifier;
use crate::output::Outputs;
use crate::{
    Control, Parts, Settings, app_setup, attach, delivery, disk, dyno_event, journal, left_over, life, log_drain,
    metrics, notice, objects, promotion_watch, push, quota, resume, sample, telemetry_drain, verify_run,
};
use model::dyno::STOP_GRACE_S;
use model::world::World;
use object_store::local::LocalFileSystem;
use router::link::{LinkConfig, RouterEvent, RouterLink};
use runtime::{Adopted, Runtime, RuntimeConfig};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Store, StoreError};
use tokio::sync::{RwLock, Semaphore, mpsc};

/// At the end all dynos stop and their last lines are written within this time: what a dyno may take, and some seconds.
const STOP_LIMIT: Duration = Duration::from_secs(STOP_GRACE_S + 5);

/// Log drains get the last lines within this time; what they do not take is in the app's log.
const DRAINS_LIMIT: Duration = Duration::from_secs(2);

/// Its requests get 30 seconds to end.
const ROUTER_STOP_LIMIT: Duration = Duration::from_secs(40);

/// Why the control plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder of the data folder.
    #[error("{0} cannot be opened: {1}")]
    Folder(&'static str, #[source] std::io::Error),
    /// The logs.
    #[error(transparent)]
    Logs(#[from] logs::LogsError),
    /// The operator's authorities for log drains.
    #[error(transparent)]
    DrainTrust(#[from] logs::TrustError),
    /// The repositories.
    #[error(transparent)]
    Git(#[from] git::GitError),
    /// The built-in packs.
    #[error(transparent)]
    Packs(#[from] builder::PacksError),
    /// The object store.
    #[error("The object store cannot be opened: {0}")]
    Objects(#[from] object_store::Error),
    /// The dynos.
    #[error(transparent)]
    Runtime(#[from] runtime::RuntimeError),
    /// The router.
    #[error(transparent)]
    Router(#[from] router::RouterError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first route table.
    #[error("The route table could not be given to the router: {0}")]
    Routes(String),
}

impl Control {
    /// Opens all hands on a data folder, adopts the dynos that still run, and begins to look after every app. `wire`: how events
    /// look outside.
    ///
    /// # Errors
    /// What could not be opened.
    pub async fn start(
        mut settings: Settings,
        store: Store,
        world: Arc<dyn World>,
        wire: Wire,
    ) -> Result<Self, StartError> {
        let dir = prepare_folders(&settings.dir)?;
        let logs = logs::Logs::open(dir.join("logs"))?;
        let drain_trust = Arc::new(logs::Trust::open(settings.drain_ca.as_deref())?);
        let hook_sock = dir.join("run/hook.sock");
        let git = open_git(&settings, &hook_sock).await?;
        let packs = builder::Packs::install(&dir.join("buildpacks"))?;
        let (objects, slugs, images) = open_slugs(&dir, owner())?;
        let outputs = Outputs::open(dir.join("outputs")).map_err(|error| StartError::Folder("The outputs", error))?;
        let (runtime, adopted) = open_runtime(&settings).await?;
        let (router, events) = open_router(&settings).await?;
        settings.apps = router.addr();
        runtime.publish(vec![settings.apps]);
        let listener = bind_hook(&hook_sock)?;
        let (teller, changes) = dyno_event::queue();
        let control = Self(Arc::new(Parts {
            build_queue: BuildQueue::new(settings.builds_at_once),
            builds: crate::build_cancel::Running::default(),
            settings,
            world,
            store,
            wire,
            git: Arc::new(git),
            logs,
            drain_trust,
            runtime,
            router,
            packs,
            slugs,
            images,
            objects: objects::Objects(objects),
            outputs,
            owner: owner(),
            registry: crate::registry::Registry::new(teller),
            supervisor: crate::supervisor::Supervisor::default(),
            slumber: crate::slumber::Slumber::default(),
            log_sessions: crate::log_session::LogSessions::default(),
            desk: Arc::default(),
            reservations: crate::reservation::Reservations::default(),
            tickets: push::Tickets::default(),
            promotions: promotion_watch::Promotions::default(),
            promoter: crate::promoter::Promoter::default(),
            test_runs: crate::test_run::Running::default(),
            phases: crate::phase::Changes::default(),
            counters: crate::metrics::Counters::default(),
            archives: RwLock::new(()),
            unpacked: RwLock::new(()),
            steps: crate::quota::Steps::default(),
            browser_logins: crate::browser_login::BrowserLogins::default(),
            tries: crate::tries::Tries::default(),
            pre_authorizations: Mutex::default(),
            resets: Arc::new(Semaphore::new(crate::password_reset::MAILS_AT_ONCE)),
            logins: Semaphore::new(crate::account::LOGINS_AT_ONCE),
            setups: Semaphore::new(crate::app_setup::READ_AT_ONCE),
            written: std::sync::atomic::AtomicU64::new(0),
        }));
        resume_drains(&control).await?;
        request_lines(&control, events);
        dyno_event::write(&control, changes);
        resume(&control, adopted).await?;
        look_after(&control).await?;
        push::listen(&control, listener);
        Ok(control)
    }
}

fn bind_hook(place: &Path) -> Result<git::hook::Listener, StartError> {
    git::hook::Listener::bind(place).map_err(|error| StartError::Folder("The hook's socket", error))
}

/// As root, builds and dynos run as somebody else, who must own their files.
fn owner() -> Option<builder::tree::Owner> {
    rustix::process::geteuid().is_root().then_some((runtime::DYNO_UID, runtime::DYNO_GID))
}

/// What the last server left is gone on with, or ended with its reason.
async fn resume(control: &Control, adopted: Vec<Adopted>) -> Result<(), StartError> {
    let resumed = resume::adopt(control, adopted).await?;
    attach::settle(control).await.map_err(|error| StartError::Folder("The notes of waiting dynos", error))?;
    crate::slumber::restore(control).await?;
    resume::settle(control, &resumed).await?;
    verify_run::settle(control, &resumed.verifications).await?;
    app_setup::resume(control).await?;
    if let Err(error) = crate::retention::outputs(control, true).await {
        tracing::warn!(%error, "Outputs that the last server left half done were not removed");
    }
    crate::routing::sync(control).await.map_err(|error| StartError::Routes(error.to_string()))?;
    // Not before: a router that was killed as well may have come back with a table that still leads to them, and between two
    // requests a dyno looks as if it had none.
    for dyno in &resumed.ending {
        life::stop(control, dyno);
    }
    Ok(())
}

/// Everything that goes on by itself until the end.
async fn look_after(control: &Control) -> Result<(), StartError> {
    disk::look_after(control);
    quota::watch(control);
    sample::look_after(control);
    metrics::look_after(control);
    crate::autoscale::begin(control);
    for app in store::app::list(control.store.db()).await? {
        control.supervisor.adopt(control, app.id);
    }
    crate::slumber::watch(control);
    let notifier = Notifier::new(&control.drain_trust);
    delivery::begin(control, notifier.clone());
    notice::begin(control, notifier);
    crate::promoter::begin(control);
    Ok(())
}

/// Before anybody says anything.
async fn resume_drains(control: &Control) -> Result<(), StoreError> {
    log_drain::resume(control).await?;
    telemetry_drain::resume(control).await
}

type Objects = Arc<dyn object_store::ObjectStore>;

type Opened = (Objects, builder::Slugs, crate::image::Images);

fn open_slugs(dir: &Path, owner: Option<builder::tree::Owner>) -> Result<Opened, StartError> {
    let objects: Objects = Arc::new(LocalFileSystem::new_with_prefix(dir.join("objects"))?.with_fsync(true));
    let slugs = builder::Slugs::open(Arc::clone(&objects), dir.join("slugs"), owner);
    let slugs = slugs.map_err(|error| StartError::Folder("The slugs", error))?;
    let images = builder::Images::open(Arc::clone(&objects), dir.join("images"), owner);
    let images = images.map_err(|error| StartError::Folder("The images", error))?;
    Ok((objects, slugs, crate::image::Images::new(images)))
}

async fn open_git(settings: &Settings, hook_sock: &Path) -> Result<git::Git, StartError> {
    let config = git::GitConfig {
        repos_dir: settings.dir.join("repos"),
        exe: settings.exe.clone(),
        hook_sock: hook_sock.to_owned(),
        path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
        pack_limit_bytes: settings.budgets.repository_bytes,
    };
    Ok(git::Git::open(config).await?)
}

async fn open_runtime(settings: &Settings) -> Result<(Runtime, Vec<Adopted>), StartError> {
    let config = RuntimeConfig {
        dir: settings.dir.join("run/dynos"),
        exe: settings.exe.clone(),
        host_services: settings.host_services.clone(),
        public: vec![settings.apps],
    };
    let (runtime, adopted) = Runtime::open(config).await?;
    for warning in runtime.warnings() {
        tracing::warn!("{warning}");
    }
    if let Some(why) = runtime.open_network() {
        tracing::warn!("Dynos share the host's network and reach all of its services: {why}");
    }
    Ok((runtime, adopted))
}

async fn open_router(settings: &Settings) -> Result<(RouterLink, mpsc::Receiver<RouterEvent>), StartError> {
    let link = LinkConfig {
        exe: settings.exe.clone(),
        dir: settings.dir.join("run"),
        listen: settings.apps,
        request_log: true,
        threads: None,
    };
    let (router, events) = RouterLink::ensure_with_metrics(link, settings.router_metrics).await?;
    upgrade(&router).await;
    Ok((router, events))
}

/// The data folder's: they are there, and without what a server that was killed left half done.
fn prepare_folders(dir: &Path) -> Result<PathBuf, StartError> {
    for name in [
        "run/dynos",
        attach::NOTES,
        "repos",
        "objects",
        "slugs",
        crate::image_upload::FOLDER,
        "cache",
        crate::test_cache::FOLDER,
        "builds",
        "scratch",
        "logs",
        "outputs",
        "buildpacks",
    ] {
        std::fs::create_dir_all(dir.join(name)).map_err(|error| StartError::Folder("The data folder", error))?;
    }
    left_over::clear(dir);
    Ok(dir.to_owned())
}

/// A router that an earlier server started from another binary is replaced by one of this binary; no request fails.
async fn upgrade(router: &RouterLink) {
    match router.upgrade_to_own().await {
        Ok(None) => {}
        Ok(Some(pid)) => {
            tracing::info!(router.pid = pid, "The router was of another binary; one of this binary serves")
        }
        Err(error) => tracing::error!(%error, "The router is of another binary than this server"),
    }
}

/// What the router says about requests goes into the apps' logs.
fn request_lines(control: &Control, mut events: mpsc::Receiver<RouterEvent>) {
    let control = control.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            match event {
                RouterEvent::Log { app, at, text } => journal::router(&control, app, at, text).await,
                RouterEvent::Dropped { count } => {
                    tracing::warn!(count, "Request lines were lost: they came faster than they could be kept");
                }
                RouterEvent::Wanted { app } => crate::slumber::wanted(&control, app),
                RouterEvent::Restarted { pid } => tracing::warn!(pid, "The router had ended; another one runs"),
            }
        }
    });
}

/// Ends the control plane. `everything`: dynos and the router end too; else they go on without it.
pub async fn stop(control: &Control, everything: bool) {
    control.supervisor.end().await;
    if everything {
        tracing::info!(dynos = control.registry.running().len(), "Stopping all dynos");
        if tokio::time::timeout(STOP_LIMIT, stop_dynos(control)).await.is_err() {
            tracing::warn!("Some dynos' last lines were not written");
        }
        match tokio::time::timeout(ROUTER_STOP_LIMIT, control.router.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "The router was not stopped in order"),
            Err(_) => tracing::warn!("The router did not end within {ROUTER_STOP_LIMIT:?}; it is left alone"),
        }
    }
    metrics::write_or_warn(control).await;
    control.logs.flush().await;
    control.logs.settle_drains(DRAINS_LIMIT).await;
    control.store.close().await;
}

/// Ends every dyno, also those that are only just being started; returns when the end of each is in its app's log.
async fn stop_dynos(control: &Control) {
    let mut changes = control.registry.changes();
    let mut asked = HashSet::new();
    while control.registry.is_busy() {
        changes.borrow_and_update();
        for (dyno, handle) in control.registry.running() {
            if asked.insert(dyno.id) {
                // Wanted ends are no crashes.
                control.registry.turn_off(dyno.id, control.now());
                tokio::spawn(async move { handle.stop(Duration::from_secs(STOP_GRACE_S)).await });
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
