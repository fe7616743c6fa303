//! Did the kernel kill a process of a dyno because memory ran out? On v2 it kills all of them; on v1 one, and the dyno
//! would live on without it.

use super::set;
use model::dyno::OutOfMemory;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The kernel charges memory in batches of 64 pages; the last one may not have fitted.
const BATCH_BYTES: u64 = 64 * 4096;

/// How a keeper hears of it.
#[derive(Debug, Default)]
pub(crate) struct OomWatch {
    /// Where the counters are; none without a memory cgroup.
    dir: Option<PathBuf>,
    bell: Option<Bell>,
}

/// What becomes readable when something happened.
#[derive(Debug)]
enum Bell {
    /// v1: an event counter.
    Counter(OwnedFd),
    /// v2: the file itself.
    Events(File),
}

impl OomWatch {
    /// Of the dyno whose memory cgroup this is. Without a bell the counters tell it in the end.
    pub(super) fn of(dir: &Path) -> Self {
        let bell = v2_bell(dir).or_else(|_| v1_bell(dir)).ok();
        Self { dir: Some(dir.to_owned()), bell }
    }

    /// What to wait for.
    pub(crate) fn source(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.bell.as_ref().map(|bell| match bell {
            Bell::Counter(fd) => (fd.as_fd(), PollFlags::IN),
            Bell::Events(file) => (file.as_fd(), PollFlags::PRI),
        })
    }

    /// Takes note of the bell; `true`: it rang, for this or for lesser reasons, which the counters tell apart.
    pub(crate) fn rang(&self) -> bool {
        let mut bytes = [0; 512];
        match &self.bell {
            Some(Bell::Counter(fd)) => rustix::io::read(fd, &mut bytes).is_ok(),
            Some(Bell::Events(file)) => {
                let rings = poll(&mut [PollFd::new(file, PollFlags::PRI)], Some(&Timespec::default())) == Ok(1);
                // Reading is what silences it.
                rings && rustix::io::pread(file, &mut bytes, 0).is_ok()
            }
            None => false,
        }
    }

    /// Does the bell ring before the counters tell of it? On v1 it does so before the kernel chooses whom to kill.
    pub(crate) fn rings_early(&self) -> bool {
        matches!(self.bell, Some(Bell::Counter(_)))
    }

    /// Was a process killed, and whose memory had run out?
    pub(crate) fn struck(&self) -> Option<OutOfMemory> {
        let dir = self.dir.as_ref()?;
        let events = fs::read_to_string(dir.join("memory.events"));
        let text = events.as_deref().map(str::to_owned).or_else(|_| fs::read_to_string(dir.join("memory.oom_control")));
        let text = text.ok()?;
        let count = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok()).unwrap_or(0)
        };
        let was_at_its_limit = if events.is_ok() {
            count("oom") > 0
        } else {
            // Newer kernels do not count the failures any more.
            ["memory", "memory.memsw"].into_iter().any(|what| was_full(dir, what))
        };
        let whose = if was_at_its_limit { OutOfMemory::Dyno } else { OutOfMemory::Machine };
        (count("oom_kill") > 0).then_some(whose)
    }
}

fn v2_bell(dir: &Path) -> io::Result<Bell> {
    File::open(dir.join("memory.events")).map(Bell::Events)
}

fn v1_bell(dir: &Path) -> io::Result<Bell> {
    let control = File::open(dir.join("memory.oom_control"))?;
    let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    set(dir, "cgroup.event_control", format!("{} {}", counter.as_raw_fd(), control.as_raw_fd()))?;
    Ok(Bell::Counter(counter))
}

fn was_full(dir: &Path, what: &str) -> bool {
    let number = |name: &str| -> Option<u64> {
        fs::read_to_string(dir.join(format!("{what}.{name}"))).ok()?.trim().parse().ok()
    };
    let most = number("max_usage_in_bytes").zip(number("limit_in_bytes"));
    most.is_some_and(|(most, limit)| most.saturating_add(BATCH_BYTES) >= limit)
}
