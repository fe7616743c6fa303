//! A dyno's folder, `DIR/run/dynos/<dyno id>`: where its keeper is found, and what it leaves behind.

use crate::cgroup;
use crate::dirs::remove_dir;
use crate::keeper;
use crate::spec::Order;
use crate::wire::{Ended, Frames, FromKeeper, Line, write_line};
use model::id::DynoId;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder of one dyno.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn of(dynos: &Path, id: DynoId) -> Self {
        Self(dynos.join(id.to_string()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it; `AlreadyExists` when this dyno was started before.
    pub(crate) fn create(&self) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&self.0)
    }

    /// The sandbox's `/tmp`: on disk, because memory-backed files would count as the dyno's memory.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    pub(crate) fn write_order(&self, order: &Order) -> io::Result<()> {
        // Nobody looks before it is complete: that is what the nursery's lock is for.
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.0.join("order"));
        file?.write_all(&serde_json::to_vec(&order.without_env())?)
    }

    pub(crate) fn read_order(&self) -> io::Result<Order> {
        Ok(serde_json::from_slice(&fs::read(self.0.join("order"))?)?)
    }

    pub(crate) fn write_ended(&self, ended: &Ended) -> io::Result<()> {
        self.replace("exit", &serde_json::to_vec(ended)?)
    }

    /// How the dyno ended, if its keeper could say so.
    pub(crate) fn read_ended(&self) -> Option<Ended> {
        serde_json::from_slice(&fs::read(self.0.join("exit")).ok()?).ok()
    }

    /// Lets frozen processes of a keeper that was killed come to their end.
    pub(crate) fn thaw(&self) {
        if let Ok(order) = self.read_order() {
            cgroup::thaw(&order.cgroups);
        }
    }

    /// A word that is to outlive `serve`; a later one replaces it.
    pub(crate) fn write_mark(&self, mark: &str) -> io::Result<()> {
        self.replace("mark", mark.as_bytes())
    }

    /// That word, if there is one.
    pub(crate) fn read_mark(&self) -> Option<String> {
        fs::read_to_string(self.0.join("mark")).ok()
    }

    /// The lines that nobody acknowledged before the keeper ended.
    pub(crate) fn write_lines<'a>(&self, lines: impl Iterator<Item = &'a Line>) -> io::Result<()> {
        let mut bytes = Vec::new();
        lines.for_each(|line| write_line(line, &mut bytes));
        self.replace("output", &bytes)
    }

    pub(crate) fn read_lines(&self) -> Vec<Line> {
        let mut frames = Frames::default();
        frames.push(&fs::read(self.0.join("output")).unwrap_or_default());
        let mut lines = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            match FromKeeper::read(frame) {
                Ok(FromKeeper::Line(line)) => lines.push(line),
                Ok(
                    FromKeeper::Hello(_)
                    | FromKeeper::Failed(_)
                    | FromKeeper::Over(_)
                    | FromKeeper::Ended(_)
                    | FromKeeper::Frost(_),
                )
                | Err(_) => break,
            }
        }
        lines
    }

    /// Removes the folder with all that the dyno left in `/tmp`, and its cgroups if its keeper did not.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if let Ok(order) = self.read_order() {
            // The last process of one whose keeper was killed may be about to end.
            cgroup::remove_at_last(&order.cgroups, || keeper::pause(keeper::CGROUP_PAUSE_MS));
            // First of all: a folder that is only half removed when `serve` dies is then no dyno's, instead of one whose mark
            // and end are missing.
            fs::remove_file(self.0.join("order"))?;
        }
        remove_dir(&self.0)
    }

    /// The keeper's socket under a short name: its real path may be longer than the 108 bytes that an address holds.
    /// The path is valid as long as the returned descriptor lives.
    pub(crate) fn socket(&self) -> io::Result<(OwnedFd, PathBuf)> {
        self.socket_named("keeper.sock")
    }

    /// The socket for those who attach to the dyno, in the same way.
    pub(crate) fn attach_socket(&self) -> io::Result<(OwnedFd, PathBuf)> {
        self.socket_named("attach.sock")
    }

    fn socket_named(&self, name: &str) -> io::Result<(OwnedFd, PathBuf)> {
        let dir = rustix::fs::open(&self.0, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()));
        Ok((dir, path))
    }

    /// A reader sees the old text or the new one, never a part.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.0.join(format!("{name}.new"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        fs::rename(&new, self.0.join(name))
    }
}

/// Every dyno folder below `dynos`; names that are no dyno's id are left alone.
pub(crate) fn all(dynos: &Path) -> io::Result<Vec<(DynoId, Folder)>> {
    let entries = match fs::read_dir(dynos) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(id) = name.to_str().and_then(|name| name.parse::<DynoId>().ok()) {
            found.push((id, Folder::of(dynos, id)));
        }
    }
    Ok(found)
}
