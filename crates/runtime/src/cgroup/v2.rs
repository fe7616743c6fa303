//! cgroup v2: one tree. Root uses a branch at its top; an ordinary user the branch that was delegated to it.

use super::branch::{BRANCH, KEEPERS, SLICES_WEIGHT, of, set_budget, set_weight, sweep, weigh};
use super::layout::Layout;
use super::{Cgroup, Claim, Controller, Freezer, make, named, open_dir, set, set_if_there};
use model::dyno::{Limits, Slice};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Where v2 is mounted on every machine that has nothing else.
const MOUNT: &str = "/sys/fs/cgroup";

/// `CGROUP2_SUPER_MAGIC` of `statfs`.
const MAGIC: rustix::fs::FsWord = 0x6367_7270;

/// The span over which a CPU quota counts, in microseconds: the kernel's own default.
const CPU_PERIOD_US: u64 = 100_000;

/// The share of nursery and keepers: as much as all apps.
const KEEPERS_WEIGHT: u32 = 400;

/// Our branch, with its controllers switched on.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// For all of them.
    branch: PathBuf,
    /// For the dynos of one data folder.
    claim: Claim,
    controllers: Vec<Controller>,
}

pub(super) fn is_mounted() -> bool {
    rustix::fs::statfs(MOUNT).is_ok_and(|about| about.f_type == MAGIC)
}

