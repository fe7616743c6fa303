//! Builds: from source to slug to release. One at a time per app (BLD-5).

use crate::build_cancel::Cancelled;
use crate::build_make::{Made, make};
use crate::build_queue::{Listener, QueueError};
use crate::event::{self, Change, Resource};
use crate::gate::Authorized;
use crate::output::{OutputReader, OutputWriter};
use crate::release;
use crate::test_override::{self, NotOverridden};
use crate::{Control, app_json, build_end, build_gate, build_test, disk, fetch, journal, test_gate};
use async_trait::async_trait;
use builder::BuildFailure;
use model::account::Account;
use model::app::App;
use model::build::{Build, BuildSource, BuildState};
use model::id::BuildId;
use model::release::Release;
use std::path::PathBuf;
use store::StoreError;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// Why a build is not begun or found.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// BLD-5.
    #[error("{0} is being built already. Wait for that build to end (`flowline builds` shows it), then try again")]
    Busy(model::app::AppName),
    /// No such build.
    #[error("Couldn't find that build.")]
    NoSuchBuild,
    /// Too late to cancel it.
    #[error("Build {id} is over already: it {state}. Only a build that is pending can be cancelled")]
    Over {
        /// Which.
        id: BuildId,
        /// How it ended.
        state: &'static str,
    },
    /// It runs images.
    #[error(
        "{0} has the stack `container`: nothing is built for it. Push an image instead (flowline container:push web -a {0}), \
         or choose a stack to build on (flowline stack:set heroku-24 -a {0})"
    )]
    Container(model::app::AppName),
    /// No address to fetch the source from.
    #[error(
        "source_blob.url is missing: make one with POST /sources and upload the archive there, or give an http(s) address"
    )]
    NoSource,
    /// An address that is none.
    #[error("source_blob.url `{0}` is not an http or https address")]
    BadUrl(String),
    /// The tests are not overridden.
    #[error(transparent)]
    Override(#[from] NotOverridden),
    /// The disk is nearly full.
    #[error(transparent)]
    Short(#[from] model::disk::Short),
    /// The output's file.
    #[error("The build's output cannot be read: {0}")]
    Output(#[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A build with what it shows.
#[derive(Debug, Clone)]
pub struct BuildDetail {
    /// The build.
    pub build: Build,
    /// Who asked for it.
    pub by: Account,
}

/// Why a build that began came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// By whom, if that is known.
    #[error("the build was cancelled{0}")]
    Cancelled(String),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Compile(#[from] BuildFailure),
    #[error("the source cannot be used: {0}")]
    Archive(#[from] builder::ArchiveError),
    #[error("the source could not be fetched: {0}")]
    Fetch(#[from] fetch::FetchError),
    #[error(transparent)]
    AppJson(#[from] app_json::UnusableAppJson),
    #[error(transparent)]
    NotAdmitted(#[from] build_gate::NotAdmitted),
    #[error("the build's folder failed: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Slug(#[from] builder::SlugError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a build's source comes from.
pub(crate) enum Archive {
    /// A git tree.
    Tree(Box<dyn AsyncRead + Send + Unpin>),
    /// An address.
    Url(String),
    /// An archive that was fetched and checked.
    Fetched(tokio::fs::File),
}

/// Lines of a build: kept, and sent on to whoever watches the push. Its task has it to the end.
pub(crate) struct Report {
    writer: OutputWriter,
    watcher: Option<mpsc::Sender<String>>,
    /// Tells that the build is cancelled.
    pub(crate) cancelled: Cancelled,
}

#[async_trait]
impl Listener for Report {
    async fn line(&mut self, text: &str) {
        self.writer.line(text);
        // A watcher that left is not missed: the build goes on.
        if let Some(watcher) = &self.watcher
            && watcher.send(text.to_owned()).await.is_err()
        {
            self.watcher = None;
        }
    }
}

/// Begins a build from an address, in the background (BLD-2). Where the app's pipeline tests what is pushed, it is tested first, unless
/// whoever manages the app gives a reason.
///
/// # Errors
/// A build under way, no or a bad address, no right to override.
pub async fn create(
    control: &Control,
    app: &Authorized<App>,
    source: BuildSource,
    reason: Option<&str>,
) -> Result<BuildDetail, BuildError> {
    check_url(&source)?;
    let archive = Archive::Url(source.url.clone());
    let mut gate = test_gate::of_app(control, app.id).await?;
    if let (Some(_), Some(reason)) = (&gate, reason) {
        let reason = test_override::allowed(app, reason)?;
        test_override::tell(
            control,
            app,
            &format!("Build of {}", source.version.as_deref().unwrap_or("an archive")),
            reason,
        )
        .await;
        gate = None;
    }
    let (build, report) = begin(control, app, source, None).await?;
    let detail = BuildDetail { build: build.clone(), by: app.by().clone() };
    let (control, app) = (control.clone(), app.clone());
    tokio::spawn(async move {
        match gate {
            Some(gate) => build_test::run(&control, &app, build, gate, report).await,
            None => drop(run(&control, &app, build, archive, report).await),
        }
    });
    Ok(detail)
}

/// Can the source be fetched, as far as its address tells?
pub(crate) fn check_url(source: &BuildSource) -> Result<(), BuildError> {
    if source.url.is_empty() {
        return Err(BuildError::NoSource);
    }
    if !source.url.starts_with("http://") && !source.url.starts_with("https://") {
        return Err(BuildError::BadUrl(source.url.clone()));
    }
    Ok(())
}

/// May the app be built, and is there room for it?
///
/// # Errors
/// An app that runs images, a disk that is short.
pub(crate) fn admits(control: &Control, app: &App) -> Result<(), BuildError> {
    if app.stack.is_container() {
        return Err(BuildError::Container(app.name.clone()));
    }
    Ok(disk::admits(control, 0)?)
}

/// Notes that a build begins.
pub(crate) async fn begin(
    control: &Control,
    app: &Authorized<App>,
    source: BuildSource,
    watcher: Option<mpsc::Sender<String>>,
) -> Result<(Build, Report), BuildError> {
    admits(control, app)?;
    let installed = store::buildpack_installation::list(control.store.db(), app.id).await?;
    let now = control.now();
    let build = Build {
        id: control.world.new_id(),
        app: app.id,
        by: app.by().id,
        source,
        stack: app.stack.clone(),
        buildpacks: installed.iter().map(ToString::to_string).collect(),
        secret: control.world.secret::<32>(),
        state: BuildState::Pending,
        release: None,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    if let Err(error) = store::build::insert(&mut tx, &build).await {
        return Err(if error.is_duplicate() { BuildError::Busy(app.name.clone()) } else { error.into() });
    }
    let made = build_end::detail_in(&mut tx, build.clone()).await?;
    event::note(control, &mut tx, build.by, &Change::create(Resource::Build(&made))).await?;
    let writer = control.outputs.create(&output_key(build.id)).map_err(BuildError::Output)?;
    // Before anybody can see it, and cancel it.
    let cancelled = control.builds.enter(build.id);
    tx.commit().await?;
    journal::api(control, app.id, now, format!("Build started by user {}", app.by().email)).await;
    Ok((build, Report { writer, watcher, cancelled }))
}

/// A build's slug became this release, or it failed with a reason that its lines tell.
pub(crate) type Outcome = Result<Release, Broken>;

/// Runs a build to its end, whatever becomes of whoever watches.
pub(crate) async fn run(
    control: &Control,
    app: &Authorized<App>,
    build: Build,
    archive: Archive,
    mut report: Report,
) -> Outcome {
    let folder = control.settings.dir.join("builds").join(build.id.to_string());
    let cancelled = report.cancelled.clone();
    let made = make(control, app, &build, archive, &folder, &mut report).await;
    let done = match made {
        // What came of a program that was killed is not the reason.
        Ok(_) | Err(_) if cancelled.is_told() => Err(cancelled.reason(control).await),
        Ok(Made { slug, beside, making: _making }) => {
            match build_end::succeed(control, app, &build, slug, &beside).await {
                Ok(Some(created)) => Ok(created),
                Ok(None) => Err(cancelled.reason(control).await),
                Err(error) => Err(error.into()),
            }
        }
        Err(broken) => Err(broken),
    };
    // Nobody waits for a folder to be emptied.
    tokio::spawn(remove(folder));
    match done {
        Ok(created) => {
            let release = created.release.clone();
            drop(report);
            release::begin(control, app.by(), created).await?;
            journal::api(control, app.id, control.now(), "Build succeeded".to_owned()).await;
            Ok(release)
        }
        Err(broken) => {
            if !matches!(broken, Broken::Compile(_)) {
                report.line(&format!(" !     Push rejected: {broken}.")).await;
                report.line("").await;
                report.line(" !     Push failed").await;
            }
            build_end::fail(control, &build, &broken.to_string()).await;
            Err(broken)
        }
    }
}

pub(crate) async fn remove(folder: PathBuf) {
    let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&folder)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "A build's folder was not removed");
    }
}

/// The builds of an app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<BuildDetail>, BuildError> {
    let mut details = Vec::new();
    for build in store::build::list(control.store.db(), app.id).await? {
        details.push(detail(control, build).await?);
    }
    Ok(details)
}

/// One build.
///
/// # Errors
/// [`BuildError::NoSuchBuild`].
pub async fn find(control: &Control, app: &Authorized<App>, id: BuildId) -> Result<BuildDetail, BuildError> {
    let build = store::build::by_id(control.store.db(), id).await?;
    detail(control, build.filter(|build| build.app == app.id).ok_or(BuildError::NoSuchBuild)?).await
}

async fn detail(control: &Control, build: Build) -> Result<BuildDetail, BuildError> {
    let by = store::account::by_id(control.store.db(), build.by).await?.ok_or(BuildError::NoSuchBuild)?;
    Ok(BuildDetail { build, by })
}

/// What a build printed, for whoever holds the address.
///
/// # Errors
/// A wrong address, or a file that cannot be read.
pub async fn output(control: &Control, id: BuildId, secret: &str) -> Result<OutputReader, BuildError> {
    let build = store::build::by_id(control.store.db(), id).await?;
    let build = build.filter(|build| crate::same_secret(&build.secret, secret)).ok_or(BuildError::NoSuchBuild)?;
    let reader = control.outputs.read(&output_key(build.id)).map_err(BuildError::Output)?;
    reader.ok_or(BuildError::NoSuchBuild)
}

/// Empties the build cache of an app (BLD-2).
///
/// # Errors
/// A build under way, or files that cannot be removed.
pub async fn purge_cache(control: &Control, app: &Authorized<App>) -> Result<(), BuildError> {
    let pending = store::build::pending(control.store.db()).await?;
    if pending.iter().any(|build| build.app == app.id) {
        return Err(BuildError::Busy(app.name.clone()));
    }
    let cache = control.settings.dir.join("cache").join(app.id.to_string());
    builder::purge(&cache).map_err(BuildError::Output)
}

/// The key of a build's output.
pub(crate) fn output_key(id: BuildId) -> String {
    format!("build-{id}")
}
