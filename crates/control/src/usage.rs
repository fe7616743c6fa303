//! What uses how much of the disk: by kind, and by app.

use crate::{Control, disk};
use model::account::Account;
use model::app::AppName;
use model::disk::Space;
use model::id::{AppId, BuildId, DynoId, SlugId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use store::StoreError;

/// What things on the disk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What was pushed.
    Repositories,
    /// Slugs and images as they are stored, and uploads.
    Archives,
    /// Slugs and images as dynos run them.
    Slugs,
    /// What builds keep for the next one.
    Caches,
    /// Builds that run.
    Builds,
    /// What dynos wrote.
    Dynos,
    /// The logs.
    Logs,
    /// What builds and release commands printed.
    Outputs,
    /// Apps, releases, config vars.
    Database,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Repositories,
        Self::Archives,
        Self::Slugs,
        Self::Caches,
        Self::Builds,
        Self::Dynos,
        Self::Logs,
        Self::Outputs,
        Self::Database,
    ];

    /// As it is shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Archives => "archives",
            Self::Slugs => "slugs",
            Self::Caches => "caches",
            Self::Builds => "builds",
            Self::Dynos => "dynos",
            Self::Logs => "logs",
            Self::Outputs => "outputs",
            Self::Database => "database",
        }
    }
}

/// What a kind takes, and may.
#[derive(Debug, Clone, Copy)]
pub struct OfKind {
    /// What it is.
    pub kind: Kind,
    /// What all of it takes.
    pub bytes: u64,
    /// What one app may take of it, where there is a limit.
    pub app_limit_bytes: Option<u64>,
    /// What all of it may take, where there is a limit.
    pub limit_bytes: Option<u64>,
}

