//! A dyno from start to end: output, status, environment, signals.

mod support;

use model::dyno::Exit;
use support::{Machine, shell, spec};

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
async fn environment_and_folder_are_exactly_those_asked_for() {
    let machine = Machine::new().await;
    let mut wanted = shell("pwd; echo \"$GREETING\"; env");
    wanted.cwd = "/usr".into();
    wanted.env.insert("GREETING".into(), "a\nb = c".into());
    let run = machine.run(wanted).await;
    assert_eq!(run.lines[..3], ["/usr", "a", "b = c"]);
    assert!(run.lines.iter().all(|line| !line.starts_with("CARGO")), "{run:?}");
}