impl Tree {
    /// The first place upwards from the top (root) or from our own cgroup (ordinary user) that we may use.
    pub(super) fn prepare(layout: &Layout, dynos: &Path) -> Result<(Self, Vec<String>), String> {
        let (top, own) = layout.own_v2().ok_or("no cgroup2 is mounted at /sys/fs/cgroup")?;
        let mut reasons = Vec::new();
        for place in places(top, &own) {
            match Self::at(&place, place == own, dynos) {
                Ok(found) => return Ok(found),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        if reasons.is_empty() {
            reasons.push(format!("{} belongs to another user", own.display()));
        }
        Err(reasons.join("; "))
    }

    fn at(place: &Path, is_own: bool, dynos: &Path) -> io::Result<(Self, Vec<String>)> {
        let branch = place.join(BRANCH);
        let offered = fs::read_to_string(place.join("cgroup.controllers"))?;
        let is_offered = |one: &Controller| offered.split_whitespace().any(|word| word == one.name());
        let (wanted, missing): (Vec<_>, Vec<_>) = Controller::ALL.into_iter().partition(is_offered);
        if wanted.is_empty() {
            return Err(io::Error::other(format!("{}: no controllers are offered there", place.display())));
        }
        OpenOptions::new().write(true).open(place.join("cgroup.procs")).map_err(|error| named(place, &error))?;
        make(&branch).map_err(|error| named(&branch, &error))?;
        if let Err(error) = switch_on(place, &wanted) {
            // Processes may be in leaves only. Our own cgroup was delegated to us: what is in it moves into a leaf.
            if !is_own {
                return Err(named(place, &error));
            }
            move_into_leaf(place)?;
            switch_on(place, &wanted).map_err(|error| named(place, &error))?;
        }
        switch_on(&branch, &wanted)?;
        let claim = Claim::stake(&branch, dynos)?;
        for dir in [claim.dir(), &claim.dir().join(of(Slice::Apps)), &claim.dir().join(of(Slice::Builds))] {
            switch_on(dir, &wanted)?;
        }
        let warn =
            |one: Controller| format!("the {} of dynos is not limited: no `{}` controller", one.what(), one.name());
        let mut warnings: Vec<String> = missing.into_iter().map(warn).collect();
        if wanted.contains(&Controller::Memory) {
            warnings.extend(set_budget(&branch, "memory.max"));
        }
        if wanted.contains(&Controller::Cpu) {
            set_weight(claim.dir(), SLICES_WEIGHT)?;
            weigh(claim.dir(), set_weight)?;
        }
        Ok((Self { branch, claim, controllers: wanted }, warnings))
    }

    pub(super) fn sweep(&self) {
        sweep(self.claim.dir());
    }

    pub(super) fn settle(&self) {
        self.sweep();
        let keepers = self.branch.join(KEEPERS);
        // Without it keepers stay where they are, which is where they were all along.
        let _stays = make(&keepers).and_then(|()| set(&keepers, "cgroup.procs", 0));
        if self.controllers.contains(&Controller::Cpu) {
            // What dynos print must not wait for builds.
            let _ordinary = set_weight(&keepers, KEEPERS_WEIGHT);
        }
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    pub(super) fn create(&self, name: &Path) -> io::Result<Cgroup> {
        let dir = self.claim.dir().join(name);
        make(&dir).map_err(|error| named(&dir, &error))?;
        let controllers = self.controllers.iter().map(|one| (*one, dir.clone())).collect();
        let (unified, freezer) = (Some((dir.clone(), open_dir(&dir)?)), Freezer::Unified(dir.clone()));
        Ok(Cgroup { dirs: vec![dir], controllers, unified, freezer, entrances: Vec::new() })
    }
}

/// Our branch in the unified hierarchy of a hybrid layout: it needs no controllers.
pub(super) fn plain_branch(layout: &Layout, dynos: &Path) -> Option<Claim> {
    let (top, own) = layout.own_v2()?;
    let branches = places(top, &own).into_iter().map(|place| place.join(BRANCH));
    let usable = branches.into_iter().filter(|branch| prepare_plain(branch).is_ok());
    usable.into_iter().find_map(|branch| Claim::stake(&branch, dynos).ok())
}

fn prepare_plain(branch: &Path) -> io::Result<()> {
    make(branch)?;
    OpenOptions::new().write(true).open(branch.join("cgroup.procs"))?;
    OpenOptions::new().write(true).open(branch.join("cgroup.freeze")).map(drop)
}

pub(super) fn limit(controller: Controller, dir: &Path, limits: &Limits) -> io::Result<()> {
    match controller {
        Controller::Memory => {
            set(dir, "memory.max", limits.memory_hard_bytes.max(limits.memory_bytes))?;
            // What a dyno does not touch may be swapped out; v2 has no limit on both together.
            set_if_there(dir, "memory.swap.max", limits.memory_bytes)?;
            // A dyno at its limit ends as a whole.
            set_if_there(dir, "memory.oom.group", 1)
        }
        Controller::Cpu => {
            set_weight(dir, limits.cpu_weight)?;
            let quota = limits.cpu_quota_percent.map(|percent| u64::from(percent) * CPU_PERIOD_US / 100);
            quota.map_or(Ok(()), |quota_us| set(dir, "cpu.max", format!("{quota_us} {CPU_PERIOD_US}")))
        }
        // The sandbox's own first process is not the dyno's.
        Controller::Pids => set(dir, "pids.max", limits.processes.saturating_add(1)),
    }
}

/// Root: the top, else our own cgroup. An ordinary user: upwards as far as things are its own, the highest first,
/// because a sibling of our own cgroup needs nobody to move.
fn places(top: &Path, own: &Path) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = own.ancestors().take_while(|dir| dir.starts_with(top)).map(Path::to_owned).collect();
    if !rustix::process::geteuid().is_root() {
        places.retain(|dir| rustix::fs::access(dir.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok());
    }
    places.reverse();
    if rustix::process::geteuid().is_root() && places.len() > 2 {
        places.drain(1..places.len() - 1);
    }
    places
}

fn switch_on(dir: &Path, controllers: &[Controller]) -> io::Result<()> {
    let words: Vec<String> = controllers.iter().map(|one| format!("+{}", one.name())).collect();
    set(dir, "cgroup.subtree_control", words.join(" "))
}

fn move_into_leaf(place: &Path) -> io::Result<()> {
    let leaf = place.join("flowline-serve");
    make(&leaf)?;
    for pid in fs::read_to_string(place.join("cgroup.procs"))?.lines() {
        // One that ended meanwhile needs no move.
        let _gone = set(&leaf, "cgroup.procs", pid);
    }
    Ok(())
}