/// What an app takes.
#[derive(Debug, Clone)]
pub struct OfApp {
    /// Which.
    pub name: AppName,
    /// In all.
    pub bytes: u64,
    /// By kind; those that take nothing are not in it.
    pub kinds: BTreeMap<Kind, u64>,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Usage {
    /// The file system that the data folder lies on.
    pub space: Space,
    /// By kind.
    pub kinds: Vec<OfKind>,
    /// The caller's apps, the largest first.
    pub apps: Vec<OfApp>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The file system does not tell.
    #[error("The free space of the data folder is not known: {0}")]
    Space(#[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Free space of the data folder's file system, for a scrape: asks the kernel once.
#[must_use]
pub fn space(control: &Control) -> Option<Space> {
    disk::space(&control.settings.dir).ok()
}

/// What dynos and builds had written when they were measured last.
#[must_use]
pub fn written_bytes(control: &Control) -> u64 {
    control.written.load(Ordering::Relaxed)
}

/// Whose things are, as the ledger knows it.
#[derive(Default)]
struct Owners {
    slugs: BTreeMap<SlugId, AppId>,
    archives: BTreeMap<String, AppId>,
    builds: BTreeMap<BuildId, AppId>,
    dynos: BTreeMap<DynoId, AppId>,
}

/// Measures everything: walks the whole data folder, away from the async threads.
///
/// # Errors
/// A file system that does not tell its size, a database that fails.
pub async fn measure(control: &Control, who: &Account) -> Result<Usage, UsageError> {
    let space = disk::space(&control.settings.dir).map_err(UsageError::Space)?;
    let owners = owners(control).await?;
    let dir = control.settings.dir.clone();
    let measured =
        tokio::task::spawn_blocking(move || Kind::ALL.map(|kind| (kind, of_kind(&dir, kind, &owners)))).await;
    let measured = measured.map_err(|error| UsageError::Space(std::io::Error::other(error)))?;
    let names: BTreeMap<AppId, AppName> = store::app::list(control.store.db())
        .await?
        .into_iter()
        .filter(|app| app.owner == who.id)
        .map(|app| (app.id, app.name))
        .collect();
    let mut apps: BTreeMap<AppId, OfApp> = BTreeMap::new();
    let mut kinds = Vec::new();
    for (kind, parts) in measured {
        let (app_limit_bytes, limit_bytes) = limits(control, kind);
        kinds.push(OfKind { kind, bytes: parts.iter().map(|(_, bytes)| bytes).sum(), app_limit_bytes, limit_bytes });
        for (app, bytes) in parts {
            let Some((id, name)) = app.and_then(|app| names.get_key_value(&app)) else { continue };
            let of_app =
                apps.entry(*id).or_insert_with(|| OfApp { name: name.clone(), bytes: 0, kinds: BTreeMap::new() });
            of_app.bytes += bytes;
            *of_app.kinds.entry(kind).or_default() += bytes;
        }
    }
    let mut apps: Vec<OfApp> = apps.into_values().collect();
    apps.sort_by_key(|app| std::cmp::Reverse(app.bytes));
    Ok(Usage { space, kinds, apps })
}

fn limits(control: &Control, kind: Kind) -> (Option<u64>, Option<u64>) {
    let budgets = control.settings.budgets;
    match kind {
        Kind::Repositories => (Some(budgets.repository_bytes), None),
        Kind::Slugs => (None, Some(budgets.unpacked_bytes)),
        Kind::Caches => (Some(budgets.cache_bytes), Some(budgets.caches_bytes)),
        Kind::Outputs => (None, Some(budgets.outputs_bytes)),
        Kind::Archives | Kind::Builds | Kind::Dynos | Kind::Logs | Kind::Database => (None, None),
    }
}

async fn owners(control: &Control) -> Result<Owners, StoreError> {
    let db = control.store.db();
    let mut owners = Owners::default();
    for slug in store::slug::present(db).await? {
        owners.slugs.insert(slug.id, slug.app);
        if let Some(checksum) = &slug.checksum {
            let key = builder::slug_key(checksum);
            let name = key.rsplit('/').next().unwrap_or_default().to_owned();
            owners.archives.insert(name, slug.app);
        }
    }
    owners.builds = store::build::pending(db).await?.into_iter().map(|build| (build.id, build.app)).collect();
    owners.dynos = control.registry.running().into_iter().map(|(dyno, _)| (dyno.id, dyno.app)).collect();
    Ok(owners)
}

/// Whose each part is, where it is somebody's, and its bytes.
type Parts = Vec<(Option<AppId>, u64)>;

fn of_kind(dir: &Path, kind: Kind, owners: &Owners) -> Parts {
    let of_dyno = |name: &str| owners.dynos.get(&name.parse().ok()?).copied();
    match kind {
        Kind::Repositories => each(&dir.join("repos"), |name| name.strip_suffix(".git")?.parse().ok()),
        Kind::Archives => {
            let mut all = each(&dir.join("objects/slugs"), |name| owners.archives.get(name).copied());
            all.extend(
                ["sources", "uploads", "images"]
                    .map(|folder| (None, disk::taken_bytes(&dir.join("objects").join(folder)))),
            );
            all.push((None, disk::taken_bytes(&dir.join(crate::image_upload::FOLDER))));
            all
        }
        Kind::Slugs => {
            let mut all = each(&dir.join("slugs"), |name| owners.slugs.get(&name.parse().ok()?).copied());
            // An image may be of several apps.
            all.push((None, disk::taken_bytes(&dir.join("images"))));
            all
        }
        Kind::Caches => {
            let mut all = each(&dir.join("cache"), |name| name.parse().ok());
            // Those of tests are of pipelines.
            all.push((None, disk::taken_bytes(&dir.join(crate::test_cache::FOLDER))));
            all
        }
        Kind::Builds => each(&dir.join("builds"), |name| owners.builds.get(&name.parse().ok()?).copied()),
        Kind::Dynos => {
            let mut all = each(&dir.join("scratch"), of_dyno);
            all.extend(each(&dir.join("run/dynos"), of_dyno));
            all
        }
        Kind::Logs => each(&dir.join("logs"), |name| name.parse().ok()),
        Kind::Outputs => vec![(None, disk::taken_bytes(&dir.join("outputs")))],
        Kind::Database => {
            let files = ["flowline.db", "flowline.db-wal", "flowline.db-shm"].map(|name| dir.join(name));
            files.into_iter().map(|file| (None, file_bytes(&file))).collect()
        }
    }
}

fn each(folder: &PathBuf, owner: impl Fn(&str) -> Option<AppId>) -> Parts {
    let part = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let bytes = if path.is_dir() { disk::taken_bytes(&path) } else { file_bytes(&path) };
        (entry.file_name().to_str().and_then(&owner), bytes)
    };
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(part).collect()
}

fn file_bytes(file: &Path) -> u64 {
    std::fs::symlink_metadata(file).map_or(0, |about| about.len())
}
