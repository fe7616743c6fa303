//! What belongs to an app or a slug that is gone: left behind by a server that was killed, or by a disk that failed.

use crate::objects::ObjectError;
use crate::{Control, slug};
use model::id::{AppId, SlugId};
use model::retention::ORPHAN_AGE;
use model::time::Timestamp;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;
use store::StoreError;

/// Why it was not found or not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrphanError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

/// Removes it.
pub(crate) async fn sweep(control: &Control) -> Result<(), OrphanError> {
    of_apps(control).await?;
    of_slugs(control).await?;
    crate::test_cache::sweep(control).await?;
    uploads(control).await
}

/// A folder per app.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Repository,
    Cache,
    Logs,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Repository, Self::Cache, Self::Logs];

    fn folder(self) -> &'static str {
        match self {
            Self::Repository => "repos",
            Self::Cache => "cache",
            Self::Logs => "logs",
        }
    }
}

async fn of_apps(control: &Control) -> Result<(), OrphanError> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        for (name, path) in old_entries(control, kind.folder()) {
            if let Ok(app) = name.strip_suffix(".git").unwrap_or(&name).parse::<AppId>() {
                found.push((kind, app, path));
            }
        }
    }
    // After the folders were listed: an app is there before its folders are an hour old.
    let apps: BTreeSet<AppId> = store::app::list(control.store.db()).await?.into_iter().map(|app| app.id).collect();
    for (kind, app, path) in found.into_iter().filter(|(_, app, _)| !apps.contains(app)) {
        tracing::info!(app.id = %app, path = %path.display(), "Removing what an app left behind that is gone");
        match kind {
            Kind::Logs => control.logs.remove(app).await,
            Kind::Repository | Kind::Cache => remove(path).await,
        }
    }
    Ok(())
}

/// Folders of slugs and archives that no slug has. An archive that is being made is nobody's yet, and one that was nobody's
/// may be made again just now: so the second look and the removal are alone with the archives.
async fn of_slugs(control: &Control) -> Result<(), OrphanError> {
    let (folders, archives) = strays(control).await?;
    if folders.is_empty() && archives.is_empty() {
        return Ok(());
    }
    let alone = control.archives.write().await;
    let (folders, archives) = strays(control).await?;
    for key in &archives {
        tracing::info!(key, "Removing an archive that no slug has");
        control.objects.delete(key).await?;
    }
    drop(alone);
    for id in folders {
        tracing::info!(slug.id = %id, "Removing the folder of a slug that is gone");
        let slugs = control.slugs.clone();
        let removed = tokio::task::spawn_blocking(move || slugs.forget(id)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(slug.id = %id, %error, "The folder of a slug that is gone was not removed");
        }
    }
    Ok(())
}

async fn strays(control: &Control) -> Result<(Vec<SlugId>, Vec<String>), OrphanError> {
    let entries = std::fs::read_dir(control.settings.dir.join("slugs")).into_iter().flatten().flatten();
    let folders: Vec<SlugId> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let archives = control.objects.list("slugs").await?;
    let present = store::slug::present(control.store.db()).await?;
    let ids: BTreeSet<SlugId> = present.iter().map(|slug| slug.id).collect();
    let keys: BTreeSet<String> =
        present.iter().filter_map(|slug| slug.checksum.as_deref()).map(builder::slug_key).collect();
    let folders = folders.into_iter().filter(|id| !ids.contains(id)).collect();
    let archives = archives.into_iter().map(|(key, _)| key).filter(|key| !keys.contains(key)).collect();
    Ok((folders, archives))
}

/// Uploads that were complete and never looked at.
async fn uploads(control: &Control) -> Result<(), OrphanError> {
    for (key, at) in control.objects.list(slug::UPLOADS).await? {
        if control.now().since(at) >= ORPHAN_AGE {
            control.objects.delete(&key).await?;
        }
    }
    Ok(())
}

/// What lies in a folder of the data folder and has not changed for an hour: name and path.
fn old_entries(control: &Control, folder: &str) -> Vec<(String, PathBuf)> {
    let now = control.now();
    let entries = std::fs::read_dir(control.settings.dir.join(folder)).into_iter().flatten().flatten();
    let old = |entry: &std::fs::DirEntry| {
        let at = entry.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(now.since(Timestamp(0).plus(at)) >= ORPHAN_AGE)
    };
    let entries = entries.filter(|entry| old(entry).unwrap_or(false));
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect()
}

async fn remove(path: PathBuf) {
    let shown = path.display().to_string();
    let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&path)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(path = shown, %error, "A folder that belongs to no app was not removed");
    }
}
