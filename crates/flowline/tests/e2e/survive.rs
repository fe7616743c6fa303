//! What dies must not take the rest with it.

use crate::flow;
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::Stdio;
use testkit::{Flow, Load, Source};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_answer_and_log_while_serve_is_away_and_nothing_is_started_twice() {
    for signal in [Signal::TERM, Signal::KILL] {
        let mut flow = flow().await;
        let (id, host) = {
            let app = flow.app("shop").await;
            app.push(Source::answering("one")).await.released("v3");
            (app.read("/dynos").await[0]["id"].clone(), app.host())
        };
        let load = Load::start(&flow, &host, 100);
        flow.end_serve(signal).await;
        assert_eq!(flow.known_app("shop").get("/").await.text(), "one", "{signal:?}");
        flow.start_serve().await;
        let app = flow.known_app("shop");
        let dynos = app.read("/dynos").await;
        assert_eq!((dynos.as_array().unwrap().len(), &dynos[0]["id"]), (1, &id), "{signal:?}: {dynos}");
        assert_eq!(app.get("/").await.text(), "one");
        let outcome = load.stop().await;
        assert_eq!(outcome.failed, 0, "{signal:?}: {:?}", outcome.failures);
        app.push(Source::answering("two")).await.released("v4");
        assert_eq!(app.get("/").await.text(), "two");
    }
}

#[tokio::test]
async fn lines_that_a_dyno_prints_while_serve_is_away_are_logged_later() {
    let mut flow = flow().await;
    {
        let app = flow.app("shop").await;
        let source = Source::answering("one").with(
            "Procfile",
            "web: python3 server.py\nworker: echo ready; n=0; while read -t 0.1 line < <(sleep 0.1; echo tick); do n=$((n+1)); echo tick $n; done\n",
        );
        app.push(source).await.released("v3");
        app.scale("worker", 1).await;
        app.log_says("app[worker.1]: ready").await;
    }
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    app.run("true").await;
    assert!(app.logs().await.contains("app[worker.1]: ready"));
}

#[tokio::test]
async fn a_stopped_flowline_comes_back_as_it_was_left() {
    let mut flow = flow().await;
    {
        let app = flow.app("shop").await;
        app.config(serde_json::json!({ "KEPT": "yes" })).await;
        app.push(Source::answering("one")).await.released("v4");
        app.scale("web", 2).await;
    }
    flow.end_serve(Signal::INT).await;
    assert!(flow.visit("shop.localhost", "GET", "/", &[], bytes::Bytes::new()).await.is_err(), "the router ended too");
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(app.get("/").await.text(), "one", "held until a dyno is up");
    assert_eq!(app.get("/env/KEPT").await.text(), "yes");
    assert_eq!(app.current_version().await, 4);
    app.log_says("heroku[web.2]: State changed from starting to up").await;
}

/// A server that is told to end goes on for a long while, and says so; one that begins takes its time.
const SLOW_TO_END: &str = "import time\ntime.sleep(1.5)\nsource = open('server.py').read()\n\
    source = source.replace('threading.Thread(target=server.shutdown).start()', 'globals().update(TEXT=b\"told to end\")')\nexec(source)\n";

#[tokio::test]
async fn a_dyno_that_was_told_to_end_gets_no_request_again_though_it_was_to_be_restarted_before_the_server_died() {
    let mut flow = flow().await;
    {
        let app = flow.app("shop").await;
        let source = Source::answering("one").with("Procfile", "web: python3 slow.py\n").with("slow.py", SLOW_TO_END);
        app.push(source).await.released("v3");
        assert_eq!(app.call("DELETE", "/dynos", None).await.status, 202);
        app.log_says("heroku[web.1]: Stopping all processes with SIGTERM").await;
        // All of them again: the one that ends, and its successor.
        assert_eq!(app.call("DELETE", "/dynos", None).await.status, 202);
    }
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    for _ in 0..30 {
        assert_eq!(app.get("/").await.text(), "one");
    }
}

