//! Frozen dynos: they stand still, cost nothing, go on at once, and can be ended.

use crate::support::{Machine, PATIENCE, Run, line, open, shell};
use model::dyno::Exit;
use runtime::Dyno;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Counts as fast as it can, in two processes; says where it is on request.
const BUSY: &str = "echo ready; (while :; do :; done) & while :; do :; done";

const SERVER: &str = "import os,socket\ns=socket.create_server(('127.0.0.1',int(os.environ['PORT'])))\nprint('ready',flush=True)\nwhile True:\n  c,_=s.accept(); c.recv(10); c.send(b'yes'); c.close()";

/// CPU time of a dyno's processes, in clock ticks: its init's children and theirs.
fn ticks(pid: u32) -> u64 {
    let own = |pid: u32| -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    };
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    own(pid).unwrap_or(0) + children.split_whitespace().map(|child| ticks(child.parse().unwrap())).sum::<u64>()
}

/// Waits until its CPU time has stood still for `span`, or moved.
async fn rests(dyno: &Dyno, span: Duration) {
    let quiet = async {
        loop {
            let before = ticks(dyno.pid);
            tokio::time::sleep(span).await;
            if ticks(dyno.pid) == before {
                return;
            }
        }
    };
    timeout(PATIENCE, quiet).await.expect("a frozen dyno goes on computing");
}

async fn moves(dyno: &Dyno) {
    let before = ticks(dyno.pid);
    let moving = async {
        while ticks(dyno.pid) == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, moving).await.expect("a thawed dyno stands still");
}

async fn busy(machine: &Machine) -> Dyno {
    let mut dyno = machine.runtime.start(shell(BUSY)).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    dyno
}

#[tokio::test]
async fn a_frozen_dyno_stands_still_until_it_is_thawed() {
    let machine = Machine::new().await;
    let mut dyno = busy(&machine).await;
    let control = dyno.control();
    assert!(!control.is_frozen());
    for _ in 0..3 {
        control.freeze().await.unwrap();
        control.freeze().await.unwrap();
        assert!(control.is_frozen());
        rests(&dyno, Duration::from_millis(50)).await;
        control.thaw().await.unwrap();
        assert!(!control.is_frozen());
        moves(&dyno).await;
    }
    control.kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn a_request_to_a_frozen_dyno_is_answered_after_the_thaw() {
    let machine = Machine::new().await;
    let mut wanted = crate::support::spec(&["python3", "-c", SERVER]);
    wanted.port = true;
    let mut dyno = machine.runtime.start(wanted).await.unwrap();
    let (control, addr) = (dyno.control(), dyno.addr.unwrap());
    assert_eq!(line(&mut dyno).await, "ready");
    let mut waits = Vec::new();
    for _ in 0..21 {
        control.freeze().await.unwrap();
        let mut request = TcpStream::connect(addr).await.unwrap();
        request.write_all(b"well?").await.unwrap();
        let begin = Instant::now();
        control.thaw().await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, request.read_to_string(&mut answer)).await.unwrap().unwrap();
        waits.push(begin.elapsed());
        assert_eq!(answer, "yes");
    }
    waits.sort();
    println!("from frozen to answered: median {:?}, worst {:?}", waits[10], waits[20]);
    control.kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn a_frozen_dyno_is_adopted_frozen() {
    let machine = Machine::new().await;
    let first = busy(&machine).await;
    first.control().freeze().await.unwrap();
    rests(&first, Duration::from_millis(50)).await;
    drop(first);
    let Machine { runtime, dir } = machine;
    drop(runtime);
    let (_runtime, mut adopted) = open(dir.path()).await;
    let mut dyno = adopted.remove(0).dyno;
    assert!(dyno.control().is_frozen());
    dyno.control().thaw().await.unwrap();
    assert!(!dyno.control().is_frozen());
    moves(&dyno).await;
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn dyno_30_a_frozen_dyno_hears_its_sigterm() {
    let machine = Machine::new().await;
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let mut dyno = machine.runtime.start(shell(script)).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let control = dyno.control();
    control.freeze().await.unwrap();
    let stopped = timeout(PATIENCE, control.stop(PATIENCE)).await.unwrap();
    assert!(!stopped.killed && stopped.exit == Exit::Code(3), "{stopped:?}");
    assert!(!control.is_frozen());
    // Too late for it, and no error.
    control.freeze().await.unwrap();
    control.thaw().await.unwrap();
    assert!(!control.is_frozen());
    assert!(Run::of(&mut dyno).await.text().contains("bye"));
    control.freeze().await.unwrap();
}

#[tokio::test]
async fn a_frozen_dyno_can_be_killed_and_ends_with_its_keeper() {
    let machine = Machine::new().await;
    let mut dyno = busy(&machine).await;
    dyno.control().freeze().await.unwrap();
    assert!(timeout(PATIENCE, dyno.control().kill()).await.unwrap().killed);
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Signal(9));

    let mut dyno = busy(&machine).await;
    let payload = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", dyno.pid)).unwrap();
    dyno.control().freeze().await.unwrap();
    let keeper = crate::survive::parent(dyno.pid);
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Lost);
    let gone = async {
        while std::path::Path::new("/proc").join(payload.trim()).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("a frozen dyno outlives its keeper");
}
