//! Folders on this machine that are made of what lies in the object store: one a slug, one an image.

use crate::storage::StorageError;
use crate::tree::{self, Owner};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Changes with every boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Beside the folder that they lie in: for each that may not be on the disk yet a file of its name, with the boot it was made in.
const FRESH: &str = "fresh";

/// Folders by name, each there whole or not at all: also after a power cut, which takes files that a folder had when it got its
/// name. To wait for the disk would hold up every start of a dyno; what is not there yet is made again.
#[derive(Clone)]
pub(crate) struct Folders {
    dir: PathBuf,
    fresh: PathBuf,
    owner: Option<Owner>,
    /// One at a time makes a folder; the others wait for it.
    making: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
    /// Empty where nobody knows.
    boot: Arc<str>,
}

impl Folders {
    /// Opens the folder that they lie in and sweeps out what is half done. `owner`: who dynos run as.
    ///
    /// # Errors
    /// A folder that cannot be made or read.
    pub(crate) fn open(dir: PathBuf, owner: Option<Owner>) -> io::Result<Self> {
        Self::open_in(dir, owner, fs::read_to_string(BOOT_ID).unwrap_or_default().trim())
    }

    fn open_in(dir: PathBuf, owner: Option<Owner>, boot: &str) -> io::Result<Self> {
        let folders = Self { fresh: dir.with_extension(FRESH), dir, owner, making: Arc::default(), boot: boot.into() };
        fs::create_dir_all(&folders.dir)?;
        fs::create_dir_all(&folders.fresh)?;
        for child in fs::read_dir(&folders.dir)? {
            let child = child?;
            if child.file_name().as_encoded_bytes().starts_with(b".") {
                tree::remove(&child.path())?;
            }
        }
        for child in fs::read_dir(&folders.fresh)? {
            folders.look_again(&child?.file_name().to_string_lossy())?;
        }
        Ok(folders)
    }

    /// At a start: the folder was made a moment before the end of the server, or of the machine.
    fn look_again(&self, name: &str) -> io::Result<()> {
        let made_in = match fs::read(self.fresh.join(name)) {
            // It has come to the disk by now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        if self.boot.is_empty() || made_in == self.boot.as_bytes() {
            self.settle(name);
            return Ok(());
        }
        let place = self.place(name);
        tracing::info!(path = %place.display(), "Made a moment before the machine went down: it will be made again");
        tree::remove(&place)?;
        tree::remove(&self.fresh.join(name))
    }

    /// Has a folder (same file system) take its place.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn put(&self, whole: &Path, name: &str) -> io::Result<PathBuf> {
        let place = self.place(name);
        fs::write(self.fresh.join(name), &*self.boot)?;
        fs::rename(whole, &place)?;
        self.settle(name);
        Ok(place)
    }

    /// Has the folder written to the disk, while others go on.
    fn settle(&self, name: &str) {
        let (dir, fresh) = (self.dir.clone(), self.fresh.join(name));
        let work = move || {
            let written = File::open(&dir).and_then(|dir| Ok(rustix::fs::syncfs(dir)?));
            if let Err(error) = written.and_then(|()| tree::remove(&fresh)) {
                tracing::warn!(path = %fresh.display(), %error, "Not known to be on the disk; the next start looks again");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            Err(_) => work(),
        }
    }

    /// What they lie in; what begins with a dot in it is half done.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Who they belong to.
    pub(crate) fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// Where the folder of this name is, once it is there.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder of this name. If it is not there yet `fill`, which may block, is given an empty folder beside its place and says
    /// what of it takes the place. `failed`: what to say when the disk fails.
    ///
    /// # Errors
    /// What `fill` says, or the file system.
    pub(crate) async fn made<E, F>(&self, name: &str, failed: &'static str, fill: F) -> Result<PathBuf, E>
    where
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&Path) -> Result<PathBuf, E> + Send + 'static,
    {
        let place = self.place(name);
        if place.is_dir() {
            return Ok(place);
        }
        let lock = Arc::clone(self.locks().entry(name.to_owned()).or_default());
        // Held by the work itself: it goes on when nobody waits for it any more.
        let held = lock.lock_owned().await;
        let (folders, name) = (self.clone(), name.to_owned());
        let work = move || {
            let over = folders.make(&name, failed, fill);
            drop(held);
            // Whoever waits has a copy of it, and must find the same one as whoever comes later.
            folders.locks().retain(|_, lock| Arc::strong_count(lock) > 1);
            over
        };
        let over = tokio::task::spawn_blocking(work).await;
        over.unwrap_or_else(|gone| Err(StorageError::disk(failed)(gone.into()).into()))
    }

    /// Removes the folder of this name. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn forget(&self, name: &str) -> io::Result<()> {
        let gone = self.dir.join(format!(".gone-{name}"));
        match fs::rename(self.place(name), &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(()) => tree::remove(&gone),
            Err(error) => Err(error),
        }
    }

    fn make<E, F>(&self, name: &str, failed: &'static str, fill: F) -> Result<PathBuf, E>
    where
        E: From<StorageError>,
        F: FnOnce(&Path) -> Result<PathBuf, E>,
    {
        let place = self.place(name);
        if place.is_dir() {
            return Ok(place);
        }
        let half = self.dir.join(format!(".half-{name}"));
        let over = self.make_beside(&half, failed, fill);
        let over = over.and_then(|whole| Ok(self.put(&whole, name).map_err(StorageError::disk(failed))?));
        // Whatever is left of it is of no use.
        if let Err(error) = tree::remove(&half) {
            tracing::warn!(path = %half.display(), %error, "A half made folder was not removed");
        }
        over
    }

    fn make_beside<E, F>(&self, half: &Path, failed: &'static str, fill: F) -> Result<PathBuf, E>
    where
        E: From<StorageError>,
        F: FnOnce(&Path) -> Result<PathBuf, E>,
    {
        tree::remove(half).map_err(StorageError::disk(failed))?;
        tree::make_folder(half, self.owner).map_err(StorageError::disk(failed))?;
        fill(half)
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in it.
    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_power_cut_may_have_taken_files_of_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let open = |boot: &str| Folders::open_in(dir.path().join("all"), None, boot).unwrap();
        let folders = open("one");
        for name in ["old", "new"] {
            let whole = dir.path().join(name);
            fs::create_dir(&whole).unwrap();
            fs::write(whole.join("file"), "text").unwrap();
            folders.put(&whole, name).unwrap();
        }
        let (all, fresh) = (folders.dir(), dir.path().join("all.fresh"));
        assert_eq!(names(&fresh), [""; 0], "on the disk");
        // As it is until then; the server alone went down and came back, or the machine did.
        let end_early = |boot: &str| fs::write(fresh.join("new"), boot).unwrap();
        for (made_in, now, left) in [
            ("one", "one", &["new", "old"][..]),
            ("one", "", &["new", "old"]),
            ("one", "two", &["old"]),
            // A power cut takes the boot's name, too; and there may be no such folder any more.
            ("", "two", &["old"]),
        ] {
            end_early(made_in);
            open(now);
            assert_eq!(names(all), left, "made in `{made_in}`, now it is `{now}`");
            assert_eq!(names(&fresh), [""; 0]);
        }
    }
}