/// What the router's process runs.
fn routers_exe(flow: &Flow) -> PathBuf {
    let words = |pid: &rustix::process::Pid| {
        std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default()
    };
    let is_router = |pid: &rustix::process::Pid| words(pid).contains("\0router\0") && !words(pid).contains("--hold");
    let exe = |pid: rustix::process::Pid| std::fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).ok();
    flow.processes().into_iter().filter(is_router).filter_map(exe).next_back().expect("a router runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_binary_brings_its_router_and_no_request_fails() {
    let mut flow = flow().await;
    let host = {
        let app = flow.app("shop").await;
        app.push(Source::answering("one")).await.released("v3");
        app.host()
    };
    let load = Load::start(&flow, &host, 100);
    let old = PathBuf::from(env!("CARGO_BIN_EXE_flowline"));
    assert_eq!(routers_exe(&flow), old);
    let new = flow.dir().join("flowline-new");
    std::fs::copy(&old, &new).unwrap();
    flow.change_exe(&new);
    flow.end_serve(Signal::TERM).await;
    flow.start_serve().await;
    // The old one goes when it has answered what it holds.
    testkit::until("the hand-over to the new router", async || routers_exe(&flow) == new).await;
    let before = load.answered();
    testkit::until("50 more answers", async || load.answered() >= before + 50).await;
    assert_eq!(flow.known_app("shop").get("/").await.text(), "one");
    let outcome = load.stop().await;
    assert_eq!(outcome.failed, 0, "{:?}", outcome.failures);
}

#[tokio::test]
async fn what_was_accepted_a_moment_before_the_server_was_killed_is_done() {
    let mut flow = flow().await;
    flow.app("shop").await.push(Source::answering("one")).await.released("v3");
    let old = flow.known_app("shop").read("/dynos").await[0]["id"].clone();
    assert_eq!(flow.known_app("shop").call("DELETE", "/dynos", None).await.status, 202);
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    let replaced = async || app.read("/dynos").await.as_array().unwrap().iter().all(|dyno| dyno["id"] != old);
    testkit::until("the restart", replaced).await;
    assert_eq!(app.get("/").await.text(), "one");
    let name = app.run("echo it runs; read -r _ < <(sleep 1000)").await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    app.log_says(&format!("app[{name}]: it runs")).await;
    assert_eq!(app.call("POST", &format!("/dynos/{name}/actions/stop"), None).await.status, 202);
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    flow.known_app("shop").log_says(&format!("heroku[{name}]: State changed from up to complete")).await;
}

#[tokio::test]
async fn a_build_that_the_server_did_not_outlive_fails_and_its_output_says_why() {
    let mut flow = flow().await;
    // Much to pack takes its time.
    let much: String = (0..1_000_000_u64).map(|number| format!("{:x}", number.wrapping_mul(0x9e37_79b9))).collect();
    let slow = Source::answering("slow").with("much.txt", &much);
    let pushing = {
        let app = flow.app("shop").await;
        app.commit(slow).await;
        let mut push = app.git_command(&["push", &app.git_url(), "HEAD:refs/heads/main"]);
        push.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let output = async |flow: &Flow| {
        let builds = flow.known_app("shop").read("/builds").await;
        match builds.as_array().unwrap().first() {
            Some(build) => {
                let path = testkit::path_of(&build["output_stream_url"]).to_owned();
                (build["status"].as_str().unwrap().to_owned(), path)
            }
            None => (String::new(), String::new()),
        }
    };
    testkit::until("the begin of the build", async || output(&flow).await.0 == "pending").await;
    flow.end_serve(Signal::KILL).await;
    let declined = testkit::within("the end of the push", pushing.wait_with_output()).await.unwrap();
    assert!(!declined.status.success());
    flow.start_serve().await;
    let (status, path) = output(&flow).await;
    assert_eq!(status, "failed");
    let said = flow.get(&path).await.text();
    assert!(said.contains(" !     Flowline was stopped during the build; push again."), "{said}");
    flow.known_app("shop").push(Source::answering("one")).await.released("v3");
}
