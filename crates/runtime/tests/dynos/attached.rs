//! Attached dynos, and further programs in a dyno that runs.

use crate::support::{Machine, PATIENCE, Run, line, open, shell};
use model::dyno::Exit;
use runtime::{Attach, AttachError, Attached, AttachedReader, Dyno, DynoSpec, ExecSpec, WindowSize};
use std::collections::BTreeMap;
use tokio::time::timeout;

const SIZE: WindowSize = WindowSize { columns: 100, rows: 30 };
const TERMINAL: Attach = Attach { terminal: Some(SIZE) };
const PIPES: Attach = Attach { terminal: None };

fn attached(script: &str, attach: Attach) -> DynoSpec {
    DynoSpec { attach: Some(attach), ..shell(script) }
}

fn program(script: &str, attach: Attach) -> ExecSpec {
    let env = BTreeMap::from([("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()), ("MINE".into(), "yes".into())]);
    ExecSpec { argv: ["bash", "-c", script].map(str::to_owned).to_vec(), env, cwd: "/".into(), attach }
}

/// A dyno that does nothing until it is stopped.
async fn idle(machine: &Machine) -> Dyno {
    let mut dyno = machine.runtime.start(shell("echo ready; exec sleep infinity")).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    dyno
}

async fn stop(mut dyno: Dyno) {
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
}

/// Reads until `what` has been seen.
async fn until(reader: &mut AttachedReader, what: &str) -> String {
    let mut said = String::new();
    let read = async {
        while !said.contains(what) {
            let mut bytes = [0; 1024];
            let count = reader.read(&mut bytes).await.unwrap();
            assert!(count > 0, "it ended before it said `{what}`: {said}");
            said += &String::from_utf8_lossy(&bytes[..count]);
        }
    };
    timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("it never said `{what}`"));
    said
}

/// Reads to the end.
async fn rest(reader: &mut AttachedReader) -> String {
    let mut said = Vec::new();
    let read = async {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut bytes).await {
            said.extend_from_slice(&bytes[..count]);
        }
    };
    timeout(PATIENCE, read).await.expect("the stream has no end");
    String::from_utf8_lossy(&said).into_owned()
}

async fn say(attached: &mut Attached, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let count = timeout(PATIENCE, attached.writer.write(bytes)).await.expect("nobody reads").unwrap();
        bytes = &bytes[count..];
    }
}

#[tokio::test]
async fn dyno_52_a_terminal_with_its_size_and_its_keys() {
    let machine = Machine::new().await;
    let script = "tty; stty size; ps -o tty= -p $$; trap 'stty size' WINCH; echo ready; until read -t 0.1 -r x; do :; done; echo got $x; exit 3";
    let mut dyno = machine.runtime.start(attached(script, TERMINAL)).await.unwrap();
    let mut attached = dyno.control().open().await.unwrap();
    assert!(attached.writer.is_terminal() && attached.status.is_none());
    let said = until(&mut attached.reader, "ready").await;
    assert!(said.contains("/dev/pts/0\r\n30 100\r\npts/0"), "{said}");
    attached.writer.resize(WindowSize { columns: 80, rows: 25 }).unwrap();
    until(&mut attached.reader, "25 80").await;
    say(&mut attached, b"abc\r").await;
    until(&mut attached.reader, "got abc").await;
    assert_eq!(rest(&mut attached.reader).await.trim(), "");
    let run = Run::of(&mut dyno).await;
    assert_eq!((run.exit, run.lines.len()), (Exit::Code(3), 0), "dyno_55: nothing of it is a line: {run:?}");
}

#[tokio::test]
async fn ctrl_c_reaches_the_foreground_program_only() {
    let machine = Machine::new().await;
    let mut spec = attached("", TERMINAL);
    spec.argv = ["bash", "--norc", "-i"].map(str::to_owned).to_vec();
    let mut dyno = machine.runtime.start(spec).await.unwrap();
    let mut attached = dyno.control().open().await.unwrap();
    let control = dyno.control();
    let seen = async |script: &str| {
        let mut watch = control.exec(program(script, PIPES)).await.unwrap();
        until(&mut watch.reader, "seen").await;
    };
    say(&mut attached, b"sleep infinity\r").await;
    seen("until pgrep -x sleep >/dev/null; do :; done; echo seen").await;
    say(&mut attached, b"\x03").await;
    seen("while pgrep -x sleep >/dev/null; do :; done; echo seen").await;
    say(&mut attached, b"echo still-$((40+2))\r").await;
    until(&mut attached.reader, "still-42").await;
    say(&mut attached, b"exit 4\r").await;
    rest(&mut attached.reader).await;
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Code(4));
}

