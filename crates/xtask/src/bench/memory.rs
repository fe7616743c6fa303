//! What the processes of Flowline hold of the memory, by what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::server::io;
use super::{BenchError, Figure};

/// The proportional set size in MB and the number of processes, by the first word of their command: `serve`, `router`,
/// `keeper` (a dyno has two, keeper and init, and all share one nursery). Beside them the apps' own processes.
#[derive(Debug, Default)]
pub(super) struct Memory {
    own: BTreeMap<String, (f64, u32)>,
    payload: (f64, u32),
}

impl Memory {
    /// Of every process of this binary.
    ///
    /// # Errors
    /// When the machine's processes cannot be listed.
    pub(super) fn of(exe: &Path) -> Result<Self, BenchError> {
        let of_file = |path: &Path| std::fs::metadata(path).map(|about| (about.dev(), about.ino()));
        let ours = of_file(exe).map_err(io("cannot look at the binary"))?;
        let (mut all, mut pids, mut others) = (Self::default(), BTreeSet::new(), Vec::new());
        for entry in std::fs::read_dir("/proc").map_err(io("cannot list /proc"))?.flatten() {
            let process = entry.path();
            // By the file itself: inside a sandbox it has another path.
            if of_file(&process.join("exe")).is_ok_and(|file| file == ours) {
                let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
                let word = words.split(|byte| *byte == 0).nth(1).unwrap_or_default();
                add(all.own.entry(String::from_utf8_lossy(word).into_owned()).or_default(), &process);
                pids.insert(entry.file_name());
            } else {
                others.push(process);
            }
        }
        for process in others.iter().filter(|process| parent(process).is_some_and(|parent| pids.contains(&*parent))) {
            add(&mut all.payload, process);
        }
        Ok(all)
    }

    /// In MB, of those with this word.
    pub(super) fn of_word(&self, word: &str) -> f64 {
        self.own.get(word).map_or(0.0, |(size, _)| *size)
    }

    /// In MB, of all.
    pub(super) fn total(&self) -> f64 {
        self.own.values().map(|(size, _)| size).sum()
    }

    /// Of the two that always run.
    pub(super) fn control_plane(&self) -> f64 {
        self.of_word("serve") + self.of_word("router")
    }

    /// A figure for each kind, and for the processes.
    pub(super) fn figures(&self, prefix: &str) -> Vec<Figure> {
        let mut all = Vec::new();
        for (word, (size, number)) in &self.own {
            all.push(Figure::new(&format!("{prefix}.{word}"), *size, "MB"));
            all.push(Figure::new(&format!("{prefix}.{word}_processes"), f64::from(*number), ""));
        }
        all.push(Figure::new(&format!("{prefix}.payload"), self.payload.0, "MB"));
        all
    }
}

fn add((size, number): &mut (f64, u32), process: &Path) {
    *size += pss_mb(process);
    *number += 1;
}

/// The parent's number, as in the name of its folder.
fn parent(process: &Path) -> Option<OsString> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")).map(|number| number.trim().into())
}

/// Zero for a process that has just ended.
fn pss_mb(process: &Path) -> f64 {
    let text = std::fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    kilobytes(&text, "Pss:").unwrap_or_default() / 1024.0
}

/// What the machine could still give to programs, in MB.
///
/// # Errors
/// When the kernel does not say.
pub(super) fn available_mb() -> Result<f64, BenchError> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(io("cannot read /proc/meminfo"))?;
    let available = kilobytes(&text, "MemAvailable:");
    available.map(|kib| kib / 1024.0).ok_or_else(|| BenchError::Unexpected("no MemAvailable in /proc/meminfo".into()))
}

fn kilobytes(text: &str, word: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}
