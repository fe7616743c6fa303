//! A dyno from start to end: output, status, environment, signals.

use crate::support::{Machine, PATIENCE, Run, line, shell, spec, with_mount};
use model::dyno::Exit;
use model::mount::Mount;
use runtime::{RuntimeError, SpecError};
use std::time::Duration;

#[tokio::test]
async fn output_and_status_arrive() {
    let machine = Machine::new().await;
    let run = machine.sh("echo hello; echo world >&2; exit 3").await;
    assert_eq!((run.text().as_str(), run.exit), ("hello\nworld", Exit::Code(3)));
}

#[tokio::test]
async fn ended_by_a_signal() {
    let machine = Machine::new().await;
    let run = machine.sh("kill -SEGV $$").await;
    assert_eq!(run.exit, Exit::Signal(11));
    assert_eq!(run.exit.status(), 139);
}

#[tokio::test]
async fn a_program_that_is_not_there_says_so() {
    let machine = Machine::new().await;
    let run = machine.run(spec(&["no-such-program"])).await;
    assert_eq!(run.exit, Exit::Code(127));
    assert!(run.text().contains("no-such-program"), "{run:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_says_so() {
    let machine = Machine::new().await;
    let mut wanted = shell("true");
    wanted.cwd = "/nowhere".into();
    let run = machine.run(wanted).await;
    assert_eq!(run.exit, Exit::Code(127));
    assert!(run.text().contains("/nowhere"), "{run:?}");
}

#[tokio::test]
async fn environment_and_folder_are_exactly_those_asked_for() {
    let machine = Machine::new().await;
    let mut wanted = shell("pwd; echo \"$GREETING\"; env");
    wanted.cwd = "/usr".into();
    wanted.env.insert("GREETING".into(), "a\nb = c".into());
    let run = machine.run(wanted).await;
    assert_eq!(run.lines[..3], ["/usr", "a", "b = c"]);
    assert!(run.lines.iter().all(|line| !line.starts_with("CARGO")), "{run:?}");
}

#[tokio::test]
async fn log_3_long_lines_come_in_pieces() {
    let machine = Machine::new().await;
    let run = machine.sh("head -c 20000 /dev/zero | tr '\\0' x; echo; printf end").await;
    let sizes: Vec<usize> = run.lines.iter().map(String::len).collect();
    assert_eq!(sizes, [10_000, 10_000, 3]);
}

#[tokio::test]
async fn a_fast_writer_loses_nothing_while_somebody_reads() {
    let machine = Machine::new().await;
    let run = machine.sh("seq 1 50000").await;
    assert_eq!((run.dropped, run.lines.len()), (0, 50_000));
    assert_eq!(run.lines[49_999], "50000");
}

#[tokio::test]
async fn dyno_30_sigterm_reaches_all_processes() {
    let machine = Machine::new().await;
    let script = "trap 'echo parent; wait; exit 0' TERM; \
                  (trap 'echo child; exit 0' TERM; echo ready; while :; do sleep 0.01; done) & wait";
    let mut dyno = machine.runtime.start(shell(script)).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let control = dyno.control();
    let stopping = tokio::spawn(async move { control.stop(Duration::from_secs(20)).await });
    let run = Run::of(&mut dyno).await;
    let stopped = stopping.await.unwrap();
    assert!(run.lines.contains(&"parent".to_owned()) && run.lines.contains(&"child".to_owned()), "{run:?}");
    assert_eq!((stopped.exit, stopped.killed, run.exit), (Exit::Code(0), false, Exit::Code(0)));
}

#[tokio::test]
async fn dyno_30_the_others_may_end_in_peace_when_the_shell_goes_first() {
    let machine = Machine::new().await;
    // bash itself ends at once on SIGTERM; the server behind it takes a moment.
    let script = "(trap 'sleep 0.3; echo done; exit 0' TERM; echo ready; while :; do sleep 0.01; done); true";
    let mut dyno = machine.runtime.start(shell(script)).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let control = dyno.control();
    let stopping = tokio::spawn(async move { control.stop(Duration::from_secs(20)).await });
    let run = Run::of(&mut dyno).await;
    assert_eq!(run.lines.last().map(String::as_str), Some("done"));
    assert_eq!((run.exit, stopping.await.unwrap().killed), (Exit::Signal(15), false));
}

#[tokio::test]
async fn r12_sigkill_after_the_grace() {
    let machine = Machine::new().await;
    let mut dyno =
        machine.runtime.start(shell("trap '' TERM; echo ready; while :; do sleep 0.01; done")).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    let stopped = tokio::time::timeout(PATIENCE, dyno.control().stop(Duration::from_millis(300))).await.unwrap();
    assert_eq!((stopped.exit, stopped.killed), (Exit::Signal(9), true));
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Signal(9));
}

