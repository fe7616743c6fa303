//! What a sandbox sees where. The builder and `control` say it, the runtime does it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One place in a sandbox's file tree; later ones lie over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mount {
    /// A folder or file of the host.
    Bind {
        /// On the host; must exist.
        from: PathBuf,
        /// In the sandbox; made when missing.
        to: PathBuf,
        /// May the sandbox write to it?
        writable: bool,
    },
    /// Writable folder over read-only ones (overlayfs).
    Overlay {
        /// Read-only layers, the topmost first; at least one.
        lowers: Vec<PathBuf>,
        /// Where changes go; same file system as `work`.
        upper: PathBuf,
        /// Scratch space of overlayfs.
        work: PathBuf,
        /// In the sandbox.
        to: PathBuf,
    },
    /// Empty memory-backed folder.
    Tmpfs {
        /// In the sandbox.
        to: PathBuf,
        /// How much it may hold.
        size_bytes: u64,
    },
    /// A small read-only file with these contents (such as the memory limit that language packs read).
    File {
        /// In the sandbox.
        to: PathBuf,
        /// The text of the file.
        contents: String,
    },
}
