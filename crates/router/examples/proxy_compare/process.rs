//! Processes under measurement: what they used of the CPU and hold of the memory.

use crate::Failure;
use std::fs;
use std::process::Child;
use std::time::Duration;

/// A child that ends with the comparison.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM lets nginx's master end its workers.
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap_or(0)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// A process and its children.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}

/// Lets a process's session go ahead of whatever else the machine does, where we may: other work would be measured too.
/// Sessions share the CPU among each other, not processes, so each program under measurement has one of its own.
pub(crate) fn go_ahead(pid: u32) {
    // Not root, or a kernel without it: then the figures are as good as the machine is quiet.
    let _ = fs::write(format!("/proc/{pid}/autogroup"), "-20");
}

/// The time that all threads of these processes ran, exact where the kernel counts nanoseconds.
pub(crate) fn cpu(pids: &[u32]) -> Result<Duration, Failure> {
    let mut all = Duration::ZERO;
    for pid in pids {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = thread?.path();
            all += match fs::read_to_string(path.join("schedstat")) {
                Ok(text) => Duration::from_nanos(text.split_whitespace().next().unwrap_or_default().parse()?),
                Err(_) => ticks(&fs::read_to_string(path.join("stat"))?)?,
            };
        }
    }
    Ok(all)
}

fn ticks(stat: &str) -> Result<Duration, Failure> {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

/// The proportional set size of these processes in KiB.
pub(crate) fn memory_kib(pids: &[u32]) -> Result<f64, Failure> {
    let mut all = 0;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss in smaps_rollup")?;
        all += line.split_whitespace().next().unwrap_or_default().parse::<u32>()?;
    }
    Ok(f64::from(all))
}