#[tokio::test]
async fn kill_ends_it_at_once() {
    let machine = Machine::new().await;
    let mut dyno = machine.runtime.start(shell("echo ready; sleep 1000 & sleep 1000")).await.unwrap();
    assert_eq!(line(&mut dyno).await, "ready");
    assert!(dyno.control().kill().await.killed);
    assert_eq!(Run::of(&mut dyno).await.exit, Exit::Signal(9));
}

#[tokio::test]
async fn background_processes_end_with_the_payload() {
    let machine = Machine::new().await;
    let run = machine.sh("sleep 1000 & echo started").await;
    assert_eq!((run.text().as_str(), run.exit), ("started", Exit::Code(0)));
}

#[tokio::test]
async fn zombies_are_reaped() {
    let machine = Machine::new().await;
    let script = "for i in $(seq 20); do (sleep 0.01 &) ; done; sleep 0.3; \
                  for p in /proc/[0-9]*/stat; do read -r _ _ state _ < $p && echo $state; done | grep -c Z";
    assert_eq!(machine.sh(script).await.text(), "0");
}

#[tokio::test]
async fn a_port_is_given_and_answers() {
    let machine = Machine::new().await;
    let mut wanted = spec(&["python3", "-c", "import http.server,os\nhttp.server.test(port=int(os.environ['PORT']))"]);
    wanted.port = true;
    let mut dyno = machine.runtime.start(wanted).await.unwrap();
    let addr = dyno.addr.unwrap();
    let up = async {
        while !runtime::accepts(addr).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.unwrap();
    dyno.control().kill().await;
    Run::of(&mut dyno).await;
    assert!(!runtime::accepts(addr).await);
}

#[tokio::test]
async fn many_at_once() {
    let machine = Machine::new().await;
    let runs = (0..20).map(|number| {
        let runtime = machine.runtime.clone();
        tokio::spawn(async move {
            let mut dyno = runtime.start(shell(&format!("echo {number}"))).await.unwrap();
            (number, Run::of(&mut dyno).await)
        })
    });
    for run in runs.collect::<Vec<_>>() {
        let (number, run) = run.await.unwrap();
        assert_eq!((run.text(), run.exit), (number.to_string(), Exit::Code(0)));
    }
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let machine = Machine::new().await;
    let wanted = shell("touch /tmp/file; mkdir -m 0 /tmp/closed; cat /proc/self/cgroup");
    let id = wanted.id;
    let run = machine.run(wanted).await;
    assert!(!machine.dyno_folder(id).exists());
    assert!(run.lines.iter().all(|line| !line.contains("flowline")), "{run:?}");
}

#[tokio::test]
async fn a_specification_that_makes_no_sense_is_refused() {
    let machine = Machine::new().await;
    let refused = machine.runtime.start(spec(&[])).await.err().unwrap();
    assert!(matches!(refused, RuntimeError::Spec { source: SpecError::NoCommand, .. }), "{refused}");
    let outside = with_mount(shell("true"), Mount::Tmpfs { to: "/a/../b".into(), size_bytes: 1 });
    assert!(machine.runtime.start(outside).await.err().unwrap().to_string().contains("`..`"));
    let mut large = shell("true");
    large.env.insert("A".into(), "x".repeat(2 << 20));
    assert!(machine.runtime.start(large).await.err().unwrap().to_string().contains("limit"));
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_built_says_why_and_leaves_nothing() {
    let machine = Machine::new().await;
    let missing = Mount::Bind { from: "/no/such/folder".into(), to: "/x".into(), writable: false };
    let wanted = with_mount(shell("true"), missing);
    let folder = machine.dyno_folder(wanted.id);
    let refused = machine.runtime.start(wanted).await.err().unwrap().to_string();
    assert!(refused.contains("/no/such/folder") && refused.contains("doctor"), "{refused}");
    let gone = async {
        while folder.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}
