//! `flowline demo` as a new user runs it: the whole way of a change, and what stops it.

use std::process::Stdio;
use testkit::within;
use tokio::process::Command;

#[tokio::test]
async fn the_demo_walks_the_whole_way_and_ends_with_the_board_and_the_figures() {
    let data = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_flowline"));
    demo.args(["demo", "--once", "--listen", "127.0.0.1:0", "--apps", "127.0.0.1:0", "--data"]).arg(data.path());
    demo.env_remove("FLOWLINE_URL").env_remove("FLOWLINE_TOKEN").env("HOME", data.path());
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = within("the demo", demo.output()).await.unwrap();
    // Git's words and those of the demo itself.
    let said = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].join("\n");
    assert!(output.status.success(), "{said}");
    for words in [
        "ok 1 - the page has its title",
        "Waiting for green light.... green.",
        "Promotion successful.",
        "Push rejected: its tests failed. Nothing was built",
        "/prices.html answers 404",
        "The gates to production of hello are shut: [green_light] hello-staging v4 has no green light",
        "The release command of v4 failed; the release before it stays live",
        "v7  Rollback to v3",
        "#2  failed     main",
        "#1  v3  green",
        "Deployments:         2",
        "Change failure rate: 50 % (1 of 2: 1 rollback)",
        "ms  A rollback: the release before, with its own config",
    ] {
        assert!(said.contains(words), "`{words}` is not in:\n{said}");
    }
}
