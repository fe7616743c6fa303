//! What pipelines tell: promotions that come to nothing, gates that stay shut, tests that fail; and a drill that reaches everybody.

use super::{flow_with, notices, route};
use crate::flow;
use serde_json::{Value, json};
use testkit::{App, Flow, HookTarget, MailTarget, MailTls, Source, until};

/// A pipeline with an app at each stage.
async fn line(flow: &Flow) -> String {
    let pipeline = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].clone();
    for (app, stage) in [("shop-staging", "staging"), ("shop", "production")] {
        flow.app(app).await;
        let coupling = json!({ "app": app, "pipeline": pipeline, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    pipeline.as_str().unwrap().to_owned()
}

/// Promotes what is on staging; the status of the answer. It is over then.
async fn promote(flow: &Flow, id: &str) -> u16 {
    let (from, to) = (json!({ "app": { "id": "shop-staging" } }), json!([{ "app": { "id": "shop" } }]));
    let body = json!({ "pipeline": { "id": id }, "source": from, "targets": to });
    let answer = flow.post("/pipeline-promotions", &body).await;
    if answer.status == 201 {
        flow.read_address(&answer.json()["event_stream_url"]).await;
    }
    answer.status.as_u16()
}

/// What was told of a kind, in words: `broken`, `fixed`.
async fn told(app: &App<'_>, kind: &str) -> Vec<String> {
    let all = app.read("/notices").await;
    let of_kind = all.as_array().unwrap().iter().filter(|one| one["kind"] == kind);
    of_kind.map(|one| one["turn"].as_str().unwrap().to_owned()).collect()
}

/// The kinds that are broken.
async fn broken(app: &App<'_>) -> Vec<String> {
    let all = app.read("/alarms").await;
    all.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_promotion_that_comes_to_nothing_is_told_with_the_line_that_says_why() {
    let mut target = MailTarget::start(MailTls::None).await;
    let flow = flow_with(&target).await;
    let id = line(&flow).await;
    let (staging, shop) = (flow.known_app("shop-staging"), flow.known_app("shop"));
    shop.config(json!({ "CODE": "3" })).await;
    let body =
        json!({ "include": ["api:pipeline-promotion-target"], "level": "notify", "url": "http://127.0.0.1:9/x" });
    assert_eq!(shop.call("POST", "/webhooks", Some(&body)).await.status, 201);
    let phase = "web: python3 server.py\nrelease: echo 'error: no such column'; exit ${CODE:-0}\n";
    staging.push(Source::answering("one").with("Procfile", phase)).await.released("v3");
    assert_eq!(promote(&flow, &id).await, 201);
    let mail = target.next().await;
    assert_eq!(mail.header("Subject"), "shop (production): release broken and 1 more");
    let text = mail.text();
    let why = "The promotion of shop-staging v3 came to nothing: The release command of v4 failed";
    assert!(text.contains(why) && text.contains("error: no such column"), "{text}");
    assert_eq!(broken(&shop).await, ["promotion", "release"]);
    shop.config(json!({ "CODE": null })).await;
    assert_eq!(shop.settled(5).await, "succeeded");
    assert_eq!(promote(&flow, &id).await, 201);
    notices(&shop, "the promotion is told to be fixed", |all| {
        all.iter().any(|one| one["kind"] == "promotion" && one["turn"] == "fixed")
    })
    .await;
    assert_eq!(told(&shop, "promotion").await, ["broken", "fixed"]);
    assert_eq!(broken(&shop).await, Vec::<String>::new());
    let events = shop.read("/webhook-events").await;
    let of_target = |event: &&Value| event["include"] == "api:pipeline-promotion-target";
    let steps: Vec<String> = events.as_array().unwrap().iter().filter(of_target).map(step).collect();
    let once = |end: &str| ["create pending", "update pending", end].map(str::to_owned);
    assert_eq!(steps, [once("update failed"), once("update succeeded")].concat(), "{events}");
}

fn step(event: &Value) -> String {
    let payload = &event["payload"];
    format!("{} {}", payload["action"].as_str().unwrap(), payload["data"]["status"].as_str().unwrap())
}

#[tokio::test]
async fn a_gate_that_refuses_is_told_once_and_when_it_lets_in() {
    let flow = flow().await;
    let id = line(&flow).await;
    let (staging, shop) = (flow.known_app("shop-staging"), flow.known_app("shop"));
    route(&shop, json!({ "to": ["log"], "kinds": ["gate"] })).await;
    staging.push(Source::answering("one")).await.released("v3");
    let lock = format!("/pipelines/{id}/stage/production/lock");
    assert_eq!(flow.post(&lock, &json!({ "reason": "launch day" })).await.status, 201);
    assert_eq!((promote(&flow, &id).await, promote(&flow, &id).await), (422, 422));
    assert_eq!(told(&shop, "gate").await, ["broken"], "the same rules of the same release are no news");
    let alarm = shop.read("/alarms").await[0].clone();
    assert_eq!(alarm["what"], "shop-staging v3 waits at the gates to production: lock");
    assert!(alarm["first_failing_line"].as_str().unwrap().contains("launch day"), "{alarm}");
    shop.log_says("Alarm: shop (production): gate broken: shop-staging v3 waits at the gates").await;
    assert_eq!(flow.call("DELETE", &lock, None).await.status, 200);
    assert_eq!((promote(&flow, &id).await, promote(&flow, &id).await), (201, 201));
    assert_eq!(told(&shop, "gate").await, ["broken", "fixed"], "that a gate is open is no news");
    // Whatever only a pipeline can break is broken no more without one.
    assert_eq!(flow.post(&lock, &json!({ "reason": "again" })).await.status, 201);
    staging.push(Source::answering("two")).await.released("v4");
    assert_eq!(promote(&flow, &id).await, 422);
    assert_eq!(broken(&shop).await, ["gate"]);
    assert_eq!(flow.delete(&format!("/pipelines/{id}")).await.status, 200);
    assert_eq!(broken(&shop).await, Vec::<String>::new());
    let left = shop.read("/webhook-events").await;
    assert_eq!(left.as_array().unwrap().last().unwrap()["include"], "api:pipeline-coupling", "{left}");
}

#[tokio::test]
async fn code_that_would_go_on_by_itself_is_told_when_it_waits_for_people() {
    let flow = flow().await;
    let id = line(&flow).await;
    let (staging, shop) = (flow.known_app("shop-staging"), flow.known_app("shop"));
    route(&shop, json!({ "to": ["log"] })).await;
    let gates = format!("/pipelines/{id}/stage/production/gates");
    let set = json!({ "promote": "auto", "soak": "30m" });
    assert_eq!(flow.patch(&gates, &set).await.status, 200);
    staging.push(Source::answering("one")).await.released("v3");
    assert_eq!(flow.patch(&gates, &json!({ "approvals": 1 })).await.status, 200);
    until("the gate to be told", async || broken(&shop).await == ["gate"]).await;
    let alarm = shop.read("/alarms").await[0].clone();
    // Time alone is no alarm: that there was none before it needed somebody cannot be seen later than here.
    assert_eq!(alarm["what"], "shop-staging v3 waits at the gates to production: approvals, soak");
    assert_eq!(flow.patch(&gates, &json!({ "approvals": 0, "soak": null })).await.status, 200);
    shop.served("/", "one").await;
    assert_eq!(told(&shop, "gate").await, ["broken", "fixed"]);
}

#[tokio::test]
async fn tests_that_fail_are_told_to_whoever_wrote_the_commit_and_when_they_pass_again() {
    let mut target = MailTarget::start(MailTls::None).await;
    let flow = flow_with(&target).await;
    let id = line(&flow).await;
    let staging = flow.known_app("shop-staging");
    flow.account("tester@localhost").await;
    let see = json!({ "user": "tester@localhost" });
    assert_eq!(staging.call("POST", "/collaborators", Some(&see)).await.status, 201);
    assert_eq!(flow.patch(&format!("/pipelines/{id}/test-gate"), &json!({ "enabled": true })).await.status, 200);
    let tested = |test: &str| {
        let app_json = json!({ "environments": { "test": { "scripts": { "test": test } } } });
        Source::answering("one").with("app.json", &app_json.to_string())
    };
    staging.push(tested("echo 'FAILED basket is empty'; exit 1")).await.declined("its tests failed");
    let mail = target.next().await;
    assert_eq!(
        (mail.to.as_str(), mail.header("Subject").as_str()),
        ("tester@localhost", "shop-staging (staging): test broken")
    );
    assert!(mail.text().contains("FAILED basket is empty"), "{}", mail.text());
    staging.push(tested("exit 2")).await.declined("its tests failed");
    staging.push(tested("true")).await.released("v3");
    let mail = target.next().await;
    assert_eq!(mail.header("Subject"), "shop-staging (staging): test fixed");
    let events = staging.read("/webhook-events").await;
    let of_runs = events.as_array().unwrap().iter().filter(|event| event["include"] == "api:test-run");
    let steps: Vec<String> = of_runs.map(step).collect();
    let runs = ["failed", "failed", "succeeded"].map(|end| ["create pending".to_owned(), format!("update {end}")]);
    assert_eq!(steps, runs.concat());
    // Without the gate nothing of it is broken.
    staging.push(tested("exit 2")).await.declined("its tests failed");
    assert_eq!(broken(&staging).await, ["test"]);
    assert_eq!(flow.patch(&format!("/pipelines/{id}/test-gate"), &json!({ "enabled": false })).await.status, 200);
    assert_eq!(broken(&staging).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_drill_reaches_everybody_whatever_they_want_to_hear_and_says_who_was_not() {
    let mut target = MailTarget::start(MailTls::None).await;
    let flow = flow_with(&target).await;
    let id = line(&flow).await;
    let shop = flow.known_app("shop");
    let mut hook = HookTarget::start().await;
    let routes = format!("/pipelines/{id}/notification-routes");
    let of_pipeline = json!({ "to": [hook.url("/alarms")], "stage": "production", "severity": "critical" });
    assert_eq!(flow.post(&routes, &of_pipeline).await.status, 201);
    let elsewhere = json!({ "to": ["staging@example.org"], "stage": "staging" });
    assert_eq!(flow.post(&routes, &elsewhere).await.status, 201);
    assert_eq!(flow.post("/notification-routes", &json!({ "to": ["log"] })).await.status, 201);
    route(&shop, json!({ "to": ["boss@example.org"], "kinds": ["crash"], "after_s": 3600 })).await;
    let run = flow.cli(&["notifications:drill", "-a", "shop"]).await;
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains("4 of 4 arrived"), "{said}");
    let mut to = [target.next().await.to, target.next().await.to];
    to.sort();
    assert_eq!(to, ["admin@localhost", "boss@example.org"]);
    let post = hook.next().await.json();
    assert_eq!((&post["notices"][0]["kind"], &post["notices"][0]["turn"]), (&json!("drill"), &json!("test")));
    shop.log_says("A drill by admin@localhost").await;
    assert_eq!(broken(&shop).await, Vec::<String>::new(), "nothing is broken by a drill");
    // One that cannot be reached is named, and the command fails.
    hook.end().await;
    let run = flow.cli(&["notifications:drill", "--wait", "5", "-a", "shop"]).await;
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("webhook"), "{said}");
    assert!(said.contains("Not everybody was reached"), "{said}");
    let stranger = flow.account("stranger@example.org").await;
    assert_eq!(flow.call_as(&stranger, "POST", "/apps/shop/alarms/actions/drill", None).await.status, 404);
}
