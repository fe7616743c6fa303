//! Our branch of the machine: one budget for all that apps and builds use, and apps before builds.

use super::{Controller, make, named, set, set_if_there};
use model::dyno::Slice;
use model::memory::budget_bytes;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The name of our own branch below whatever cgroup we may use.
pub(super) const BRANCH: &str = "flowline";

/// The leaf for nursery and keepers, on v2.
pub(super) const KEEPERS: &str = "keepers";

/// Shares of the CPU within our branch, where 100 is an ordinary cgroup: when everybody wants it, four fifths are the
/// apps'. The branch as a whole stays at 100, beside `serve`, `router` and the system's other services.
const APPS_WEIGHT: u32 = 400;
const BUILDS_WEIGHT: u32 = 100;

/// Both together, as the keepers see them.
pub(super) const SLICES_WEIGHT: u32 = APPS_WEIGHT + BUILDS_WEIGHT;

/// A cgroup gets its first process within milliseconds.
const SWEEP_AGE: Duration = Duration::from_secs(60);

/// The slices, which stay when they are empty.
const SLICES: [(Slice, u32); 2] = [(Slice::Apps, APPS_WEIGHT), (Slice::Builds, BUILDS_WEIGHT)];

/// The folder of a slice in our branch.
pub(super) fn of(slice: Slice) -> &'static Path {
    Path::new(match slice {
        Slice::Apps => "apps",
        Slice::Builds => "builds",
    })
}

/// Makes our branch's slices.
pub(super) fn divide(branch: &Path) -> io::Result<()> {
    SLICES.iter().try_for_each(|(slice, _)| {
        let dir = branch.join(of(*slice));
        make(&dir).map_err(|error| named(&dir, &error))
    })
}

/// Removes the slices that are empty, where nobody needs them any more.
pub(super) fn remove_slices(branch: &Path) {
    for (slice, _) in SLICES {
        let _in_use = fs::remove_dir(branch.join(of(slice)));
    }
}

/// The cgroups of all dynos in a branch.
pub(crate) fn dynos(branch: &Path) -> impl Iterator<Item = fs::DirEntry> {
    SLICES.iter().filter_map(|(slice, _)| fs::read_dir(branch.join(of(*slice))).ok()).flatten().flatten()
}

/// Shares the CPU out between them.
pub(super) fn weigh(branch: &Path, set_weight: impl Fn(&Path, u32) -> io::Result<()>) -> io::Result<()> {
    SLICES.iter().try_for_each(|(slice, weight)| set_weight(&branch.join(of(*slice)), *weight))
}

/// Limits the memory of all that apps and builds use; a warning when that is refused. `limit`: the file's name.
pub(super) fn set_budget(branch: &Path, limit: &str) -> Option<String> {
    // A container, or whoever delegated the cgroup, may give less than the machine has.
    let given = branch.parent().and_then(|parent| fs::read_to_string(parent.join(limit)).ok());
    let given = given.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
    let budget = budget_bytes(machine_bytes()?.min(given));
    let refused = |error| format!("apps and builds together have no limit on memory: {error}");
    set_if_there(branch, limit, budget).err().map(refused)
}

fn machine_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Removes the cgroups of dynos whose keepers were killed, also those that an older Flowline put beside the slices.
pub(super) fn sweep(branch: &Path) {
    sweep_in(branch);
    SLICES.iter().for_each(|(slice, _)| sweep_in(&branch.join(of(*slice))));
}

/// Removes what is empty, and has been there for a while: one that is being made is left alone.
fn sweep_in(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name == KEEPERS || SLICES.iter().any(|(slice, _)| of(*slice) == Path::new(&name)) {
            continue;
        }
        let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > SWEEP_AGE) {
            // Refused when there are processes in it.
            let _in_use = fs::remove_dir(entry.path());
        }
    }
}

/// What v1 calls 100 % of an ordinary process's share.
const SHARES_AT_WEIGHT_100: u64 = 1024;

/// A weight as v1 writes it down.
pub(super) fn set_shares(dir: &Path, weight: u32) -> io::Result<()> {
    set(dir, "cpu.shares", (u64::from(weight) * SHARES_AT_WEIGHT_100 / 100).max(2))
}

/// A weight as v2 writes it down.
pub(super) fn set_weight(dir: &Path, weight: u32) -> io::Result<()> {
    set(dir, "cpu.weight", weight.clamp(1, 10_000))
}

/// What a controller's part of our branch needs on v1; a warning when that is refused.
pub(super) fn prepare_v1(controller: Controller, branch: &Path) -> Option<String> {
    match controller {
        Controller::Memory => set_budget(branch, "memory.limit_in_bytes"),
        Controller::Cpu => weigh(branch, set_shares).err().map(|error| error.to_string()),
        Controller::Pids => None,
    }
}
