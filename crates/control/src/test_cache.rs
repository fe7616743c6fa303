//! Build caches of test runs: some per pipeline, so that runs at the same time do not wait for each other.
//!
//! They are apart from the apps' own: what a commit leaves there that nobody has looked at must not come into a slug.

use crate::{Control, disk};
use model::budget::{Spare, over_budget};
use model::disk::amount;
use model::id::PipelineId;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where they lie in the data folder: a folder for each pipeline, a numbered one for each cache in it.
pub(crate) const FOLDER: &str = "test-cache";

/// Those in use.
#[derive(Default)]
pub(crate) struct Taken(Mutex<BTreeSet<Place>>);

type Place = (PipelineId, usize);

/// A cache that nobody else uses as long as this lives.
pub(crate) struct Lent {
    control: Control,
    place: Place,
    /// Its folder.
    pub(crate) dir: PathBuf,
}

impl Taken {
    fn places(&self) -> MutexGuard<'_, BTreeSet<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lends the first cache of a pipeline that nobody uses: as many come to be as runs go at the same time.
pub(crate) fn lend(control: &Control, pipeline: PipelineId) -> std::io::Result<Lent> {
    let mut taken = control.test_runs.caches.places();
    let mut number = 0;
    while taken.contains(&(pipeline, number)) {
        number += 1;
    }
    let folder = control.settings.dir.join(FOLDER).join(pipeline.to_string());
    std::fs::create_dir_all(&folder)?;
    taken.insert((pipeline, number));
    Ok(Lent { control: control.clone(), place: (pipeline, number), dir: folder.join(number.to_string()) })
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.control.test_runs.caches.places().remove(&self.place);
    }
}

/// Keeps them within their budgets, which are as large as those of builds; then at most `limit_bytes` of them are left, where
/// there is such a limit. What that freed, in bytes.
pub(crate) async fn keep_budgets(control: &Control, limit_bytes: Option<u64>) -> u64 {
    let budgets = control.settings.budgets;
    let all = caches(control).await;
    let (large, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|cache| cache.bytes > budgets.cache_bytes);
    let most_bytes = limit_bytes.map_or(budgets.caches_bytes, |limit_bytes| limit_bytes.min(budgets.caches_bytes));
    let mut freed_bytes = 0;
    for old in large.into_iter().chain(over_budget(rest, most_bytes)) {
        freed_bytes += remove(control, old).await;
    }
    freed_bytes
}

/// What all of them take, in bytes.
pub(crate) async fn taken_bytes(control: &Control) -> u64 {
    caches(control).await.iter().map(|cache| cache.bytes).sum()
}

async fn caches(control: &Control) -> Vec<Spare<Place>> {
    let dir = control.settings.dir.join(FOLDER);
    let read = move || {
        let spare = |(what, path): (Place, PathBuf)| {
            let used_at = std::fs::metadata(&path).ok()?.ctime();
            Some(Spare { what, bytes: disk::taken_bytes(&path), used_at })
        };
        places(&dir).into_iter().filter_map(spare).collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

/// All there are, with their folders.
fn places(dir: &Path) -> Vec<(Place, PathBuf)> {
    let mut found = Vec::new();
    for pipeline in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let Some(id) = pipeline.file_name().to_str().and_then(|name| name.parse::<PipelineId>().ok()) else { continue };
        for cache in std::fs::read_dir(pipeline.path()).into_iter().flatten().flatten() {
            if let Some(number) = cache.file_name().to_str().and_then(|name| name.parse().ok()) {
                found.push(((id, number), cache.path()));
            }
        }
    }
    found
}

/// Removes one that nobody uses.
async fn remove(control: &Control, cache: Spare<Place>) -> u64 {
    let folder = control.settings.dir.join(FOLDER).join(cache.what.0.to_string());
    let (place, gone) =
        (folder.join(cache.what.1.to_string()), folder.join(format!(".gone-{}", control.world.secret::<8>())));
    {
        // Nobody begins to use it meanwhile.
        let taken = control.test_runs.caches.places();
        if taken.contains(&cache.what) || std::fs::rename(&place, &gone).is_err() {
            return 0;
        }
    }
    let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&gone)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(pipeline.id = %cache.what.0, %error, "A cache of tests was not removed; the next start tries again");
    }
    let freed = amount(cache.bytes);
    tracing::info!(pipeline.id = %cache.what.0, freed_bytes = cache.bytes, "Removed a cache of tests to make room ({freed})");
    cache.bytes
}

/// Removes what a server that was killed left half done in them, and the caches of pipelines that are gone.
pub(crate) fn clear(dir: &Path) {
    for pipeline in std::fs::read_dir(dir.join(FOLDER)).into_iter().flatten().flatten() {
        for child in std::fs::read_dir(pipeline.path()).into_iter().flatten().flatten() {
            if child.file_name().as_encoded_bytes().starts_with(b".") {
                if let Err(error) = runtime::remove_dir(&child.path()) {
                    tracing::warn!(path = %child.path().display(), %error, "A cache of tests could not be removed");
                }
            } else {
                builder::sweep_cache(&child.path());
            }
        }
    }
}

/// Removes the caches of pipelines that are gone.
pub(crate) async fn sweep(control: &Control) -> Result<(), store::StoreError> {
    // The folders first: a pipeline is there before it has one.
    for entry in std::fs::read_dir(control.settings.dir.join(FOLDER)).into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<PipelineId>().ok()) else { continue };
        let gone = store::pipeline::by_id(control.store.db(), id).await?.is_none();
        if gone && !control.test_runs.caches.places().iter().any(|(pipeline, _)| *pipeline == id) {
            let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&entry.path())).await;
            if let Ok(Err(error)) = removed {
                tracing::warn!(pipeline.id = %id, %error, "The caches of a pipeline that is gone were not removed");
            }
        }
    }
    Ok(())
}
