//! Log drains: list, look at, add, remove. No release is made and nothing restarts (LOG-23).

use crate::gate::Authorized;
use crate::{Control, journal};
use model::app::App;
use model::id::LogDrainId;
use model::log_drain::{BadDrainUrl, DrainUrl, LOG_DRAINS_LIMIT, LogDrain};
use std::sync::Arc;
use store::StoreError;
use uuid::Uuid;

/// Why a drain is not found or added.
#[derive(Debug, thiserror::Error)]
pub enum LogDrainError {
    /// LOG-20.
    #[error(transparent)]
    BadUrl(#[from] BadDrainUrl),
    /// LOG-20, CLI-39.
    #[error("Url has already been taken: this app has a drain to that address; `flowline drains` lists them")]
    Already,
    /// LOG-20.
    #[error("This app has {LOG_DRAINS_LIMIT} drains, which is the limit; remove one first")]
    TooMany,
    /// Not of this app.
    #[error("Couldn't find that log drain.")]
    NoSuchDrain,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All of them, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<LogDrain>, LogDrainError> {
    Ok(store::log_drain::of_app(&control.store, app.id).await?)
}

/// One by its id, its token or its address.
///
/// # Errors
/// [`LogDrainError::NoSuchDrain`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<LogDrain, LogDrainError> {
    let id = which.parse::<LogDrainId>().ok();
    let is = |drain: &LogDrain| Some(drain.id) == id || drain.token == which || drain.url.as_str() == which;
    list(control, app).await?.into_iter().find(is).ok_or(LogDrainError::NoSuchDrain)
}

/// Adds one: every line from now on goes there, too. Whether anybody answers there is not tried (CLI-36).
///
/// # Errors
/// An address that is none or has a drain already, too many.
pub async fn create(control: &Control, app: &Authorized<App>, url: &str) -> Result<LogDrain, LogDrainError> {
    let url: DrainUrl = url.parse()?;
    let now = control.now();
    let token: Uuid = control.world.new_id();
    let drain = LogDrain {
        id: control.world.new_id(),
        app: app.id,
        token: format!("d.{}", token.hyphenated()),
        url,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    let present = store::log_drain::of_app_in(&mut tx, app.id).await?;
    if present.iter().any(|present| present.url == drain.url) {
        return Err(LogDrainError::Already);
    }
    if present.len() >= LOG_DRAINS_LIMIT {
        return Err(LogDrainError::TooMany);
    }
    store::log_drain::insert(&mut tx, &drain).await?;
    tx.commit().await?;
    let said = format!("Add log drain to {} by user {}", drain.url.shown(), app.by().email);
    journal::api(control, app.id, now, said).await;
    begin(control, drain.clone()).await;
    Ok(drain)
}

/// Removes one; what waits for it is dropped. What it was.
///
/// # Errors
/// [`LogDrainError::NoSuchDrain`].
pub async fn delete(control: &Control, app: &Authorized<App>, which: &str) -> Result<LogDrain, LogDrainError> {
    let drain = find(control, app, which).await?;
    let mut tx = control.store.begin().await?;
    if !store::log_drain::delete(&mut tx, drain.id).await? {
        return Err(LogDrainError::NoSuchDrain);
    }
    tx.commit().await?;
    control.logs.undrain(drain.id);
    let said = format!("Remove log drain to {} by user {}", drain.url.shown(), app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    Ok(drain)
}

/// The drains of all apps, when the server starts: before anything is said.
pub(crate) async fn resume(control: &Control) -> Result<(), StoreError> {
    for drain in store::log_drain::list(&control.store).await? {
        begin(control, drain).await;
    }
    Ok(())
}

async fn begin(control: &Control, drain: LogDrain) {
    control.logs.drain(drain, Arc::clone(&control.drain_trust), Arc::clone(&control.world)).await;
}
