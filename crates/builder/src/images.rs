//! Container images: layers in the object store by the hash of their bytes, on this machine one folder per image.
//!
//! All layers go into one folder, the lowest first, as the OCI image specification's "image-layout" of filesystem changesets
//! says: what a dyno runs on is then one read-only layer of its overlay.

mod error;
mod identity;
mod layer;
mod made;
mod root;
#[cfg(test)]
mod tests;

pub use error::{ImageError, LayerError};

use crate::hashed::Hashed;
use crate::objects;
use crate::storage::StorageError;
use crate::tree::{self, Owner};
use layer::Allowance;
use model::image::{Digest, Layer};
use object_store::ObjectStore;
use root::Root;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio_util::io::SyncIoBridge;

/// Where the bytes with this digest lie in the object store: a layer, a configuration, a manifest.
#[must_use]
pub fn image_blob_key(digest: &Digest) -> String {
    format!("images/blobs/sha256/{}", digest.hex())
}

/// The images that are unpacked on this machine.
#[derive(Clone)]
pub struct Images {
    store: Arc<dyn ObjectStore>,
    dir: PathBuf,
    owner: Option<Owner>,
    /// One at a time unpacks an image; the others wait for it.
    unpacking: Arc<Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Images {
    /// Opens the folder of unpacked images and sweeps out what is half done. `owner`: who dynos run as.
    ///
    /// # Errors
    /// A folder that cannot be made or read.
    pub fn open(store: Arc<dyn ObjectStore>, dir: PathBuf, owner: Option<Owner>) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        for child in fs::read_dir(&dir)? {
            let child = child?;
            if child.file_name().as_encoded_bytes().starts_with(b".") {
                tree::remove(&child.path())?;
            }
        }
        Ok(Self { store, dir, owner, unpacking: Arc::default() })
    }

    /// The image's folder, made of its layers (the lowest first) if this machine does not have it yet. `image` is its
    /// name here: the digest of its manifest, because a configuration does not say which layers came with it.
    ///
    /// # Errors
    /// [`ImageError::Missing`], [`ImageError::Checksum`] for other bytes than a digest says, [`ImageError::Layer`] for
    /// an archive that may not be, a full disk.
    pub async fn unpacked(&self, image: &Digest, layers: &[Layer]) -> Result<PathBuf, ImageError> {
        let place = self.folder(image);
        if place.is_dir() {
            return Ok(place);
        }
        let lock = Arc::clone(self.locks().entry(image.clone()).or_default());
        // Held by the work itself: it goes on when nobody waits for it any more.
        let held = lock.lock_owned().await;
        let (images, image, layers) = (self.clone(), image.clone(), layers.to_vec());
        let runtime = Handle::current();
        let work = move || {
            let over = images.unpack(&runtime, &image, &layers);
            drop(held);
            // Whoever waits has a copy of it, and must find the same one as whoever comes later.
            images.locks().retain(|_, lock| Arc::strong_count(lock) > 1);
            over
        };
        let over = tokio::task::spawn_blocking(work).await;
        let over =
            over.unwrap_or_else(|gone| Err(StorageError::disk("Could not unpack the image")(gone.into()).into()));
        over.map(|()| place)
    }

    /// Removes the image's folder from this machine; its layers stay in the object store. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn forget(&self, image: &Digest) -> io::Result<()> {
        let gone = self.dir.join(format!(".gone-{}", image.hex()));
        match fs::rename(self.folder(image), &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(()) => tree::remove(&gone),
            Err(error) => Err(error),
        }
    }

    /// What is unpacked here.
    ///
    /// # Errors
    /// What the file system says.
    pub fn folders(&self) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        for child in fs::read_dir(&self.dir)? {
            let name = child?.file_name();
            found.extend(name.to_str().and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()));
        }
        Ok(found)
    }

    fn unpack(&self, runtime: &Handle, image: &Digest, layers: &[Layer]) -> Result<(), ImageError> {
        let place = self.folder(image);
        if place.is_dir() {
            return Ok(());
        }
        let half = self.dir.join(format!(".half-{}", image.hex()));
        let over = self.unpack_into(runtime, layers, &half, &place);
        // Whatever is left of it is of no use.
        if let Err(error) = tree::remove(&half) {
            tracing::warn!(path = %half.display(), %error, "A half unpacked image was not removed");
        }
        over
    }

    /// Unpacks beside the place, then renames: an image's folder is there whole or not at all.
    fn unpack_into(&self, runtime: &Handle, layers: &[Layer], half: &Path, place: &Path) -> Result<(), ImageError> {
        let failed = || StorageError::disk("Could not unpack the image");
        tree::remove(half).map_err(failed())?;
        tree::make_folder(half, self.owner).map_err(failed())?;
        let mut root = Root::open(half, self.owner).map_err(failed())?;
        let mut left = Allowance::of_an_image();
        for layer in layers {
            let stream = runtime.block_on(objects::get(&*self.store, &image_blob_key(&layer.digest)));
            let stream = stream.map_err(StorageError::store)?;
            let stream = stream.ok_or_else(|| ImageError::Missing(layer.digest.clone()))?;
            lay(SyncIoBridge::new_with_handle(stream, runtime.clone()), layer, &mut root, &mut left)?;
        }
        identity::add(&mut root).map_err(failed())?;
        Ok(fs::rename(half, place).map_err(failed())?)
    }

    fn folder(&self, image: &Digest) -> PathBuf {
        self.dir.join(image.hex())
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<Digest, Arc<tokio::sync::Mutex<()>>>> {
        self.unpacking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lays one layer over what is there.
fn lay(reader: impl Read, layer: &Layer, root: &mut Root, left: &mut Allowance) -> Result<(), ImageError> {
    let mut hashed = Hashed::new(reader);
    let over = layer::apply(&mut hashed, layer.packing, root, left);
    // Wrong bytes are the better reason than what they did to the archive; also, the end of the stream counts.
    let hash = hashed.finish().map_err(StorageError::disk("Could not read a layer of the image"))?;
    let hash = hash.finish().as_ref().first_chunk().map(Digest::of_hash);
    match hash {
        Some(found) if found == layer.digest => over.map_err(|why| ImageError::of_layer(&layer.digest, why)),
        found => Err(ImageError::Checksum { expected: layer.digest.clone(), found }),
    }
}

/// Lays plain archives into an existing folder, under other limits than those of images.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn lay_all(layers: &[Vec<u8>], into: &Path, entries: u64, bytes: u64) -> Result<(), LayerError> {
    let failed = || LayerError::write(into);
    let (mut root, mut left) = (Root::open(into, None).map_err(failed())?, Allowance { entries, bytes });
    for layer in layers {
        layer::apply(&layer[..], model::image::Packing::Plain, &mut root, &mut left)?;
    }
    identity::add(&mut root).map_err(failed())
}
