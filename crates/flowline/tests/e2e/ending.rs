//! The end of the server, whatever just happens: in order, soon, and no process is left.

use crate::flow;
use rustix::process::Signal;
use serde_json::json;
use testkit::{Flow, Source};

/// Ends it by Ctrl-C, looks for what is left, starts it again.
async fn ends_whole(flow: &mut Flow, just_after: &str) {
    flow.end_serve(Signal::INT).await;
    let said = flow.server_log();
    assert!(!said.contains("were not written") && !said.contains("in order"), "just after {just_after}:\n{said}");
    // A keeper whose end was taken note of goes by itself.
    testkit::until(&format!("the end of all processes, just after {just_after}"), async || flow.processes().is_empty())
        .await;
    flow.start_serve().await;
}

#[tokio::test]
async fn nothing_is_left_and_nothing_is_started_while_the_server_ends() {
    let mut flow = flow().await;
    flow.app("shop").await.push(Source::answering("one")).await.released("v3");
    let name = flow.known_app("shop").run("true").await;
    flow.known_app("shop").log_says(&format!("heroku[{name}]: Process exited")).await;
    ends_whole(&mut flow, "the end of a one-off dyno").await;
    for (just_after, method, path, body) in [
        ("an order for more dynos", "PATCH", "/formation/web", json!({ "quantity": 3 })),
        ("a restart of all", "DELETE", "/dynos", json!(null)),
        ("a change of config", "PATCH", "/config-vars", json!({ "A": "1" })),
        ("an order for a one-off dyno", "POST", "/dynos", json!({ "command": "cat /dev/zero >/dev/null" })),
        ("an order for fewer dynos", "PATCH", "/formation/web", json!({ "quantity": 1 })),
    ] {
        let app = flow.known_app("shop");
        let text = app.get("/").await.text();
        assert_eq!(text, "one", "before {just_after}: {}", app.logs().await);
        let answer = app.call(method, path, (!body.is_null()).then_some(&body)).await;
        assert!(answer.status.is_success(), "{just_after}: {}", answer.text());
        ends_whole(&mut flow, just_after).await;
    }
    assert_eq!(flow.known_app("shop").get("/env/A").await.text(), "1");
}

#[tokio::test]
async fn scaling_up_and_down_at_once_leaves_no_dyno_that_nobody_wants() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one").with("Procfile", "web: python3 server.py\nworker: cat\n")).await.released("v3");
    for _ in 0..10 {
        app.scale("worker", 4).await;
        app.scale("worker", 0).await;
    }
    let only_web = async || {
        let dynos = app.read("/dynos").await;
        dynos.as_array().unwrap().iter().map(|dyno| dyno["name"].as_str().unwrap()).eq(["web.1"])
    };
    testkit::until("the end of the workers", only_web).await;
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn an_app_that_goes_while_its_dynos_start_and_crash_leaves_no_process() {
    let flow = flow().await;
    for round in 0..5 {
        let app = flow.app(&format!("shop-{round}")).await;
        let procfile = "web: python3 server.py\nworker: sleep 3600\ncrasher: true\n";
        app.push(Source::answering("one").with("Procfile", procfile)).await.released("v3");
        app.scale("crasher", 4).await;
        app.scale("worker", 4).await;
        assert_eq!(app.call("DELETE", "", None).await.status, 200);
    }
    let none_left = async || flow.files("run/dynos").iter().all(|path| !path.ends_with("keeper.sock"));
    testkit::until("the end of all dynos", none_left).await;
}
