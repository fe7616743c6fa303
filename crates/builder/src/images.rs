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

use crate::folders::Folders;
use crate::hashed::Hashed;
use crate::objects;
use crate::storage::StorageError;
use crate::tree::Owner;
use layer::Allowance;
use model::image::{Digest, Layer};
use object_store::ObjectStore;
use root::Root;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is said when the disk fails.
const UNPACK_FAILED: &str = "Could not unpack the image";

/// Where the bytes with this digest lie in the object store: a layer, a configuration, a manifest.
#[must_use]
pub fn image_blob_key(digest: &Digest) -> String {
    format!("images/blobs/sha256/{}", digest.hex())
}

/// The images that are unpacked on this machine.
#[derive(Clone)]
pub struct Images {
    store: Arc<dyn ObjectStore>,
    folders: Folders,
}

impl Images {
    /// Opens the folder of unpacked images and sweeps out what is half done. `owner`: who dynos run as.
    ///
    /// # Errors
    /// A folder that cannot be made or read.
    pub fn open(store: Arc<dyn ObjectStore>, dir: PathBuf, owner: Option<Owner>) -> io::Result<Self> {
        Ok(Self { store, folders: Folders::open(dir, owner)? })
    }

    /// The image's folder, made of its layers (the lowest first) if this machine does not have it yet. `image` is its
    /// name here: the digest of its manifest, because a configuration does not say which layers came with it.
    ///
    /// # Errors
    /// [`ImageError::Missing`], [`ImageError::Checksum`] for other bytes than a digest says, [`ImageError::Layer`] for
    /// an archive that may not be, a full disk.
    pub async fn unpacked(&self, image: &Digest, layers: &[Layer]) -> Result<PathBuf, ImageError> {
        let (images, layers) = (self.clone(), layers.to_vec());
        let fill = move |half: &Path| images.unpack_into(half, &layers);
        self.folders.made(image.hex(), UNPACK_FAILED, fill).await
    }

    /// Removes the image's folder from this machine; its layers stay in the object store. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn forget(&self, image: &Digest) -> io::Result<()> {
        self.folders.forget(image.hex())
    }

    /// What is unpacked here.
    ///
    /// # Errors
    /// What the file system says.
    pub fn folders(&self) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        for child in fs::read_dir(self.folders.dir())? {
            let name = child?.file_name();
            found.extend(name.to_str().and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()));
        }
        Ok(found)
    }

    fn unpack_into(&self, half: &Path, layers: &[Layer]) -> Result<PathBuf, ImageError> {
        let failed = || StorageError::disk(UNPACK_FAILED);
        let mut root = Root::open(half, self.folders.owner()).map_err(failed())?;
        let mut left = Allowance::of_an_image();
        for layer in layers {
            let reader = objects::read(&*self.store, &image_blob_key(&layer.digest))?;
            lay(reader.ok_or_else(|| ImageError::Missing(layer.digest.clone()))?, layer, &mut root, &mut left)?;
        }
        identity::add(&mut root).map_err(failed())?;
        Ok(half.to_owned())
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
