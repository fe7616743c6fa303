//! Errors are counted by hour, and the counts outlive the server.

use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{App, Source};

/// All that the answer counts of one code.
fn sum(answer: &Value, code: &str) -> u64 {
    answer["data"][code].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}

async fn errors(app: &App<'_>) -> Value {
    app.read("/router-metrics/errors").await
}

#[tokio::test]
async fn route_15_requests_that_nobody_answers_are_counted_and_the_counts_outlive_the_server() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("hello")).await.released("v3");
    assert_eq!(errors(&app).await["data"], json!({}));
    app.scale("web", 0).await;
    app.served_status("/nobody-0", 503).await;
    for nth in 1..=3 {
        assert_eq!(app.get(&format!("/nobody-{nth}")).await.status, 503);
    }
    for nth in 0..=3 {
        app.log_says(&format!("at=error code=H14 desc=\"No web processes running\" method=GET path=\"/nobody-{nth}\""))
            .await;
    }
    let met = errors(&app).await;
    assert_eq!(sum(&met, "H14"), 4, "{met}");
    assert_eq!(met["step"], "1h");
    assert_eq!(app.read("/formation/web/metrics/errors").await["data"], json!({}), "the router's are not the dynos'");
    flow.end_serve(Signal::TERM).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(sum(&errors(&app).await, "H14"), 4, "written when the server ended");
    let said = flow.cli(&["apps:errors", "-a", "shop"]).await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("router") && said.contains("H14"), "{said}");
    let json = flow.cli(&["apps:errors", "-a", "shop", "--json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["router"]["H14"], 4, "{json}");
}

#[tokio::test]
async fn periods_of_errors_that_cannot_be_are_refused() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for (query, words) in [
        ("start_time=yesterday", "start_time must be a time"),
        ("end_time=1", "end_time must be a time"),
        ("start_time=2026-01-02T00:00:00Z&end_time=2026-01-01T00:00:00Z", "must lie before"),
        ("step=1m", "step must be 1h"),
    ] {
        let answer = app.call("GET", &format!("/router-metrics/errors?{query}"), None).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text());
        assert!(answer.text().contains(words), "{query}: {}", answer.text());
    }
    let long_ago = "start_time=0001-01-01T00:00:00Z&end_time=9999-01-01T00:00:00Z";
    let all = app.read(&format!("/router-metrics/errors?{long_ago}")).await;
    assert_eq!(all["data"], json!({}), "a week is kept, and no more is looked at");
    let bad = app.call("GET", "/formation/no%20type/metrics/errors", None).await;
    assert_eq!(bad.status, 400, "{}", bad.text());
    assert!(bad.text().contains("invalid process_type provided"), "{}", bad.text());
}
