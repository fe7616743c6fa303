//! What a dyno may use up. These need cgroups, so they run as root only.

use crate::support::{Machine, PATIENCE, Run, limits, line, shell, spec};
use model::dyno::{DynoSize, Exit, OutOfMemory, Slice};
use runtime::Dyno;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// Is there anything to test on this machine?
async fn limited() -> Option<Machine> {
    let machine = Machine::new().await;
    machine.runtime.warnings().is_empty().then_some(machine)
}

#[tokio::test]
async fn memory_has_an_end() {
    let Some(machine) = limited().await else { return };
    let mut wanted = shell("exec python3 -c 'b = bytearray(200 << 20); print(len(b))'");
    (wanted.limits.memory_bytes, wanted.limits.memory_hard_bytes) = (32 << 20, 64 << 20);
    let mut dyno = machine.runtime.start(wanted.clone()).await.unwrap();
    let run = Run::of(&mut dyno).await;
    assert_eq!((run.exit, run.lines.len()), (Exit::Signal(9), 0), "{run:?}");
    assert_eq!(dyno.control().ended().await.out_of_memory, Some(OutOfMemory::Dyno));
    wanted.id = crate::support::id();
    wanted.limits = limits();
    assert_eq!(machine.run(wanted).await.exit, Exit::Code(0));
}

#[tokio::test]
async fn dyno_41_the_kernel_kills_one_process_and_the_keeper_the_rest() {
    let Some(machine) = limited().await else { return };
    let script = "python3 -c 'b = bytearray(200 << 20)'; echo survived; exec sleep 1000";
    let mut wanted = shell(script);
    wanted.limits.memory_hard_bytes = 64 << 20;
    wanted.limits.memory_bytes = 64 << 20;
    let mut dyno = machine.runtime.start(wanted).await.unwrap();
    let run = Run::of(&mut dyno).await;
    assert_eq!(run.exit, Exit::Signal(9), "{run:?}");
    let stopped = dyno.control().ended().await;
    assert_eq!((stopped.out_of_memory, stopped.killed), (Some(OutOfMemory::Dyno), false));
}

#[tokio::test]
async fn dyno_40_above_its_quota_a_dyno_goes_on() {
    let Some(machine) = limited().await else { return };
    let mut wanted = shell("exec python3 -c 'b = bytearray(90 << 20); print(len(b))'");
    (wanted.limits.memory_bytes, wanted.limits.memory_hard_bytes) = (64 << 20, 128 << 20);
    let mut dyno = machine.runtime.start(wanted).await.unwrap();
    let run = Run::of(&mut dyno).await;
    assert_eq!((run.exit, run.text()), (Exit::Code(0), (90 << 20).to_string()));
    assert_eq!(dyno.control().ended().await.out_of_memory, None);
}

/// Holds 50 MiB of its own, 20 MiB of files in memory, and has read and written 30 MiB of files on disk.
const EATER: &str = "b = bytearray(50 << 20)
open('/dev/shm/x', 'wb').write(bytes(20 << 20))
open('/tmp/x', 'wb').write(bytes(30 << 20))
print('ready', flush=True)
import time; time.sleep(1000)";

#[tokio::test]
async fn dyno_42_what_a_dyno_uses_is_told() {
    let Some(machine) = limited().await else { return };
    let mut dyno = machine.runtime.start(spec(&["python3", "-c", EATER])).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let usage = dyno.control().usage().unwrap();
    let mib = |bytes: u64| bytes >> 20;
    assert!((70..100).contains(&mib(usage.rss_bytes)), "{usage:?}");
    assert!((30..60).contains(&mib(usage.cache_bytes)), "{usage:?}");
    assert_eq!((usage.swap_bytes, usage.processes, usage.oom_kills), (0, 2, 0), "its init and itself: {usage:?}");
    assert!(usage.cpu_us > 1000, "{usage:?}");
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
    assert_eq!(dyno.control().usage(), None);
}

/// Where the kernel has a process: the path in each hierarchy.
fn cgroups(pid: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines()
        .filter(|line| line.contains("/flowline/"))
        .map(|line| line.rsplit(':').next().unwrap().into())
        .collect()
}

#[tokio::test]
async fn builds_take_from_a_branch_of_their_own() {
    let Some(machine) = limited().await else { return };
    let mut serving = machine.runtime.start(shell("exec sleep 1000")).await.unwrap();
    let mut build = shell("cat /proc/self/oom_score_adj; exec sleep 1000");
    build.slice = Slice::Builds;
    let mut build = machine.runtime.start(build).await.unwrap();
    let (of_apps, of_builds) = (cgroups(serving.pid), cgroups(build.pid));
    assert!(!of_apps.is_empty() && of_apps.iter().all(|path| path.contains("/apps/")), "{of_apps:?}");
    assert!(of_apps.len() == of_builds.len(), "{of_builds:?}");
    assert!(of_builds.iter().all(|path| path.contains("/builds/")), "{of_builds:?}");
    assert_eq!(line(&mut build).await, "700");
    for dyno in [&mut serving, &mut build] {
        dyno.control().kill().await;
        Run::of(dyno).await;
    }
}

