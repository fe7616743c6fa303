//! cgroup v1, and the hybrid layout where the controllers are still there.

use super::layout::Layout;
use super::{BRANCH, Cgroup, Controller, Entrance, make, named, set, set_if_there, sweep};
use model::dyno::Limits;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

/// What v1 calls 100 % of an ordinary process's share.
const SHARES_AT_WEIGHT_100: u32 = 1024;

/// Our branch in each controller's tree.
#[derive(Debug, Clone)]
pub(crate) struct Trees(Vec<(Controller, PathBuf)>);

impl Trees {
    /// Our branches below this process's own cgroups; what is missing is said.
    pub(super) fn prepare(layout: &Layout) -> (Self, Vec<String>) {
        let (mut trees, mut warnings) = (Vec::new(), Vec::new());
        for controller in Controller::ALL {
            let (name, what) = (controller.name(), controller.what());
            let Some(own) = layout.own_v1(name) else {
                warnings.push(format!("the {what} of dynos is not limited: no `{name}` cgroup is mounted"));
                continue;
            };
            let branch = own.join(BRANCH);
            match make(&branch).and_then(|()| writable(&branch)) {
                Ok(()) => trees.push((controller, branch)),
                Err(error) => warnings.push(format!(
                    "the {what} of dynos is not limited: {}: {error}; run as root, or have the folder delegated",
                    branch.display()
                )),
            }
        }
        (Self(trees), warnings)
    }

    /// Under systemd the hierarchy that it watches is none of these: `KillMode=process` is what keeps keepers alive.
    pub(super) fn sweep(&self) {
        self.0.iter().for_each(|(_, branch)| sweep(branch));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn create(&self, name: &str) -> io::Result<Cgroup> {
        let (mut controllers, mut files) = (Vec::new(), Vec::new());
        for (controller, branch) in &self.0 {
            let dir = branch.join(name);
            make(&dir).map_err(|error| named(&dir, &error))?;
            files.push(OpenOptions::new().write(true).open(dir.join("cgroup.procs"))?);
            controllers.push((*controller, dir));
        }
        let mut dirs: Vec<PathBuf> = controllers.iter().map(|(_, dir)| dir.clone()).collect();
        dirs.dedup();
        Ok(Cgroup { dirs, controllers, entrance: Entrance::Files(files) })
    }
}

pub(super) fn limit(controller: Controller, dir: &Path, limits: &Limits) -> io::Result<()> {
    match controller {
        Controller::Memory => {
            set(dir, "memory.limit_in_bytes", limits.memory_bytes)?;
            // Memory and swap together: a dyno at its limit shall end, not make the machine swap.
            set_if_there(dir, "memory.memsw.limit_in_bytes", limits.memory_bytes)
        }
        Controller::Cpu => {
            let shares = u64::from(limits.cpu_weight) * u64::from(SHARES_AT_WEIGHT_100) / 100;
            set(dir, "cpu.shares", shares.max(2))
        }
        // The sandbox's own first process is not the dyno's.
        Controller::Pids => set(dir, "pids.max", limits.processes.saturating_add(1)),
    }
}

fn writable(dir: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(dir.join("cgroup.procs")).map(drop)
}
