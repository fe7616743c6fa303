//! Memory and processes: warnings, the end of what goes too far, and everybody else, who notices nothing.

use crate::build_cancel::until;
use crate::flow;
use crate::slow_build::slow_build;
use serde_json::json;
use testkit::{App, Source};

/// A web process that serves, and one that fills so much memory and keeps it.
fn hungry(mib: u32) -> Source {
    let eat = format!("python3 -c \"b = bytearray({mib} << 20); import time; time.sleep(1000)\"");
    Source::answering("one").with("Procfile", &format!("web: python3 server.py\neater: {eat}\n"))
}

async fn state(app: &App<'_>, name: &str) -> String {
    app.read(&format!("/dynos/{name}")).await["state"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn dyno_40_above_its_quota_a_dyno_is_warned_and_goes_on() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(hungry(600)).await.released("v3");
    app.scale("eater", 1).await;
    let line = app.log_says("Process running mem=").await;
    // Python itself needs some too.
    assert!(line.contains("heroku[eater.1]: Process running mem=60") && line.contains("MB(11"), "{line}");
    let line = app.log_says("Error R14 (Memory quota exceeded)").await;
    assert!(line.contains("heroku[eater.1]: "), "{line}");
    assert_eq!(state(&app, "eater.1").await, "up");
    let met = app.read("/formation/eater/metrics/errors").await["data"].clone();
    assert!(met["R14"].as_array().is_some_and(|hours| hours.iter().any(|count| *count != 0)), "it is counted: {met}");
    assert!(!app.logs().await.contains("heroku[web.1]: Process running"), "the other dyno is within its quota");
}

#[tokio::test]
async fn dyno_41_vastly_above_its_quota_a_dyno_is_killed_and_tried_again() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(hungry(1100)).await.released("v3");
    app.scale("eater", 1).await;
    for words in [
        "Process running mem=1024MB(200.0%)",
        "Error R15 (Memory quota vastly exceeded)",
        "Stopping process with SIGKILL",
        "Process exited with status 137",
        "to crashed",
    ] {
        let line = app.log_says(words).await;
        assert!(line.contains("heroku[eater.1]: "), "{line}");
    }
    assert_eq!(app.get("/").await.text(), "one");
    // DYNO-32: the first crash is followed by another attempt at once.
    let again = async || app.logs().await.matches("heroku[eater.1]: Starting process").count() >= 2;
    testkit::until("the next attempt", again).await;
}

#[tokio::test]
async fn dyno_42_an_app_can_ask_for_what_its_dynos_use() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    assert!(!app.logs().await.contains("sample#"));
    let on = app.call("PATCH", "/features/log-runtime-metrics", Some(&json!({ "enabled": true }))).await;
    assert_eq!(on.status, 200, "{}", on.text());
    let load = app.log_says("sample#load_avg_1m=").await;
    assert!(load.contains("heroku[web.1]: source=web.1 dyno=heroku."), "{load}");
    let memory = app.log_says("sample#memory_total=").await;
    assert!(memory.ends_with("sample#memory_quota=512.00MB"), "{memory}");
    let rss = memory.split("sample#memory_rss=").nth(1).unwrap().split("MB").next().unwrap();
    assert!((3.0..100.0).contains(&rss.parse::<f64>().unwrap()), "{memory}");
}

/// Where language packs read how much memory there is, printed with this word before it.
fn told(word: &str) -> String {
    format!("echo {word} $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max)")
}

#[tokio::test]
async fn builds_and_dynos_are_told_the_memory_that_they_have() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let package = json!({ "name": "told", "scripts": { "build": told("building:") } });
    let source = Source::answering("one").with("package.json", &package.to_string());
    let with_worker = format!("web: python3 server.py\nworker: {}; exec tail -f /dev/null\n", told("quota:"));
    let building = format!("building: {0} {0}", 2560_u64 << 20);
    app.push(source.with("Procfile", &with_worker)).await.released("v3").says(&building);
    app.scale("worker", 1).await;
    app.log_says(&format!("app[worker.1]: quota: {0} {0}", 512 << 20)).await;
    let larger = json!({ "updates": [{ "type": "worker", "size": "standard-2x" }] });
    let answer = app.call("PATCH", "/formation", Some(&larger)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    app.log_says(&format!("app[worker.1]: quota: {0} {0}", 1024 << 20)).await;
}

#[tokio::test]
async fn a_fork_bomb_fills_its_own_dyno_only() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let bomb = app.run("bomb() { bomb | bomb & }; bomb; cat /dev/zero > /dev/null").await;
    app.log_says("Resource temporarily unavailable").await;
    for _ in 0..20 {
        assert_eq!(app.get("/").await.text(), "one");
    }
    let beside = app.run("echo beside; exit 0").await;
    app.log_says(&format!("app[{beside}]: beside")).await;
    let stopped = app.call("POST", &format!("/dynos/{bomb}/actions/stop"), Some(&json!({}))).await;
    assert_eq!(stopped.status, 202, "{}", stopped.text());
    app.log_says(&format!("heroku[{bomb}]: State changed from up to complete")).await;
}

#[tokio::test]
async fn one_build_too_many_says_that_it_waits_and_goes_on_by_itself() {
    let (slow, flow) = slow_build(&["--builds-at-once", "1"]).await;
    let (first, second) = (flow.app("first").await, flow.app("second").await);
    let next = async {
        // Its build is under way from here on.
        first.log_says("Build started by user").await;
        let goes_on = async {
            until(&second, "Waiting: 1 build is ahead").await;
            slow.go_on();
        };
        tokio::join!(second.push(Source::answering("two")), goes_on).0
    };
    let (pushed, waited) = tokio::join!(first.push(slow.source()), next);
    pushed.released("v3");
    waited.says("Waiting: 1 build is ahead").released("v3");
    second.served("/", "two").await;
}
