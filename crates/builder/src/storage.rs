//! What fails beneath slugs and images: the disk, the object store.

use std::error::Error;
use std::io;

/// Why bytes cannot be stored, read or unpacked, though nothing is wrong with them.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No space left.
    #[error("The server's disk is full; free some space and try again")]
    DiskFull,
    /// The object store.
    #[error("The object store failed: {0}")]
    Store(#[source] object_store::Error),
    /// The disk.
    #[error("{what}: {source}")]
    Disk {
        /// What was tried.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
}

impl StorageError {
    pub(crate) fn disk(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| if is_full(&source) { Self::DiskFull } else { Self::Disk { what, source } }
    }

    pub(crate) fn store(error: object_store::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if inner.downcast_ref::<io::Error>().is_some_and(is_full) {
                return Self::DiskFull;
            }
            cause = inner.source();
        }
        Self::Store(error)
    }
}

/// Is there no space left, on the disk or for whom it is?
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
