//! `kill -9` of serve in each step of a pushed test run: it ends with a verdict or the stated reason, nothing is built that was not
//! green, and the push after it says what became of the one before.

use crate::flow;
use crate::test_runs::{gated, is_untouched, output, run, tested};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use testkit::{Flow, Source, until, within};
use tokio::io::{AsyncBufReadExt, BufReader};

/// The steps of a run, in their order.
const STEPS: [&str; 4] = ["pending", "creating", "building", "running"];

/// Where the server is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// As soon as the run is seen in this step, or after it.
    At(usize),
    /// So many milliseconds after the push began.
    After(u64),
}

async fn open(flow: &Flow) -> String {
    flow.app("shop").await;
    let id = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].as_str().unwrap().to_owned();
    let coupling = json!({ "app": "shop", "pipeline": id, "stage": "staging" });
    assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    let gate = flow.patch(&format!("/pipelines/{id}/test-gate"), &json!({ "enabled": true })).await;
    assert_eq!(gate.status, 200, "{}", gate.text());
    id
}

async fn runs(flow: &Flow, pipeline: &str) -> Vec<Value> {
    flow.get(&format!("/pipelines/{pipeline}/test-runs")).await.json().as_array().unwrap().clone()
}

/// Waits until one more run than `known` is so far.
async fn reach(flow: &Flow, pipeline: &str, known: usize, moment: Moment) {
    let step = match moment {
        Moment::At(step) => step,
        // However far it has come by then: that is the point.
        Moment::After(millis) => return tokio::time::sleep(Duration::from_millis(millis)).await,
    };
    let there = async || {
        let reached = |run: &Value| STEPS.iter().position(|word| run["status"] == *word).is_none_or(|at| at >= step);
        runs(flow, pipeline).await.get(known).is_some_and(reached)
    };
    until(&format!("{moment:?}"), there).await;
}

/// Every run is over, as its node is; one without a verdict says why. The last one.
async fn settled(flow: &Flow, pipeline: &str, what: &str) -> Option<Value> {
    let all = runs(flow, pipeline).await;
    for run in &all {
        let nodes = flow.get(&format!("/test-runs/{}/test-nodes", run["id"].as_str().unwrap())).await.json();
        assert_eq!(nodes[0]["status"], run["status"], "{what}: {run} {nodes}");
        match run["status"].as_str().unwrap() {
            "succeeded" => {}
            "errored" => {
                assert!(run["message"].as_str().unwrap().contains("Flowline was stopped during it"), "{what}: {run}");
            }
            other => panic!("{what}: a run is {other}: {run}"),
        }
    }
    all.last().cloned()
}

#[tokio::test]
async fn ci_1_a_killed_server_leaves_no_test_run_open_in_any_of_its_steps() {
    let mut flow = flow().await;
    let id = open(&flow).await;
    // The moments are those of a fixed series, so that a failure comes again.
    let mut dice: u64 = 0x5eed_0017;
    let mut throw = |most: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % most
    };
    let mut moments: Vec<Moment> = (0..STEPS.len()).map(Moment::At).collect();
    moments.extend((0..4).map(|_| Moment::After(throw(2500))));
    for (number, moment) in moments.into_iter().enumerate() {
        let what = format!("{moment:?}");
        let known = runs(&flow, &id).await.len();
        let mut push = {
            let app = flow.known_app("shop");
            let tests = json!({ "environments": { "test": { "scripts": { "test": "echo begun; sleep 1" } } } });
            let source = Source::answering(&what).with("app.json", &tests.to_string());
            app.commit(source.with("number", &number.to_string())).await;
            let url = app.git_url();
            let mut push = app.git_command(&["push", &url, "HEAD:refs/heads/main"]);
            push.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        reach(&flow, &id, known, moment).await;
        flow.end_serve(Signal::KILL).await;
        let _verdict = within("the end of git", push.wait()).await.unwrap();
        flow.start_serve().await;
        let last = settled(&flow, &id, &what).await;
        let app = flow.known_app("shop");
        let builds = app.read("/builds").await;
        assert!(builds.as_array().unwrap().iter().all(|build| build["status"] != "pending"), "{what}: {builds}");
        let commit = app.git(&["rev-parse", "HEAD"]).await;
        let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
        let of_it = last.filter(|run| run["commit_sha"] == commit.as_str());
        let built = builds.as_array().unwrap().iter().any(|build| build["source_blob"]["version"] == commit.as_str());
        let green = of_it.as_ref().is_some_and(|run| run["status"] == "succeeded");
        assert!(green || !built, "{what}: {builds}");
        if of_it.is_some_and(|run| run["status"] == "errored") {
            let again = app.push_head("main").await;
            assert!(again.ok, "{what}: {}", again.said);
            again.says("of this commit came to no verdict: Flowline was stopped during it");
        }
    }
    flow.known_app("shop").push(Source::answering("last").with("app.json", "{\"scripts\":{\"test\":\"true\"}}")).await;
    flow.known_app("shop").served("/", "last").await;
}

#[tokio::test]
async fn a_run_does_not_outlive_a_server_that_was_killed_and_says_so() {
    let mut flow = flow().await;
    let pipeline = {
        let app = flow.app("shop").await;
        let pipeline = gated(&flow, "shop").await;
        app.commit(tested("echo hanging; sleep 100000")).await;
        pipeline
    };
    let mut push = {
        let app = flow.known_app("shop");
        let url = app.git_url();
        let mut push = app.git_command(&["push", &url, "HEAD:refs/heads/main"]);
        push.stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut lines = BufReader::new(push.stderr.take().unwrap()).lines();
    let live =
        async { while lines.next_line().await.unwrap().is_some_and(|line| line.trim_end() != "remote: hanging") {} };
    within("the tests' own words, live", live).await;
    flow.end_serve(Signal::KILL).await;
    assert!(!within("the end of git", push.wait()).await.unwrap().success());
    flow.start_serve().await;
    let (run, node) = run(&flow, &pipeline, 1).await;
    assert_eq!((&run["status"], &node["error_status"]), (&json!("errored"), &json!("running")));
    assert!(run["message"].as_str().unwrap().contains("Flowline was stopped during it; push again"), "{run}");
    let tests = output(&flow, &node, "output_stream_url").await;
    assert!(tests.contains("hanging\n") && tests.contains("Flowline was stopped during it"), "{tests}");
    let app = flow.known_app("shop");
    is_untouched(&app).await;
    app.push(tested("true")).await.released("v3");
}
