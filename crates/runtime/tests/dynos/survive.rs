//! Keepers outlive whoever started them; a later runtime on the same folder finds them again.

use crate::network::{python, service, walled};
use crate::support::{Machine, PATIENCE, Run, line, open, shell};
use model::dyno::Exit;
use model::id::DynoId;
use runtime::{Adopted, Dyno, Output, Runtime};
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// A runtime that has lost its first life: all its connections are closed, as by a kill.
async fn reopened(machine: Machine) -> (Runtime, Vec<Adopted>, tempfile::TempDir) {
    let Machine { runtime, dir } = machine;
    drop(runtime);
    let (runtime, adopted) = open(dir.path()).await;
    (runtime, adopted, dir)
}

async fn file_appears(path: &Path) {
    let there = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{} does not appear", path.display()));
}

async fn only(mut adopted: Vec<Adopted>, id: DynoId) -> Dyno {
    assert_eq!(adopted.len(), 1);
    let one = adopted.remove(0);
    assert_eq!(one.spec.id, id);
    one.dyno
}

#[tokio::test]
async fn a_running_dyno_is_adopted_with_its_labels_and_the_lines_nobody_kept() {
    let machine = Machine::new().await;
    let mut wanted = shell("echo one; echo two; echo three; read -r _ < <(sleep 1000)");
    wanted.labels.insert("app".into(), "shop".into());
    wanted.env.insert("SECRET".into(), "hunter2".into());
    wanted.port = true;
    let (id, folder) = (wanted.id, machine.dyno_folder(wanted.id));
    let mut first = machine.runtime.start(wanted.clone()).await.unwrap();
    let (addr, pid) = (first.addr, first.pid);
    assert_eq!(line(&mut first).await, "one");
    first.control().ack(1).await;
    assert_eq!(line(&mut first).await, "two");
    drop(first);

    let (_runtime, mut adopted, _dir) = reopened(machine).await;
    let spec = &adopted[0].spec;
    assert_eq!((&spec.labels, &spec.argv), (&wanted.labels, &wanted.argv));
    assert!(spec.env.is_empty());
    assert!(!std::fs::read_to_string(folder.join("order")).unwrap().contains("hunter2"));
    let mut dyno = adopted.remove(0).dyno;
    assert_eq!((dyno.addr, dyno.pid), (addr, pid));
    assert_eq!([line(&mut dyno).await, line(&mut dyno).await], ["two", "three"]);
    assert!(dyno.control().kill().await.killed);
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Signal(9));
    assert!(!folder.exists(), "{id}");
}

