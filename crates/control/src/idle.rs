//! Idle apps as people handle them: after what time an app sleeps, put it to sleep, wake it.

use crate::gate::Authorized;
use crate::routing::SyncError;
use crate::{Control, journal, slumber};
use model::app::App;
use model::idle::{Asleep, BadSleepAfter, Depth};
use std::time::Duration;
use store::StoreError;

/// How an app sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sleep {
    /// After what time without a request; `None`: never by itself.
    pub after: Option<Duration>,
    /// Since when it sleeps, and how deeply; `None`: it is awake.
    pub asleep: Option<Asleep>,
}

/// Why an app is not put to sleep or woken.
#[derive(Debug, thiserror::Error)]
pub enum IdleError {
    /// Not a time.
    #[error(transparent)]
    BadSleepAfter(#[from] BadSleepAfter),
    /// No web dyno is up: no request could wake it.
    #[error("{0} has no web dyno that is up, so no request could wake it; `flowline ps` shows its dynos")]
    NoWeb(model::app::AppName),
    /// Requests are being answered.
    #[error("{0} is answering requests just now; try again when it is quiet")]
    Busy(model::app::AppName),
    /// The router, or the processes.
    #[error("The app could not be put to sleep or woken: {0}")]
    Failed(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SyncError> for IdleError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => Self::Store(error),
            SyncError::Router(error) => Self::Failed(error.to_string()),
        }
    }
}

/// How it sleeps now.
///
/// # Errors
/// When the database fails.
pub async fn show(control: &Control, app: &Authorized<App>) -> Result<Sleep, IdleError> {
    let after = store::idle::after(control.store.db(), app.id).await?;
    Ok(Sleep { after, asleep: control.registry.asleep(app.id) })
}

/// Sets after how many minutes without a request it sleeps; `None`: never. An app that sleeps goes on sleeping.
///
/// # Errors
/// [`BadSleepAfter`].
pub async fn set(control: &Control, app: &Authorized<App>, minutes: Option<f64>) -> Result<Sleep, IdleError> {
    let after = minutes.map(model::idle::sleep_after).transpose()?;
    let mut tx = control.store.begin().await?;
    store::idle::set_after(&mut tx, app.id, after).await?;
    tx.commit().await?;
    let what = match after {
        Some(after) => format!("Sleeps after {} seconds without a request", after.as_secs()),
        None => "Never sleeps by itself".to_owned(),
    };
    journal::api(control, app.id, control.now(), format!("{what}, set by user {}", app.by().email)).await;
    control.slumber.changed.notify_one();
    show(control, app).await
}

/// Puts it to sleep at once.
///
/// # Errors
/// [`IdleError::Busy`], [`IdleError::NoWeb`].
pub async fn sleep(control: &Control, app: &Authorized<App>, depth: Depth) -> Result<Sleep, IdleError> {
    let serves = control.registry.of_app(app.id).iter().any(|dyno| dyno.addr.is_some() && dyno.state.runs());
    if !serves && control.registry.asleep(app.id).is_none() {
        return Err(IdleError::NoWeb(app.name.clone()));
    }
    if !slumber::lay_down(control, app.id, depth).await? {
        return Err(IdleError::Busy(app.name.clone()));
    }
    show(control, app).await
}

/// Wakes it, as a request would.
///
/// # Errors
/// When the router or the database fails.
pub async fn wake(control: &Control, app: &Authorized<App>) -> Result<Sleep, IdleError> {
    slumber::wake(control, app.id).await?;
    show(control, app).await
}