#[tokio::test]
async fn pipes_carry_every_byte_and_an_end() {
    let machine = Machine::new().await;
    let mut dyno = machine.runtime.start(attached("tty; cat; echo error >&2; exit 5", PIPES)).await.unwrap();
    let attached = dyno.control().open().await.unwrap();
    // More than all buffers hold: written and read at the same time.
    let sent: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let Attached { mut reader, mut writer, .. } = attached;
    let expected = sent.len() + "not a tty\nerror\n".len();
    let write = async {
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let count = writer.write(rest).await.unwrap();
            rest = &rest[count..];
        }
        writer.close();
    };
    let read = async {
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = reader.read(&mut bytes).await {
            all.extend_from_slice(&bytes[..count]);
        }
        all
    };
    let ((), all) = timeout(PATIENCE, async { tokio::join!(write, read) }).await.expect("it hangs");
    assert_eq!(all.len(), expected);
    assert!(all.starts_with(b"not a tty\n") && all.ends_with(b"error\n") && all[10..].starts_with(&sent));
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Code(5));
    assert!(matches!(dyno.control().open().await, Err(AttachError::Gone(_))));
}

#[tokio::test]
async fn a_program_that_ends_at_once_has_been_heard() {
    let machine = Machine::new().await;
    for attach in [TERMINAL, PIPES] {
        for _ in 0..5 {
            let mut dyno = machine.runtime.start(attached("echo quick", attach)).await.unwrap();
            let mut attached = dyno.control().open().await.unwrap();
            assert_eq!(rest(&mut attached.reader).await.trim_end(), "quick");
            assert_eq!(Run::of(&mut dyno).await.exit, Exit::Code(0));
        }
    }
    let mut missing = attached("", TERMINAL);
    missing.argv = vec!["no-such-program".into()];
    let mut dyno = machine.runtime.start(missing).await.unwrap();
    let mut attached = dyno.control().open().await.unwrap();
    assert!(rest(&mut attached.reader).await.starts_with("cannot run no-such-program"));
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Code(127));
}

#[tokio::test]
async fn an_attached_dyno_that_nobody_opened_can_be_stopped_and_hung_up() {
    let machine = Machine::new().await;
    let mut dyno = machine.runtime.start(attached("echo never", PIPES)).await.unwrap();
    assert_eq!(dyno.control().stop(PATIENCE).await.exit, Exit::Signal(15));
    Run::of(&mut dyno).await;
    let mut dyno = machine.runtime.start(attached("echo never", TERMINAL)).await.unwrap();
    dyno.control().hang_up().await.unwrap();
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Signal(1));
}

#[tokio::test]
async fn dyno_53_hang_up_and_what_ignores_it() {
    let machine = Machine::new().await;
    for attach in [TERMINAL, PIPES] {
        let mut dyno = machine.runtime.start(attached("echo ready; sleep infinity", attach)).await.unwrap();
        let control = dyno.control();
        let mut attached = control.open().await.unwrap();
        until(&mut attached.reader, "ready").await;
        drop(attached);
        control.hang_up().await.unwrap();
        assert_eq!(Run::of(&mut dyno).await.exit, Exit::Signal(1));
    }
    let stubborn = "trap 'echo no' HUP; echo ready; while :; do sleep 0.05; done";
    let mut dyno = machine.runtime.start(attached(stubborn, PIPES)).await.unwrap();
    let control = dyno.control();
    let mut attached = control.open().await.unwrap();
    until(&mut attached.reader, "ready").await;
    control.hang_up().await.unwrap();
    // Its trap writes into a pipe that only we hold open now.
    until(&mut attached.reader, "no").await;
    control.hang_up().await.unwrap();
    assert!(matches!(control.open().await, Err(AttachError::Refused(_))));
    control.kill().await;
    Run::of(&mut dyno).await;
}

#[tokio::test]
async fn an_attached_dyno_outlives_serve_and_is_opened_again() {
    let machine = Machine::new().await;
    let dyno = machine.runtime.start(attached("read a; echo a=$a; read b; echo b=$b", TERMINAL)).await.unwrap();
    let mut attached = dyno.control().open().await.unwrap();
    say(&mut attached, b"1\r").await;
    until(&mut attached.reader, "a=1").await;
    drop((attached, dyno));
    let dir = machine.dir;
    drop(machine.runtime);
    let (_runtime, mut adopted) = open(dir.path()).await;
    let mut again = adopted.pop().unwrap();
    assert_eq!(again.spec.attach, Some(TERMINAL));
    let mut attached = again.dyno.control().open().await.unwrap();
    say(&mut attached, b"2\r").await;
    until(&mut attached.reader, "b=2").await;
    assert_eq!(Run::of(&mut again.dyno).await.exit, Exit::Code(0));
}

