//! An app's build cache: kept only when a build succeeded, in the order of overlay layers, so that nothing is copied.

use crate::tree::{self, Owner};
use model::mount::Mount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// More layers make the kernel's look-ups slower; then they become one.
const LAYER_LIMIT: usize = 8;

/// Versions of one dependency folder that are kept: a branch and its base, with one to spare.
const VERSION_LIMIT: usize = 3;

const INDEX: &str = "index.json";

/// What is committed. Folders that it does not name are leftovers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    /// What the cache belongs to; another stack or pack list starts empty (BLD-10).
    key: String,
    /// Folders below the cache's, the topmost first.
    layers: Vec<String>,
    /// Dependency folders, the newest first.
    kept: Vec<Kept>,
}

/// A dependency folder that a pack may have back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Its place in the app: `node_modules`.
    path: String,
    /// What it was made from.
    key: String,
    /// Its folder below the cache's.
    folder: String,
}

/// The cache as one build sees it.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    owner: Option<Owner>,
    /// Names this build's folders.
    build: String,
    index: Index,
    fresh: Vec<Kept>,
}

/// Empties an app's build cache. Not while a build of the app runs.
///
/// # Errors
/// What the file system says.
pub fn purge(cache_dir: &Path) -> io::Result<()> {
    tree::remove(cache_dir)
}

/// Removes what builds that did not end left in an app's cache, in the background; what a build committed stays. Not while a
/// build of the app runs.
pub fn sweep(cache_dir: &Path) {
    let index = read(cache_dir).unwrap_or_default();
    // As the end of a build does, whose folders these are: all whose names begin with nothing.
    drop(Cache { dir: cache_dir.to_owned(), owner: None, build: String::new(), index, fresh: Vec::new() });
}

/// The packed form of a kept folder lies beside it.
pub(crate) fn frame_of(kept: &Path) -> PathBuf {
    // Not `with_extension`: the folder's own name has a dot.
    let mut name = kept.as_os_str().to_owned();
    name.push(".");
    name.push(FRAME);
    PathBuf::from(name)
}

const FRAME: &str = "frame";

impl Cache {
    /// Opens the cache for one build, and sweeps out what builds that did not succeed left behind.
    pub(crate) fn open(dir: &Path, key: &str, build: &str, owner: Option<Owner>) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let index = read(dir).filter(|index| index.key == key);
        let index = index.unwrap_or_else(|| Index { key: key.to_owned(), ..Index::default() });
        let cache = Self { dir: dir.to_owned(), owner, build: build.to_owned(), index, fresh: Vec::new() };
        tree::remove_later(cache.leftovers(|name| !name.starts_with(build))?);
        for folder in [cache.changes(), cache.work(), cache.empty()] {
            tree::make_folder(&folder, owner)?;
        }
        Ok(cache)
    }

    /// The `CACHE_DIR` of this build.
    pub(crate) fn mount(&self, to: &Path) -> Mount {
        let mut lowers: Vec<PathBuf> = self.index.layers.iter().map(|layer| self.dir.join(layer)).collect();
        if lowers.is_empty() {
            lowers.push(self.empty());
        }
        Mount::Overlay { lowers, upper: self.changes(), work: self.work(), to: to.to_owned() }
    }

    /// The dependency folder made from `key`, if a build kept it.
    pub(crate) fn kept(&self, path: &str, key: &str) -> Option<PathBuf> {
        let all = self.fresh.iter().chain(&self.index.kept);
        let found = all.into_iter().find(|kept| kept.path == path && kept.key == key)?;
        Some(self.dir.join(&found.folder))
    }

    /// A place for a dependency folder that this build made: the caller moves it there.
    pub(crate) fn keep(&mut self, path: &str, key: &str) -> PathBuf {
        let folder = format!("{}.kept{}", self.build, self.fresh.len());
        let place = self.dir.join(&folder);
        self.fresh.push(Kept { path: path.to_owned(), key: key.to_owned(), folder });
        place
    }

    /// Takes the last [`Self::keep`] back: the folder could not be moved.
    pub(crate) fn forget_last(&mut self) {
        self.fresh.pop();
    }

    /// What the build left in the cache becomes the next build's; all of it, or nothing. Blocks.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        let changed = !tree::is_empty(&self.changes())?;
        if !changed && self.fresh.is_empty() {
            return Ok(());
        }
        if changed {
            self.index.layers.insert(0, format!("{}.changes", self.build));
        }
        if self.index.layers.len() > LAYER_LIMIT {
            self.join_layers()?;
        }
        let fresh = std::mem::take(&mut self.fresh);
        self.index.kept.splice(0..0, fresh);
        self.drop_old_versions();
        // The folders must be on the disk before the index names them.
        rustix::fs::syncfs(File::open(&self.dir)?)?;
        write(&self.dir, &self.index)
    }

    fn join_layers(&mut self) -> io::Result<()> {
        let layers: Vec<PathBuf> = self.index.layers.iter().map(|layer| self.dir.join(layer)).collect();
        let joined = format!("{}.joined", self.build);
        tree::make_folder(&self.dir.join(&joined), self.owner)?;
        tree::flatten(&layers, &self.dir.join(&joined))?;
        self.index.layers = vec![joined];
        Ok(())
    }

    fn drop_old_versions(&mut self) {
        let mut counts = std::collections::BTreeMap::new();
        self.index.kept.retain(|kept| {
            let count = counts.entry(kept.path.clone()).or_insert(0);
            *count += 1;
            *count <= VERSION_LIMIT
        });
    }

    /// What the index does not name, of the folders whose names are `wanted`.
    fn leftovers(&self, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
        let kept = self.index.kept.iter().flat_map(|kept| [kept.folder.clone(), format!("{}.{FRAME}", kept.folder)]);
        let named: BTreeSet<String> = self.index.layers.iter().cloned().chain(kept).collect();
        let mut left = Vec::new();
        for child in fs::read_dir(&self.dir)? {
            let child = child?;
            let name = child.file_name();
            let name = name.to_string_lossy();
            if *name != *INDEX && *name != *EMPTY && wanted(&name) && !named.contains(&*name) {
                left.push(child.path());
            }
        }
        Ok(left)
    }

    fn changes(&self) -> PathBuf {
        self.dir.join(format!("{}.changes", self.build))
    }

    fn work(&self) -> PathBuf {
        self.dir.join(format!("{}.work", self.build))
    }

    fn empty(&self) -> PathBuf {
        self.dir.join(EMPTY)
    }
}

/// What a build did not commit goes with it; if that fails, the next build sweeps it out.
impl Drop for Cache {
    fn drop(&mut self) {
        match self.leftovers(|name| name.starts_with(&self.build)) {
            Ok(left) => tree::remove_later(left),
            Err(error) => tracing::warn!(cache = %self.dir.display(), %error, "A build cache could not be swept"),
        }
    }
}

/// The lowest layer of a cache without any.
const EMPTY: &str = "empty";

fn read(dir: &Path) -> Option<Index> {
    let bytes = fs::read(dir.join(INDEX)).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(index) => Some(index),
        Err(error) => {
            tracing::warn!(cache = %dir.display(), %error, "A build cache has a broken index and starts empty");
            None
        }
    }
}

fn write(dir: &Path, index: &Index) -> io::Result<()> {
    let half = dir.join("index.json.new");
    let mut file = File::create(&half)?;
    file.write_all(&serde_json::to_vec(index)?)?;
    file.sync_all()?;
    fs::rename(&half, dir.join(INDEX))?;
    File::open(dir)?.sync_all()
}
