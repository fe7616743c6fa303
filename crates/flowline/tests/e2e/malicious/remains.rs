//! What it leaves behind: links in its slug and its folders, names that are hard to remove, processes that do not end,
//! arguments without measure.

use super::{Street, tried};
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::Path;
use testkit::{App, Flow, Source};

/// Pushes what this makes of the working copy.
async fn push_made(app: &App<'_>, make: impl FnOnce(&Path)) -> testkit::Push {
    app.commit(Source::answering("hello")).await;
    make(&app.working_copy());
    app.git(&["add", "--all"]).await;
    let committed = app.git(&["commit", "-q", "-m", "Links"]).await;
    assert!(committed.status.success());
    app.push_head("main").await
}

/// Nothing is left of dynos that have ended.
async fn cleaned(flow: &Flow) {
    let left = || std::fs::read_dir(flow.dir().join("scratch")).unwrap().count();
    let running = 2;
    testkit::until("the removal of what dynos wrote", async || left() <= running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_a_slug_lead_the_platform_to_no_file_of_the_host() {
    let street = Street::new().await;
    let app = street.malicious();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("precious"), "web: echo stolen").unwrap();
    let precious = outside.path().join("precious");
    // What the platform itself reads of a push.
    for name in ["Procfile", "app.json", ".slugignore"] {
        let push = push_made(&app, |copy| {
            let _none = std::fs::remove_file(copy.join(name));
            symlink(&precious, copy.join(name)).unwrap();
        });
        let push = push.await;
        assert!(!push.said.contains("stolen"), "{name}: {}", push.said);
        let dynos = app.read("/formation").await.to_string();
        assert!(!dynos.contains("stolen"), "{name}: {dynos}");
    }
    // What is removed, packed, and mounted.
    let push = push_made(&app, |copy| {
        std::fs::write(copy.join(".slugignore"), "ignored\nfolder/\n").unwrap();
        symlink(outside.path(), copy.join("ignored")).unwrap();
        symlink("/", copy.join("tmp")).unwrap();
        std::fs::create_dir(copy.join("folder")).unwrap();
        symlink(outside.path(), copy.join("folder/inside")).unwrap();
        symlink("../../../../../../../../etc/shadow", copy.join("climbs")).unwrap();
        symlink(&precious, copy.join("absolute")).unwrap();
    });
    let version = push.await.said;
    assert!(version.contains("Released v"), "{version}");
    let (said, _) = tried(&app, "cat climbs absolute; ls ignored; echo over > absolute; echo done").await;
    assert!(said.iter().any(|line| line == "done") && !said.iter().any(|line| line.contains("stolen")), "{said:?}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "web: echo stolen");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dyno_leaves_behind_is_removed_and_nothing_else() {
    let street = Street::new().await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("precious"), "untouched").unwrap();
    let host = outside.path().display();
    for command in [
        format!("for place in /app /tmp; do ln -s {host} $place/link; ln -s / $place/root; done"),
        "python3 bombs.py deep /tmp; python3 bombs.py deep /app".to_owned(),
        "for place in /app /tmp; do mkdir -p $place/a/b && touch $place/a/b/c && chmod 0 $place/a/b $place/a; done"
            .into(),
        "touch $'/app/a\\nb' $'/tmp/\\377\\376' /app/-rf; mkfifo /app/pipe; mkdir '/app/...'".into(),
        "rm -rf /app/* /app/.profile; ln -s / /app/server.py; chmod 0 /app".into(),
    ] {
        let app = street.malicious();
        let (said, status) = tried(&app, &command).await;
        // Whose folders are too deep to be measured is ended as one that wrote too much, if it is caught.
        let caught = status == "137" && command.contains("deep") && app.logs().await.contains("more than 128 deep");
        assert!(caught || status == "0", "{command}: {status} {said:?}\n{}", app.logs().await);
    }
    cleaned(&street.flow).await;
    assert_eq!(std::fs::read_to_string(outside.path().join("precious")).unwrap(), "untouched");
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_processes_that_hide_and_do_not_end_are_ended_with_their_dyno() {
    let street = Street::new().await;
    let app = street.malicious();
    let source = Source::answering("hello").with("bombs.py", super::BOMBS);
    let source = source.with("Procfile", "web: python3 server.py\nhidden: python3 bombs.py hide\n");
    app.push(source).await.released("v4");
    app.scale("hidden", 1).await;
    app.log_says("app[hidden.1]: hidden").await;
    app.scale("hidden", 0).await;
    app.log_says("heroku[hidden.1]: Error R12 (Exit timeout) -> At least one process failed to exit").await;
    app.log_says("heroku[hidden.1]: Process exited with status").await;
    let ours = |process: &std::fs::DirEntry| {
        let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("bombs.py\0hide")
    };
    let hidden = || std::fs::read_dir("/proc").unwrap().flatten().filter(ours).count();
    testkit::until("the end of the hidden processes", async || hidden() == 0).await;
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_and_environments_without_measure_are_refused_or_said() {
    let street = Street::new().await;
    let app = street.malicious();
    let order = |command: String| json!({ "command": command, "attach": false });
    let answer = app.call("POST", "/dynos", Some(&order("x".repeat(3 << 20)))).await;
    assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.text());
    // Longer than one argument may be for the kernel.
    let answer = app.call("POST", "/dynos", Some(&order(format!("echo {}", "x".repeat(200_000))))).await;
    if answer.status.is_success() {
        let name = answer.json()["name"].as_str().unwrap().to_owned();
        app.log_says(&format!("heroku[{name}]: Process exited with status 126")).await;
    } else {
        assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.text());
    }
    let vars: serde_json::Map<_, _> = (0..2_000).map(|n| (format!("VAR_{n}"), json!("y".repeat(100)))).collect();
    let answer = app.call("PATCH", "/config-vars", Some(&vars.into())).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    let env: serde_json::Map<_, _> = (0..2_000).map(|n| (format!("VAR_{n}"), json!("y".repeat(900)))).collect();
    let answer = app.call("POST", "/dynos", Some(&json!({ "command": "true", "attach": false, "env": env }))).await;
    assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.text());
    let (_, status) = tried(&app, "true").await;
    assert_eq!(status, "0");
    street.end().await;
}
