//! A data folder on a disk that can be filled.

use crate::flow::{Flow, Start};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::path::{Path, PathBuf};

/// A small file system of its own, gone when this is dropped.
pub(crate) struct Disk {
    place: PathBuf,
}

impl Disk {
    fn mount(place: &Path, mebibytes: u64) -> Self {
        let options = std::ffi::CString::new(format!("size={mebibytes}m,mode=0700")).unwrap();
        mount("flowline-test", place, "tmpfs", MountFlags::NOSUID, options.as_c_str()).unwrap();
        Self { place: place.to_owned() }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is still ending may hold a file there.
        let _left = unmount(&self.place, UnmountFlags::DETACH).is_err();
    }
}

impl Flow {
    /// Starts one whose data folder is a disk of this size. `None` where only root could mount it, which is said on stderr.
    #[allow(clippy::print_stderr, reason = "a test that is not run must not pass in silence")]
    pub async fn start_on_disk(exe: &str, mebibytes: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("Not run: only root may mount the small disk that this test fills.");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("flowline-disk-").tempdir().unwrap();
        let disk = Disk::mount(dir.path(), mebibytes);
        Some(Self::start_in(Start::of(exe), dir, Some(disk)).await)
    }

    /// Fills the disk but for about so many bytes.
    ///
    /// # Panics
    /// When the data folder has no disk of its own, or it cannot be filled.
    pub fn fill_disk(&self, left_bytes: u64) {
        assert!(self.disk.is_some(), "only a disk of the test's own is filled");
        let free = statvfs(self.dir()).unwrap();
        let size = (free.f_bavail * free.f_bsize).saturating_sub(left_bytes);
        let ballast = std::fs::File::create(self.ballast()).unwrap();
        if size > 0 {
            fallocate(&ballast, FallocateFlags::empty(), 0, size).unwrap();
        }
    }

    /// Gives back what [`Self::fill_disk`] took.
    ///
    /// # Panics
    /// When nothing was taken.
    pub fn free_disk(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.dir().join("ballast")
    }
}