#[tokio::test]
async fn exec_shares_the_dyno_and_is_as_confined() {
    let machine = Machine::new().await;
    let dyno = idle(&machine).await;
    let control = dyno.control();
    let said = |script: &'static str, attach| {
        let control = control.clone();
        async move {
            let mut attached = control.exec(program(script, attach)).await.unwrap();
            let said = rest(&mut attached.reader).await;
            (said, attached.status.as_mut().unwrap().ended().await)
        }
    };
    let (said_there, exit) =
        said("echo $MINE; hostname; cat /proc/1/comm; pgrep -x sleep | wc -l; exit 6", PIPES).await;
    assert_eq!((said_there.as_str(), exit), ("yes\nweb-1\ninit\n1\n", Exit::Code(6)));
    let script = "grep -E '^(Uid|Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status /proc/$PPID/status | sed 's/.*status://' | sort | uniq -c";
    let (rights, _) = said(script, PIPES).await;
    assert!(rights.contains("NoNewPrivs:\t1") && rights.contains("Seccomp:\t2"), "{rights}");
    assert!(rights.contains("CapEff:\t0000000000000000") && rights.contains("CapBnd:\t0000000000000000"), "{rights}");
    let script = "for ns in user mnt pid ipc uts net cgroup; do for p in self \"$(pgrep -x sleep)\"; do readlink /proc/$p/ns/$ns; done; done | uniq -c | awk '{print $1}' | sort -u";
    assert_eq!(said(script, PIPES).await.0, "2\n", "the namespaces of the dyno's own programs");
    let (groups, _) = said("diff /proc/self/cgroup /proc/$(pgrep -x sleep)/cgroup && echo same", PIPES).await;
    assert_eq!(groups, "same\n");
    let (terminal, _) = said("tty; stty size", TERMINAL).await;
    assert_eq!(terminal, "/dev/pts/0\r\n30 100\r\n");
    stop(dyno).await;
}

#[tokio::test]
async fn exec_sees_nothing_of_the_host() {
    let machine = Machine::new().await;
    let dyno = idle(&machine).await;
    let script = "ls /proc/self/fd | wc -l; ls -l /proc/self/fd | grep -c -e socket -e flowline; cat /etc/shadow; ls /work; ls -l /proc/1/exe /proc/1/fd/; cat /proc/1/maps; unshare -U true; mount -t tmpfs x /tmp; nsenter -t 1 -m true; kill -0 2";
    let mut attached = dyno.control().exec(program(&format!("({script}) 2>&1"), PIPES)).await.unwrap();
    let said = rest(&mut attached.reader).await;
    // Its three, and the folder that `ls` itself reads.
    assert!(said.starts_with("4\n0\n"), "{said}");
    assert!(said.contains("shadow: No such file") && said.matches("denied").count() >= 3, "{said}");
    assert!(said.contains("unshare failed") && !said.contains("flowline"), "{said}");
    stop(dyno).await;
}

#[tokio::test]
async fn exec_ends_with_its_client_and_with_its_dyno() {
    let machine = Machine::new().await;
    let mut dyno = idle(&machine).await;
    let control = dyno.control();
    let mut first = control.exec(program("echo ready; sleep 1000 & sleep 1000", TERMINAL)).await.unwrap();
    until(&mut first.reader, "ready").await;
    drop(first);
    let gone = program("while pgrep -f 'sleep [1]000' >/dev/null; do sleep 0.02; done; echo gone", PIPES);
    let mut watch = control.exec(gone).await.unwrap();
    until(&mut watch.reader, "gone").await;
    let mut second = control.exec(program("echo ready; exec sleep infinity", TERMINAL)).await.unwrap();
    until(&mut second.reader, "ready").await;
    control.kill().await;
    assert_eq!(rest(&mut second.reader).await, "");
    assert_eq!(second.status.as_mut().unwrap().ended().await, Exit::Lost);
    Run::of(&mut dyno).await;
    assert!(matches!(control.exec(program("true", PIPES)).await, Err(AttachError::Gone(_))));
}

#[tokio::test]
async fn exec_is_limited_and_says_what_it_cannot_run() {
    let machine = Machine::new().await;
    let dyno = idle(&machine).await;
    let control = dyno.control();
    let mut missing = program("", PIPES);
    missing.argv = vec!["no-such-program".into()];
    let refused = control.exec(missing).await.err().unwrap().to_string();
    assert!(refused.contains("no-such-program") && refused.contains("No such file"), "{refused}");
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(control.exec(program("exec sleep infinity", PIPES)).await.unwrap());
    }
    let refused = control.exec(program("true", PIPES)).await.err().unwrap().to_string();
    assert!(refused.contains("16 sessions"), "{refused}");
    // One that ends makes room; the end is told before the room is there or with it.
    drop(held.pop());
    timeout(PATIENCE, async { while control.exec(program("true", PIPES)).await.is_err() {} }).await.unwrap();
    stop(dyno).await;
}
