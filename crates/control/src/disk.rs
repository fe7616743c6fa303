//! The disk: may a build begin, and who makes room.

use crate::{Control, orphan, retention, sweep};
use model::disk::{Short, Space};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the sweeper looks; what goes has been of no use for longer than that.
const PERIOD: Duration = Duration::from_secs(600);

/// `st_blocks` counts in these, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;

/// Is there room for a build? Apps never ask: they go on while a byte is left.
///
/// # Errors
/// [`Short`] when there is not.
pub(crate) fn admits_build(control: &Control) -> Result<(), Short> {
    match space(&control.settings.dir) {
        Ok(space) => space.admits_build(),
        Err(error) => {
            // A file system that does not tell is no reason to stop all builds.
            tracing::warn!(%error, "The free space of the data folder is not known");
            Ok(())
        }
    }
}

fn space(dir: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(dir)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    // What is reserved for root is not free: builds run as somebody else.
    Ok(Space { total_bytes: bytes(stat.f_blocks), free_bytes: bytes(stat.f_bavail) })
}

/// Makes room at the start and from time to time, one thing after the other.
pub(crate) fn look_after(control: &Control) {
    let control = control.clone();
    tokio::spawn(async move {
        loop {
            // Each by itself: one that fails keeps no other back.
            if let Err(error) = sweep::old_sources(&control).await {
                tracing::warn!(%error, "Old upload slots were not removed");
            }
            if let Err(error) = retention::slugs(&control).await {
                tracing::warn!(%error, "Old slugs were not removed");
            }
            if let Err(error) = retention::outputs(&control).await {
                tracing::warn!(%error, "Old outputs were not removed");
            }
            if let Err(error) = orphan::sweep(&control).await {
                tracing::warn!(%error, "What belongs to no app was not removed");
            }
            tokio::time::sleep(PERIOD).await;
        }
    });
}

/// What a folder takes on the disk, in bytes; what cannot be read counts nothing. Blocks.
pub(crate) fn taken_bytes(folder: &Path) -> u64 {
    let mut taken_bytes = 0;
    // Not by recursion: how deep it goes is the app's choice.
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            taken_bytes += meta.blocks() * BLOCK_BYTES;
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    taken_bytes
}