/// A dyno's folder in the hierarchy of a controller.
fn folder(dyno: &Dyno, controller: &str) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", dyno.pid)).unwrap();
    let of = |wanted: &str| {
        let line =
            text.lines().find(|line| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|n| n == wanted)));
        line.map(|line| line.splitn(3, ':').nth(2).unwrap().trim_start_matches('/').to_owned())
    };
    let (mount, path) = match of(controller) {
        Some(path) => (Path::new("/sys/fs/cgroup").join(controller), path),
        None => ("/sys/fs/cgroup".into(), of("").unwrap()),
    };
    mount.join(path)
}

/// Our branch there.
fn branch(dyno: &Dyno, controller: &str) -> PathBuf {
    let folder = folder(dyno, controller);
    folder.ancestors().find(|dir| dir.ends_with("flowline")).unwrap().to_owned()
}

/// A share of the CPU, where 100 is that of an ordinary dyno.
fn weight(folder: &Path) -> u64 {
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    read("cpu.weight").or_else(|| Some(read("cpu.shares")? * 100 / 1024)).unwrap()
}

#[tokio::test]
async fn the_cpu_is_shared_by_size_and_apps_go_before_builds() {
    let Some(machine) = limited().await else { return };
    for (size, share) in [(DynoSize::Basic, 100), (DynoSize::Standard2X, 200), (DynoSize::PerformanceM, 500)] {
        let mut wanted = shell("exec sleep 1000");
        wanted.limits.cpu_weight = size.limits().cpu_weight;
        let mut dyno = machine.runtime.start(wanted).await.unwrap();
        assert_eq!(weight(&folder(&dyno, "cpu")), share, "{size}");
        let apps = folder(&dyno, "cpu").parent().unwrap().to_owned();
        assert!(apps.ends_with("apps"), "{}", apps.display());
        assert_eq!([weight(&apps), weight(&apps.with_file_name("builds"))], [400, 100]);
        dyno.control().kill().await;
        Run::of(&mut dyno).await;
    }
}

#[tokio::test]
async fn the_machine_keeps_memory_for_itself() {
    let Some(machine) = limited().await else { return };
    let mut dyno = machine.runtime.start(shell("exec sleep 1000")).await.unwrap();
    let branch = branch(&dyno, "memory");
    let read = |file: &str| std::fs::read_to_string(branch.join(file)).ok()?.trim().parse::<u64>().ok();
    let budget = read("memory.max").or_else(|| read("memory.limit_in_bytes")).unwrap();
    let total = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = total.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024;
    assert!(budget < total && budget > total / 2, "{budget} of {total}");
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn a_size_with_so_many_cpus_gets_no_more() {
    let Some(machine) = limited().await else { return };
    let mut wanted = shell("echo ready; while :; do :; done");
    wanted.limits.cpu_quota_percent = Some(10);
    let mut dyno = machine.runtime.start(wanted).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let control = dyno.control();
    let (begin, before) = (tokio::time::Instant::now(), control.usage().unwrap().cpu_us);
    // A tenth of a CPU: a quarter of a second of work takes two and a half.
    let worked = async {
        while control.usage().unwrap().cpu_us < before + 250_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, worked).await.expect("it does not run");
    assert!(begin.elapsed() > Duration::from_millis(2000), "{:?}", begin.elapsed());
    control.kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn a_fork_bomb_stays_in_its_dyno() {
    let Some(machine) = limited().await else { return };
    let script = "import os,time\nfor n in range(100):\n  try:\n    os.fork() or time.sleep(100)\n  except OSError as e:\n    print(n, e.errno); break";
    let mut wanted = spec(&["python3", "-c", script]);
    wanted.limits.processes = 20;
    // Itself and nineteen children; EAGAIN for the twentieth.
    assert_eq!(machine.run(wanted).await.text(), "19 11");
    let mut bomb = spec(&[
        "python3",
        "-c",
        "import os,time\nt=time.time()+1\nwhile time.time()<t:\n  try: os.fork()\n  except OSError: pass",
    ]);
    bomb.limits.processes = 50;
    assert!(matches!(machine.run(bomb).await.exit, Exit::Code(_)));
    assert_eq!(machine.sh("echo alive").await.text(), "alive");
}

#[tokio::test]
async fn open_files_have_a_limit() {
    let machine = Machine::new().await;
    let mut wanted = shell("ulimit -Hn; ulimit -Sn; ulimit -c");
    wanted.limits.open_files = 123;
    assert_eq!(machine.run(wanted).await.lines, ["123", "123", "0"]);
}