#[tokio::test]
async fn an_end_that_nobody_saw_is_told_later() {
    let machine = Machine::new().await;
    let wanted = shell("echo started; sleep 0.2; echo over; exit 7");
    let (id, folder) = (wanted.id, machine.dyno_folder(wanted.id));
    let mut first = machine.runtime.start(wanted).await.unwrap();
    assert_eq!(line(&mut first).await, "started");
    first.control().ack(1).await;
    drop(first);
    file_appears(&folder.join("output")).await;

    let (_runtime, adopted, _dir) = reopened(machine).await;
    let mut dyno = only(adopted, id).await;
    let run = Run::of(&mut dyno).await;
    assert_eq!((run.lines, run.exit, run.dropped), (vec!["over".to_owned()], Exit::Code(7), 0));
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_end_without_finish_is_told_again() {
    let machine = Machine::new().await;
    let wanted = shell("exit 4");
    let (id, folder) = (wanted.id, machine.dyno_folder(wanted.id));
    let mut first = machine.runtime.start(wanted).await.unwrap();
    assert_eq!(first.next().await, Some(Output::Exited(Exit::Code(4))));
    drop(first);
    file_appears(&folder.join("output")).await;
    let (_runtime, adopted, _dir) = reopened(machine).await;
    assert_eq!(Run::of(&mut only(adopted, id).await).await.exit, Exit::Code(4));
}

#[tokio::test]
async fn a_flood_that_nobody_reads_is_bounded_and_counted() {
    let machine = Machine::new().await;
    let wanted = shell("echo started; sleep 0.2; seq 1 100000; echo last");
    let (id, folder) = (wanted.id, machine.dyno_folder(wanted.id));
    let mut first = machine.runtime.start(wanted).await.unwrap();
    assert_eq!(line(&mut first).await, "started");
    first.control().ack(1).await;
    drop(first);
    file_appears(&folder.join("output")).await;
    let (_runtime, adopted, _dir) = reopened(machine).await;
    let run = Run::of(&mut only(adopted, id).await).await;
    assert_eq!((run.lines.len() as u64 + run.dropped, run.exit), (100_001, Exit::Code(0)));
    assert!(run.lines.len() <= 4_000 && run.lines.len() > 3_000, "{}", run.lines.len());
    assert_eq!(run.lines.last().map(String::as_str), Some("last"));
}

#[tokio::test]
async fn a_reader_that_stands_still_does_not_stop_the_dyno_for_ever() {
    let machine = Machine::new().await;
    let mut dyno = machine.runtime.start(shell("seq 1 20000; exit 5")).await.unwrap();
    // Nothing is acknowledged: the output waits, then the oldest lines go.
    let stopped = timeout(PATIENCE, dyno.control().ended()).await.unwrap();
    assert_eq!(stopped.exit, Exit::Code(5));
    let run = Run::of(&mut dyno).await;
    assert_eq!(run.lines.len() as u64 + run.dropped, 20_000);
    assert!(run.dropped > 0);
}

#[tokio::test]
async fn a_killed_keeper_takes_its_dyno_along() {
    let machine = Machine::new().await;
    let wanted = shell("echo ready; sleep 1000");
    let folder = machine.dyno_folder(wanted.id);
    let mut dyno = machine.runtime.start(wanted).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let order = std::fs::read_to_string(folder.join("order")).unwrap();
    let cgroups = order.rsplit_once("\"cgroups\":[").unwrap().1.split(']').next().unwrap();
    let cgroups: Vec<&Path> = cgroups.split('"').filter(|part| part.starts_with('/')).map(Path::new).collect();
    let first = rustix::process::Pid::from_raw(i32::try_from(dyno.pid).unwrap()).unwrap();
    let keeper = parent(dyno.pid);
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Lost);
    assert_eq!(cgroups.iter().find(|cgroup| cgroup.exists()), None, "its cgroups are left");
    let gone = async {
        while rustix::process::test_kill_process(first).is_ok() && !is_zombie(dyno.pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the dyno outlives its keeper");
}

#[tokio::test]
async fn a_killed_nursery_is_replaced() {
    let machine = Machine::new().await;
    let mut dyno = machine.runtime.start(shell("echo ready; read -r _ < <(sleep 1000)")).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let nursery = parent(parent(dyno.pid).as_raw_nonzero().get().cast_unsigned());
    rustix::process::kill_process(nursery, rustix::process::Signal::KILL).unwrap();
    for _ in 0..3 {
        assert_eq!(machine.sh("echo again").await.text(), "again");
    }
    assert!(dyno.control().kill().await.killed, "the first one lived on");
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn nothing_is_started_twice() {
    let machine = Machine::new().await;
    let wanted = shell("echo ready; read -r _ < <(sleep 1000)");
    let mut dyno = machine.runtime.start(wanted.clone()).await.unwrap();
    let refused = machine.runtime.start(wanted).await.err().unwrap().to_string();
    assert!(refused.contains("exists"), "{refused}");
    assert_eq!(line(&mut dyno).await, "ready");
    dyno.control().kill().await;
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Signal(9));
}

#[tokio::test]
async fn sigterm_to_a_keeper_ends_its_dyno_in_order() {
    let machine = Machine::new().await;
    let mut dyno = machine
        .runtime
        .start(shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"))
        .await
        .unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    rustix::process::kill_process(parent(dyno.pid), rustix::process::Signal::TERM).unwrap();
    let run = Run::of(&mut dyno).await;
    assert!(run.text().contains("bye") && run.exit == Exit::Code(0), "{run:?}");
}

pub(crate) fn parent(pid: u32) -> rustix::process::Pid {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    rustix::process::Pid::from_raw(parent.trim().parse().unwrap()).unwrap()
}

fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains("State:\tZ"))
}

#[tokio::test]
async fn adopted_dynos_keep_their_network_and_its_limits() {
    let Some(machine) = walled().await else { return };
    let local = service(Ipv4Addr::LOCALHOST).port();
    let script = format!("
serve(listen('127.0.0.1', 7001), lambda c, peer: 'self')
serve(listen('0.0.0.0', int(os.environ['PORT'])), lambda c, peer: tcp('127.0.0.1', {local}) + ' ' + tcp('localhost', 7001) + ' ' + tcp('169.254.169.254', 80))
print('up')
threading.Event().wait()");
    let mut web = python(&script);
    web.port = true;
    let mut first = machine.runtime.start(web).await.unwrap();
    assert_eq!(line(&mut first).await, "up");
    let addr = first.addr.unwrap();
    let ask = || {
        let mut text = String::new();
        TcpStream::connect(addr).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let wanted = "ECONNREFUSED open self EPERM";
    assert_eq!(ask(), wanted);
    drop(first);
    let Machine { runtime, dir } = machine;
    drop(runtime);
    assert_eq!(ask(), wanted, "while nobody is there");
    let (runtime, mut adopted) = open(dir.path()).await;
    assert_eq!(runtime.admitted(), Some(1));
    let mut dyno = adopted.remove(0).dyno;
    assert_eq!((dyno.addr, ask().as_str()), (Some(addr), wanted));
    // A new one gets another address.
    let machine = Machine { runtime, dir };
    let mut other = python("print('up'); threading.Event().wait()");
    other.port = true;
    let mut other = machine.runtime.start(other).await.unwrap();
    assert_ne!(other.addr.unwrap().ip(), addr.ip());
    for dyno in [&mut dyno, &mut other] {
        dyno.control().kill().await;
        Run::of(dyno).await;
    }
    assert_eq!(machine.runtime.admitted(), Some(0));
}
