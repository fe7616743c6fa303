//! What a dyno may use up. These need cgroups, so they run as root only.

use crate::support::{Machine, limits, shell, spec};
use model::dyno::Exit;

/// Is there anything to test on this machine?
async fn limited() -> Option<Machine> {
    let machine = Machine::new().await;
    machine.runtime.warnings().is_empty().then_some(machine)
}

#[tokio::test]
async fn memory_has_an_end() {
    let Some(machine) = limited().await else { return };
    let mut wanted = shell("exec python3 -c 'b = bytearray(200 << 20); print(len(b))'");
    wanted.limits.memory_bytes = 64 << 20;
    let run = machine.run(wanted.clone()).await;
    assert_eq!((run.exit, run.lines.len()), (Exit::Signal(9), 0), "{run:?}");
    wanted.id = crate::support::id();
    wanted.limits = limits();
    assert_eq!(machine.run(wanted).await.exit, Exit::Code(0));
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
