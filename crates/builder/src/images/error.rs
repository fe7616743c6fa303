//! Why an image cannot be unpacked, in the words of whoever pushed it.

use super::layer::{ENTRY_LIMIT, IMAGE_TREE_LIMIT_BYTES};
use super::root::FOLDER_DEPTH_LIMIT;
use crate::storage::{StorageError, is_full};
use model::image::Digest;
use std::io;

/// Why an image cannot be used on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Nothing under its key.
    #[error("The image's layer {0} is not in the object store; push the image again")]
    Missing(Digest),
    /// Other bytes than its digest says.
    #[error(
        "Checksum error: the image's layer {expected} has other bytes than it was pushed with; push the image again"
    )]
    Checksum {
        /// Of the bytes.
        found: Option<Digest>,
        /// Of the image.
        expected: Digest,
    },
    /// An archive that may not be.
    #[error("The image's layer {layer} cannot be unpacked: {why}")]
    Layer {
        /// Which.
        layer: Digest,
        /// What is wrong with it.
        #[source]
        why: LayerError,
    },
    /// The disk, the object store.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a layer's archive is refused. What was unpacked until then goes with the half made folder.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A name with `..` in it.
    #[error("it holds `{0}`, which climbs with `..`; build the image with another tool")]
    Climbs(String),
    /// A folder with the name of a whiteout.
    #[error("it holds `{0}`, below a folder whose name begins with `.wh.`, which is reserved; give it another name")]
    Reserved(String),
    /// Too many folders inside each other.
    #[error("`{0}` lies more than {FOLDER_DEPTH_LIMIT} folders deep; leave out what the program does not need")]
    TooDeep(String),
    /// Links that lead to each other.
    #[error("`{0}` lies behind symbolic links that lead in a circle; remove them from the image")]
    Circle(String),
    /// A hard link to something that is no file of the image.
    #[error(
        "its hard link `{path}` points to `{target}`, which is not a file that came before it; build the image again"
    )]
    LinkToNothing {
        /// Its name.
        path: String,
        /// Where it points.
        target: String,
    },
    /// Something below a file.
    #[error("it holds `{0}` below something that is no folder; build the image again")]
    Conflict(String),
    /// A file with holes in a form that is not read.
    #[error("it holds `{0}` as a sparse file of the pax format; build the image without sparse files")]
    Sparse(String),
    /// Neither file nor folder, link or device.
    #[error("it holds `{0}`, a thing of an unknown kind; build the image with another tool")]
    Unknown(String),
    /// More than [`ENTRY_LIMIT`] in all layers together.
    #[error("the image holds more than {ENTRY_LIMIT} files; leave out what the program does not need")]
    TooManyEntries,
    /// More than [`IMAGE_TREE_LIMIT_BYTES`] in all layers together.
    #[error(
        "the image unpacks to more than {} GiB; leave out what the program does not need (a build in stages leaves \
         compilers behind)",
        IMAGE_TREE_LIMIT_BYTES >> 30
    )]
    TooLarge,
    /// No tar, not packed as the manifest says, or cut off.
    #[error("it cannot be read as the archive that the manifest announces ({0}); push the image again")]
    Unreadable(#[source] io::Error),
    /// The folder could not be written.
    #[error("could not make `{path}`: {source}")]
    Write {
        /// Inside the image.
        path: String,
        /// The cause.
        source: io::Error,
    },
}

impl ImageError {
    pub(super) fn of_layer(layer: &Digest, why: LayerError) -> Self {
        match why {
            LayerError::Write { source, .. } if is_full(&source) => StorageError::DiskFull.into(),
            why => Self::Layer { layer: layer.clone(), why },
        }
    }
}

impl LayerError {
    /// Says which entry could not be made.
    pub(super) fn write(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Write { path, source }
    }
}
