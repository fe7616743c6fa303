//! The disk: may a build begin, and who makes room.

use crate::{Control, commit_check, event, image_sweep, orphan, retention, room, sweep, upkeep, verification_artifact};
use model::disk::{Short, Space};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often the sweeper looks; what goes has been of no use for longer than that.
const PERIOD: Duration = Duration::from_secs(600);

/// Is there room for something that announces so many bytes? Apps never ask: they go on while a byte is left.
///
/// # Errors
/// [`Short`] when there is not.
pub(crate) fn admits(control: &Control, bytes: u64) -> Result<(), Short> {
    match space(&control.settings.dir) {
        Ok(space) => space.admits(bytes),
        Err(error) => {
            // A file system that does not tell is no reason to stop all builds.
            tracing::warn!(%error, "The free space of the data folder is not known");
            Ok(())
        }
    }
}

pub(crate) fn space(dir: &Path) -> io::Result<Space> {
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
            // After the slugs: what they were made of goes with them.
            if let Err(error) = image_sweep::sweep(&control).await {
                tracing::warn!(%error, "Old images were not removed");
            }
            if let Err(error) = retention::outputs(&control, false).await {
                tracing::warn!(%error, "Old outputs were not removed");
            }
            if let Err(error) = verification_artifact::sweep(&control).await {
                tracing::warn!(%error, "Old reports were not removed");
            }
            if let Err(error) = event::sweep(&control).await {
                tracing::warn!(%error, "Old events were not removed");
            }
            if let Err(error) = commit_check::sweep(&control).await {
                tracing::warn!(%error, "Old words of checks were not removed");
            }
            if let Err(error) = orphan::sweep(&control).await {
                tracing::warn!(%error, "What belongs to no app was not removed");
            }
            if let Err(error) = room::keep_budgets(&control).await {
                tracing::warn!(%error, "Caches and unpacked slugs were not brought within their budgets");
            }
            if let Err(error) = upkeep::repositories(&control).await {
                tracing::warn!(%error, "Repositories were not looked after");
            }
            tokio::time::sleep(PERIOD).await;
        }
    });
}

/// What a folder takes on the disk, in bytes; what cannot be read counts nothing. Blocks.
pub(crate) fn taken_bytes(folder: &Path) -> u64 {
    runtime::written_without_limit(folder)
}
