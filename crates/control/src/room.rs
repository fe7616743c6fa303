//! Makes room on the disk from what can be made again: build caches, and unpacked slugs that nothing runs.

use crate::{Control, disk, journal, test_cache};
use model::budget::{Spare, over_budget};
use model::disk::amount;
use model::id::{AppId, SlugId};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;
use store::StoreError;
use tokio::sync::RwLockWriteGuard;

/// To start a dyno takes milliseconds, to unpack its slug before that some seconds: it is tried for ten of them…
const ALONE_ATTEMPTS: u32 = 200;

/// …at this interval.
const ALONE_PAUSE: Duration = Duration::from_millis(50);

/// Keeps caches and unpacked slugs within their budgets.
pub(crate) async fn keep_budgets(control: &Control) -> Result<(), StoreError> {
    let budgets = control.settings.budgets;
    let mut caches = spares(control, "cache").await;
    for large in caches.extract_if(.., |cache| cache.bytes > budgets.cache_bytes) {
        let why = format!("its limit is {}", amount(budgets.cache_bytes));
        remove_cache(control, large, &why).await?;
    }
    for old in over_budget(caches, budgets.caches_bytes) {
        let why = format!("all caches together may take {}", amount(budgets.caches_bytes));
        remove_cache(control, old, &why).await?;
    }
    test_cache::keep_budgets(control, None).await;
    unpacked(control, budgets.unpacked_bytes).await?;
    Ok(())
}

/// The disk is short of so many bytes: caches go first, then unpacked slugs, what was used longest ago before the rest.
pub(crate) async fn make(control: &Control, missing_bytes: u64) {
    let made = async {
        // Those of tests before those of builds, which somebody waits for with an app in hand.
        let of_tests = test_cache::taken_bytes(control).await.saturating_sub(missing_bytes);
        let mut left_bytes = missing_bytes.saturating_sub(test_cache::keep_budgets(control, Some(of_tests)).await);
        let caches = spares(control, "cache").await;
        let keep_bytes = total(&caches).saturating_sub(left_bytes);
        for old in over_budget(caches, keep_bytes) {
            left_bytes =
                left_bytes.saturating_sub(remove_cache(control, old, "the server's disk is nearly full").await?);
        }
        if left_bytes > 0 {
            let all_bytes = total(&spares::<SlugId>(control, "slugs").await);
            unpacked(control, all_bytes.saturating_sub(left_bytes)).await?;
        }
        Ok::<(), StoreError>(())
    };
    if let Err(error) = made.await {
        tracing::warn!(%error, "No room could be made");
    }
}

fn total<T>(all: &[Spare<T>]) -> u64 {
    all.iter().fold(0, |total: u64, spare| total.saturating_add(spare.bytes))
}

/// The folders of a kind whose names are ids: what each takes, and when it last changed.
async fn spares<T: std::str::FromStr + Copy + Send + 'static>(control: &Control, kind: &'static str) -> Vec<Spare<T>> {
    let dir = control.settings.dir.join(kind);
    let read = move || {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let spare = |entry: std::fs::DirEntry| {
            let what = entry.file_name().to_str()?.parse().ok()?;
            // A build makes and removes folders there; a slug's folder is moved into its place.
            let used_at = entry.metadata().ok()?.ctime();
            Some(Spare { what, bytes: disk::taken_bytes(&entry.path()), used_at })
        };
        entries.filter_map(spare).collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

/// Removes an app's build cache and says so in its log; what that freed. Not while a build of the app runs.
async fn remove_cache(control: &Control, cache: Spare<AppId>, why: &str) -> Result<u64, StoreError> {
    let dir = control.settings.dir.join("cache");
    let (place, gone) = (dir.join(cache.what.to_string()), dir.join(format!(".gone-{}", cache.what)));
    // As a writer: no build begins meanwhile.
    let mut tx = control.store.begin().await?;
    let building = store::build::pending(tx.db()).await?.iter().any(|build| build.app == cache.what);
    if building || std::fs::rename(&place, &gone).is_err() {
        return Ok(0);
    }
    drop(tx);
    remove(gone).await;
    let freed = amount(cache.bytes);
    tracing::info!(app.id = %cache.what, freed_bytes = cache.bytes, "Removed a build cache ({freed}): {why}");
    let text = format!("Removed the build cache to make room ({freed}): {why}. The next build starts without it");
    journal::api(control, cache.what, control.now(), text).await;
    Ok(cache.bytes)
}

/// While no dyno is between finding its slug's folder and running on it. Does not queue for it: dynos would wait behind.
pub(crate) async fn alone(control: &Control) -> Option<RwLockWriteGuard<'_, ()>> {
    for _ in 0..ALONE_ATTEMPTS {
        if let Ok(alone) = control.unpacked.try_write() {
            return Some(alone);
        }
        tokio::time::sleep(ALONE_PAUSE).await;
    }
    None
}

/// Removes unpacked slugs that nothing runs until all take no more than the budget. Their archives stay.
async fn unpacked(control: &Control, budget_bytes: u64) -> Result<(), StoreError> {
    let all = spares::<SlugId>(control, "slugs").await;
    if total(&all) <= budget_bytes {
        return Ok(());
    }
    let Some(_alone) = alone(control).await else { return Ok(()) };
    let codes = store::release::codes(control.store.db()).await?;
    let used = model::retention::in_use(&codes, &control.registry.releases());
    let archives: BTreeMap<SlugId, String> = store::slug::present(control.store.db())
        .await?
        .into_iter()
        .filter_map(|slug| Some((slug.id, builder::slug_key(&slug.checksum?))))
        .collect();
    let used_bytes = total(&all.iter().filter(|slug| used.contains(&slug.what)).copied().collect::<Vec<_>>());
    let spare = all.into_iter().filter(|slug| !used.contains(&slug.what)).collect();
    for old in over_budget(spare, budget_bytes.saturating_sub(used_bytes)) {
        // Only what is known to be there again.
        let Some(key) = archives.get(&old.what) else { continue };
        if !control.objects.has(key).await {
            continue;
        }
        let (slugs, id) = (control.slugs.clone(), old.what);
        match tokio::task::spawn_blocking(move || slugs.forget(id)).await {
            Ok(Ok(())) => {
                let freed = amount(old.bytes);
                tracing::info!(slug.id = %id, freed_bytes = old.bytes, "Removed an unpacked slug that nothing runs ({freed})");
            }
            Ok(Err(error)) => tracing::warn!(slug.id = %id, %error, "An unpacked slug was not removed"),
            Err(error) => tracing::error!(slug.id = %id, %error, "Removing an unpacked slug ended in a panic"),
        }
    }
    Ok(())
}

async fn remove(folder: PathBuf) {
    let shown = folder.display().to_string();
    let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&folder)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(path = shown, %error, "A folder that makes room was not removed; the next start tries again");
    }
}
