//! cgroup v1, and the hybrid layout where the controllers are still there.

use super::branch::{BRANCH, divide, prepare_v1, set_shares, sweep};
use super::layout::Layout;
use super::{Cgroup, Claim, Controller, Freezer, make, named, open_dir, set, set_if_there, v2};
use model::dyno::Limits;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

/// The span over which a CPU quota counts, in microseconds: the kernel's own default.
const CPU_PERIOD_US: u64 = 100_000;

/// Our branches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trees {
    /// In each controller's tree.
    controllers: Vec<(Controller, PathBuf)>,
    /// In the hybrid layout's unified tree.
    unified: Option<Claim>,
    /// In the freezer's tree, where there is no unified one.
    freezer: Option<PathBuf>,
}

impl Trees {
    /// Our branches below this process's own cgroups; what is missing is said.
    pub(super) fn prepare(layout: &Layout, dynos: &Path) -> (Self, Vec<String>) {
        let (mut trees, mut warnings) = (Self::default(), Vec::new());
        for controller in Controller::ALL {
            let (name, what) = (controller.name(), controller.what());
            let Some(own) = layout.own_v1(name) else {
                warnings.push(format!("the {what} of dynos is not limited: no `{name}` cgroup is mounted"));
                continue;
            };
            let branch = own.join(BRANCH);
            match prepare(&branch) {
                Ok(()) => {
                    warnings.extend(prepare_v1(controller, &branch));
                    trees.controllers.push((controller, branch));
                }
                Err(error) => warnings.push(format!(
                    "the {what} of dynos is not limited: {}: {error}; run as root, or have the folder delegated",
                    branch.display()
                )),
            }
        }
        trees.unified = v2::plain_branch(layout, dynos);
        if trees.unified.is_none() {
            // Without it, signals do.
            let branch = layout.own_v1("freezer").map(|own| own.join(BRANCH));
            trees.freezer = branch.filter(|branch| prepare(branch).is_ok());
        }
        (trees, warnings)
    }

    /// Under systemd the hierarchy that it watches is none of these: `KillMode=process` is what keeps keepers alive.
    pub(super) fn sweep(&self) {
        let unified = self.unified.iter().map(Claim::dir);
        let branches = self.controllers.iter().map(|(_, branch)| branch).chain(&self.freezer);
        branches.map(PathBuf::as_path).chain(unified).for_each(sweep);
    }

    pub(super) fn claim(&self) -> Option<&Claim> {
        self.unified.as_ref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.controllers.is_empty() && self.unified.is_none() && self.freezer.is_none()
    }

    pub(super) fn create(&self, name: &Path) -> io::Result<Cgroup> {
        let mut cgroup = Cgroup::default();
        for (controller, branch) in &self.controllers {
            let dir = branch.join(name);
            cgroup.open(&dir)?;
            cgroup.controllers.push((*controller, dir));
        }
        if let Some(branch) = &self.freezer {
            let dir = branch.join(name);
            cgroup.open(&dir)?;
            cgroup.freezer = Freezer::V1(dir);
        }
        if let Some(claim) = &self.unified {
            let dir = claim.dir().join(name);
            make(&dir).map_err(|error| named(&dir, &error))?;
            cgroup.dirs.push(dir.clone());
            cgroup.freezer = Freezer::Unified(dir.clone());
            let opened = open_dir(&dir)?;
            cgroup.unified = Some((dir, opened));
        }
        Ok(cgroup)
    }
}

impl Cgroup {
    /// One more folder to enter; two controllers may share one.
    fn open(&mut self, dir: &Path) -> io::Result<()> {
        if !self.dirs.iter().any(|known| known == dir) {
            make(dir).map_err(|error| named(dir, &error))?;
            self.entrances.push(OpenOptions::new().write(true).open(dir.join("cgroup.procs"))?);
            self.dirs.push(dir.to_owned());
        }
        Ok(())
    }
}

pub(super) fn limit(controller: Controller, dir: &Path, limits: &Limits) -> io::Result<()> {
    match controller {
        Controller::Memory => {
            let hard_bytes = limits.memory_hard_bytes.max(limits.memory_bytes);
            set(dir, "memory.limit_in_bytes", hard_bytes)?;
            // Memory and swap together: what a dyno does not touch may be swapped out, but it gets no more by that.
            set_if_there(dir, "memory.memsw.limit_in_bytes", hard_bytes)
        }
        Controller::Cpu => {
            set_shares(dir, limits.cpu_weight)?;
            let quota = limits.cpu_quota_percent.map(|percent| u64::from(percent) * CPU_PERIOD_US / 100);
            quota.map_or(Ok(()), |quota_us| set(dir, "cpu.cfs_quota_us", quota_us))
        }
        // The sandbox's own first process is not the dyno's.
        Controller::Pids => set(dir, "pids.max", limits.processes.saturating_add(1)),
    }
}

fn prepare(branch: &Path) -> io::Result<()> {
    make(branch)?;
    writable(branch)?;
    divide(branch)
}

fn writable(dir: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(dir.join("cgroup.procs")).map(drop)
}
