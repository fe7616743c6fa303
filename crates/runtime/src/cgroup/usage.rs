//! What a dyno uses now, straight from the files of its cgroups.

use model::memory::Usage;
use std::fs;
use std::path::{Path, PathBuf};

/// Reads what these cgroups of one dyno tell; `None` when none of them tells of memory: the dyno has ended, or there are
/// no limits on this machine.
pub(crate) fn usage(dirs: &[PathBuf]) -> Option<Usage> {
    let mut usage = Usage::default();
    let mut told = false;
    for dir in dirs {
        if let Some(stat) = read(dir, "memory.stat") {
            told = true;
            match number(dir, "memory.swap.current") {
                Some(swap) => v2_memory(&stat, swap, dir, &mut usage),
                None => v1_memory(&stat, dir, &mut usage),
            }
        }
        if let Some(stat) = read(dir, "cpu.stat").filter(|stat| stat.contains("usage_usec")) {
            usage.cpu_us = field(&stat, "usage_usec");
        }
        if let Some(count) = number(dir, "pids.current") {
            usage.processes = count;
        }
    }
    told.then_some(usage)
}

fn v1_memory(stat: &str, dir: &Path, usage: &mut Usage) {
    // The page cache of v1 includes files in memory, which nobody can drop.
    let shared = field(stat, "total_shmem");
    usage.rss_bytes = field(stat, "total_rss") + shared;
    usage.cache_bytes = field(stat, "total_cache").saturating_sub(shared);
    usage.swap_bytes = field(stat, "total_swap");
    usage.pages_in = field(stat, "total_pgpgin");
    usage.pages_out = field(stat, "total_pgpgout");
    usage.oom_kills = read(dir, "memory.oom_control").map_or(0, |text| field(&text, "oom_kill"));
}

fn v2_memory(stat: &str, swap_bytes: u64, dir: &Path, usage: &mut Usage) {
    let shared = field(stat, "shmem");
    usage.rss_bytes = field(stat, "anon") + shared;
    usage.cache_bytes = field(stat, "file").saturating_sub(shared);
    usage.swap_bytes = swap_bytes;
    // v2 does not count the pages that came and went; the nearest that it counts is pages read back, and pages reclaimed.
    usage.pages_in = field(stat, "pgmajfault");
    usage.pages_out = field(stat, "pgsteal");
    usage.oom_kills = read(dir, "memory.events").map_or(0, |text| field(&text, "oom_kill"));
}

fn read(dir: &Path, file: &str) -> Option<String> {
    fs::read_to_string(dir.join(file)).ok()
}

fn number(dir: &Path, file: &str) -> Option<u64> {
    read(dir, file)?.trim().parse().ok()
}

/// `name value`, one a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_read_alike() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        assert_eq!(usage(&[dir.path().to_owned()]), None);
        write(
            "memory.stat",
            "cache 9\nrss 9\ntotal_cache 700\ntotal_rss 1000\ntotal_shmem 200\ntotal_swap 50\ntotal_pgpgin 7\ntotal_pgpgout 3\n",
        );
        write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
        write("pids.current", "4\n");
        let v1 = usage(&[dir.path().to_owned()]).unwrap();
        let memory = Usage { rss_bytes: 1200, cache_bytes: 500, swap_bytes: 50, oom_kills: 2, ..Usage::default() };
        assert_eq!(v1, Usage { pages_in: 7, pages_out: 3, processes: 4, ..memory });
        write("memory.stat", "anon 1000\nfile 700\nshmem 200\npgsteal 3\npgmajfault 7\n");
        write("memory.swap.current", "50\n");
        write("memory.events", "low 0\noom 1\noom_kill 2\noom_group_kill 1\n");
        write("cpu.stat", "usage_usec 77\n");
        assert_eq!(usage(&[dir.path().to_owned()]), Some(Usage { cpu_us: 77, ..v1 }));
    }
}
