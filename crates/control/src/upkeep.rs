//! Repositories: how large they may be, and packing them again when nobody pushes.

use crate::{Control, disk};
use git::Upkeep;
use model::app::App;
use model::disk::amount;
use model::id::AppId;
use model::retention::ORPHAN_AGE;
use std::time::{Duration, UNIX_EPOCH};
use store::StoreError;

/// A push that would make the repository too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "With this push the repository has {}, and {} is the limit. Take large files out of its history (`git filter-repo`), or push into a new app",
    amount(*.bytes), amount(*.limit_bytes)
)]
pub(crate) struct TooLarge {
    bytes: u64,
    limit_bytes: u64,
}

/// Is the repository, with what is being pushed, small enough? What is pushed lies in its folder already, in quarantine.
///
/// # Errors
/// [`TooLarge`] when it is not.
pub(crate) async fn admits(control: &Control, app: &App) -> Result<(), TooLarge> {
    let limit_bytes = control.settings.budgets.repository_bytes;
    let bytes = taken(control, app.id).await;
    if bytes <= limit_bytes {
        return Ok(());
    }
    tracing::info!(app.id = %app.id, bytes, limit_bytes, "A push was refused: the repository of {} gets too large", app.name);
    Err(TooLarge { bytes, limit_bytes })
}

async fn taken(control: &Control, app: AppId) -> u64 {
    let folder = control.git.path(app);
    tokio::task::spawn_blocking(move || disk::taken_bytes(&folder)).await.unwrap_or_default()
}

/// Packs the repositories that were pushed to since the last time, one after the other; a push goes first.
pub(crate) async fn repositories(control: &Control) -> Result<(), StoreError> {
    let now = Duration::from_micros(u64::try_from(control.now().0).unwrap_or_default());
    let oldest = UNIX_EPOCH + now.saturating_sub(ORPHAN_AGE);
    for app in store::app::list(control.store.db()).await? {
        if let Err(error) = control.git.sweep(app.id, oldest).await {
            tracing::warn!(app.id = %app.id, %error, "What broken pushes left in the repository of {} was not removed", app.name);
        }
        if !control.git.was_pushed_to(app.id) {
            continue;
        }
        // Packing needs room beside what it packs.
        let before = taken(control, app.id).await;
        if disk::admits(control, before).is_err() {
            continue;
        }
        let how = if before > control.settings.budgets.repository_bytes / 2 { Upkeep::All } else { Upkeep::WhenDue };
        match control.git.maintain(app.id, how).await {
            Ok(true) => {
                let freed = before.saturating_sub(taken(control, app.id).await);
                if freed > 0 {
                    let words = amount(freed);
                    tracing::info!(app.id = %app.id, freed_bytes = freed, "Packed the repository of {}: {words} less", app.name);
                }
            }
            // Somebody pushes; next time.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(app.id = %app.id, %error, "The repository of {} could not be packed", app.name)
            }
        }
    }
    Ok(())
}
