//! Cancelling a build that waits or runs (BLD-2). That somebody asked for it is on disk first; the build's own task then ends its
//! programs and notes its end. So nothing runs of a build that is over, and a server that comes after a killed one knows why.

use crate::build::{self, Broken, BuildDetail, BuildError};
use crate::gate::Authorized;
use crate::{Control, build_end, journal};
use model::app::App;
use model::build::{Build, BuildState};
use model::id::BuildId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::StoreError;
use tokio::sync::watch;
use tokio::time::timeout;

/// Whoever cancels waits so long for the end before they are told that it is not there yet. Programs are gone in a moment; a
/// source that is being unpacked and a slug that is being packed are not cut short.
const END_WAIT: Duration = Duration::from_secs(30);

/// Builds that this server runs now: to be told that they are cancelled.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<BuildId, watch::Sender<bool>>>);

/// How a build's task hears that it is cancelled. The task keeps it until the build's end is noted: whoever cancels waits for that.
#[derive(Clone)]
pub(crate) struct Cancelled {
    build: BuildId,
    told: watch::Receiver<bool>,
}

impl Running {
    /// A build begins. Those that are over are forgotten here: there are never more than builds under way.
    pub(crate) fn enter(&self, build: BuildId) -> Cancelled {
        let (tell, told) = watch::channel(false);
        let mut all = self.all();
        all.retain(|_, tell| !tell.is_closed());
        all.insert(build, tell);
        Cancelled { build, told }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<BuildId, watch::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, build: BuildId) -> Option<watch::Sender<bool>> {
        self.all().get(&build).cloned()
    }
}

impl Cancelled {
    /// For what runs its programs.
    pub(crate) fn receiver(&self) -> watch::Receiver<bool> {
        self.told.clone()
    }

    pub(crate) fn is_told(&self) -> bool {
        *self.told.borrow()
    }

    /// Waits until it is cancelled; for ever if it never is.
    pub(crate) async fn told(&self) {
        if self.told.clone().wait_for(|told| *told).await.is_err() {
            std::future::pending().await
        }
    }

    /// Does this, unless the build is cancelled before it is done.
    pub(crate) async fn or<T>(&self, control: &Control, work: impl Future<Output = T>) -> Result<T, Broken> {
        tokio::select! {
            biased;
            () = self.told() => Err(self.reason(control).await),
            done = work => Ok(done),
        }
    }

    /// Why there is no slug.
    pub(crate) async fn reason(&self, control: &Control) -> Broken {
        match store::build::cancelled_by(control.store.db(), self.build).await {
            Ok(by) => Broken::Cancelled(by.map(|by| format!(" by {by}")).unwrap_or_default()),
            Err(error) => error.into(),
        }
    }
}

/// Ends a build that waits or runs.
///
/// # Errors
/// [`BuildError::NoSuchBuild`], [`BuildError::Over`].
pub async fn cancel(control: &Control, app: &Authorized<App>, id: BuildId) -> Result<BuildDetail, BuildError> {
    let BuildDetail { build, .. } = build::find(control, app, id).await?;
    is_pending(&build)?;
    let by = &app.by().email;
    match note(control, id, by).await {
        Ok(true) => {
            journal::api(control, app.id, control.now(), format!("Build cancelled by user {by}")).await;
        }
        // Somebody did before, or it has just ended.
        Ok(false) => {}
        // A disk that is full: the build may be what fills it.
        Err(error) => tracing::error!(build.id = %id, %error, "Who cancelled a build could not be noted"),
    }
    let task = control.builds.of(id);
    if let Some(task) = &task {
        task.send_replace(true);
        // Whoever is told that it is pending still can look again.
        let _late = timeout(END_WAIT, task.closed()).await.is_err();
    }
    let now = build::find(control, app, id).await?;
    let nobody = task.is_none_or(|task| task.is_closed());
    match now.build.state {
        BuildState::Succeeded { .. } => is_pending(&now.build).map(|()| now),
        BuildState::Failed { .. } => Ok(now),
        BuildState::Pending if nobody => {
            // Its task broke off inside Flowline.
            build_end::break_off(control, &now.build, &format!("The build was cancelled by {by}")).await;
            build::find(control, app, id).await
        }
        BuildState::Pending => Ok(now),
    }
}

fn is_pending(build: &Build) -> Result<(), BuildError> {
    match build.state {
        BuildState::Pending => Ok(()),
        BuildState::Succeeded { .. } | BuildState::Failed { .. } => {
            Err(BuildError::Over { id: build.id, state: build.state.word() })
        }
    }
}

async fn note(control: &Control, id: BuildId, by: &str) -> Result<bool, StoreError> {
    let mut tx = control.store.begin().await?;
    let noted = store::build::cancel(&mut tx, id, by).await?;
    tx.commit().await?;
    Ok(noted)
}
