//! The formation and its dynos.

use crate::flow;
use serde_json::json;
use testkit::Source;

#[tokio::test]
async fn dyno_12_the_first_web_runs_and_other_types_wait() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let source =
        Source::answering("one").with("Procfile", "web: python3 server.py\nworker: echo working; cat\nclock: cat\n");
    app.push(source).await.released("v3");
    let formation = app.read("/formation").await;
    let quantities: Vec<_> = formation
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["type"].as_str().unwrap(), entry["quantity"].as_i64().unwrap()))
        .collect();
    assert_eq!(quantities, [("clock", 0), ("web", 1), ("worker", 0)]);
    app.scale("worker", 1).await;
    app.log_says("app[worker.1]: working").await;
    app.log_says("Scaled to worker@1:Standard-1X by user admin@localhost").await;
}

#[tokio::test]
async fn dyno_13_scaling_makes_no_release_and_takes_the_highest_numbers() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app.scale("web", 3).await;
    for number in 1..=3 {
        app.log_says(&format!("heroku[web.{number}]: State changed from starting to up")).await;
    }
    assert_eq!(app.latest_release().await["version"], 3);
    app.scale("web", 1).await;
    app.log_says("heroku[web.3]: Stopping all processes with SIGTERM").await;
    app.log_says("heroku[web.2]: State changed from up to down").await;
    app.log_says("heroku[web.3]: State changed from up to down").await;
    let dynos = app.read("/dynos").await;
    assert_eq!(dynos.as_array().unwrap().len(), 1, "{dynos}");
    assert_eq!((dynos[0]["name"].as_str(), dynos[0]["state"].as_str()), (Some("web.1"), Some("up")));
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn route_15_scaled_to_zero_answers_h14_and_comes_back() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app.scale("web", 0).await;
    app.log_says("State changed from up to down").await;
    assert_eq!(app.get("/").await.status, 503);
    app.log_says("at=error code=H14 desc=\"No web processes running\"").await;
    app.scale("web", 1).await;
    assert_eq!(app.get("/").await.text(), "one", "held until the dyno is up");
}

#[tokio::test]
async fn dyno_35_restart_replaces_web_without_a_gap() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let before = app.read("/dynos").await[0]["id"].clone();
    let answer = app.call("DELETE", "/dynos", None).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    app.log_says("Restarted all dynos by user").await;
    app.log_says("State changed from up to down").await;
    assert_eq!(app.get("/").await.text(), "one");
    assert_ne!(app.read("/dynos").await[0]["id"], before);
}

#[tokio::test]
async fn dyno_30_a_dyno_that_ignores_sigterm_is_killed_and_says_r12() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let stubborn =
        Source::answering("one").with("Procfile", "web: trap '' TERM; python3 server.py & while :; do wait; done\n");
    app.push(stubborn).await.released("v3");
    app.scale("web", 0).await;
    app.log_says("Error R12 (Exit timeout)").await;
    app.log_says("Stopping process with SIGKILL").await;
    app.log_says("Process exited with status 137").await;
}

#[tokio::test]
async fn dyno_31_exit_0_of_a_formation_dyno_is_a_crash_and_is_restarted() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let source = Source::answering("one").with("Procfile", "web: python3 server.py\nworker: echo done; exit 0\n");
    app.push(source).await.released("v3");
    app.scale("worker", 1).await;
    app.log_says("heroku[worker.1]: State changed from up to crashed").await;
    app.log_says("heroku[worker.1]: It is tried again in 5 seconds").await;
}

#[tokio::test]
async fn route_63_maintenance_mode() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let answer = flow.patch("/apps/shop", &json!({ "maintenance": true })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    app.log_says("Maintenance mode enabled").await;
    app.served_status("/", 503).await;
    app.log_says("at=info code=H80 desc=\"Maintenance mode\"").await;
    flow.patch("/apps/shop", &json!({ "maintenance": false })).await;
    app.served("/", "one").await;
}
