//! Folders on this machine that are made of what lies in the object store: one a slug, one an image.

use crate::storage::StorageError;
use crate::tree::{self, Owner};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Folders by name, each there whole or not at all.
#[derive(Clone)]
pub(crate) struct Folders {
    dir: PathBuf,
    owner: Option<Owner>,
    /// One at a time makes a folder; the others wait for it.
    making: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Folders {
    /// Opens the folder that they lie in and sweeps out what is half done. `owner`: who dynos run as.
    ///
    /// # Errors
    /// A folder that cannot be made or read.
    pub(crate) fn open(dir: PathBuf, owner: Option<Owner>) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        for child in fs::read_dir(&dir)? {
            let child = child?;
            if child.file_name().as_encoded_bytes().starts_with(b".") {
                tree::remove(&child.path())?;
            }
        }
        Ok(Self { dir, owner, making: Arc::default() })
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
        let over = over.and_then(|whole| Ok(fs::rename(whole, &place).map_err(StorageError::disk(failed))?));
        // Whatever is left of it is of no use.
        if let Err(error) = tree::remove(&half) {
            tracing::warn!(path = %half.display(), %error, "A half made folder was not removed");
        }
        over.map(|()| place)
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
