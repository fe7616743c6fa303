//! Deliveries: one attempt or many, in order, past receivers that fail or hang, and past the end of the server.

use super::{Hook, deliveries, maintenance, said, subscribe};
use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{App, Flow, HookTarget, Identity, Reply, Start};

/// The next so many contents.
async fn contents(hook: &Hook, receiver: &mut HookTarget, count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < count {
        all.push(hook.open(&receiver.next().await));
    }
    all
}

fn states(all: &[Value]) -> Vec<bool> {
    all.iter().map(|content| content["data"]["maintenance"].as_bool().unwrap()).collect()
}

#[tokio::test]
async fn hook_6_sync_is_tried_again_and_later_events_wait_for_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start().await.answering([Reply::Status(500), Reply::Status(404)]);
    let hook = subscribe(&app, "sync", &["api:app"], &receiver).await;
    for on in [true, false, true] {
        maintenance(&app, on).await;
    }
    let came = contents(&hook, &mut receiver, 5).await;
    assert_eq!(states(&came), [true, true, true, false, true]);
    let attempts: Vec<&Value> = came.iter().map(|one| &one["webhook_metadata"]["attempt"]["id"]).collect();
    assert!(attempts[0] != attempts[1] && attempts[1] != attempts[2]);
    assert!(came[..3].iter().all(|one| one["id"] == came[0]["id"]), "repeated under one id");
    let over = |all: &[Value]| all.iter().all(|one| one["status"] == "succeeded");
    let all = deliveries(&app, "all deliveries", over).await;
    assert_eq!((all.len(), &all[0]["num_attempts"], &all[1]["num_attempts"]), (3, &json!(3), &json!(1)));
    assert_eq!(all[0]["last_attempt"]["code"], 200);
}

#[tokio::test]
async fn hook_6_notify_is_tried_once_and_redirects_are_not_followed() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut elsewhere = HookTarget::start().await;
    let replies = [Reply::Status(503), Reply::Redirect(elsewhere.url("/elsewhere"))];
    let mut receiver = HookTarget::start().await.answering(replies);
    let hook = subscribe(&app, "notify", &["api:app"], &receiver).await;
    for on in [true, false, true] {
        maintenance(&app, on).await;
    }
    assert_eq!(states(&contents(&hook, &mut receiver, 3).await), [true, false, true]);
    let over = |all: &[Value]| all.len() == 3 && all.iter().all(|one| one["status"] != "pending");
    let all = deliveries(&app, "the end of all deliveries", over).await;
    let ends: Vec<_> = all.iter().map(|one| (&one["status"], &one["last_attempt"]["code"])).collect();
    let (failed, succeeded) = (json!("failed"), json!("succeeded"));
    assert_eq!(ends, [(&failed, &json!(503)), (&failed, &json!(302)), (&succeeded, &json!(200))]);
    assert!(elsewhere.unread().is_empty() && receiver.unread().is_empty());
    assert_eq!(app.read(&format!("/webhook-deliveries/{}", all[0]["id"].as_str().unwrap())).await, all[0]);
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_nobody_else() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let hanging = HookTarget::start().await.answering(vec![Reply::Hang; 20]);
    for _ in 0..9 {
        subscribe(&app, "sync", &["api:app"], &hanging).await;
    }
    let mut receiver = HookTarget::start().await;
    let hook = subscribe(&app, "sync", &["api:app"], &receiver).await;
    for on in [true, false, true, false] {
        maintenance(&app, on).await;
    }
    assert_eq!(states(&contents(&hook, &mut receiver, 4).await), [true, false, true, false]);
    let waiting = app.read("/webhook-deliveries").await.as_array().unwrap().clone();
    let of_others: Vec<&Value> = waiting.iter().filter(|one| one["webhook"]["id"] != *hook.id).collect();
    assert_eq!(of_others.len(), 36);
    assert!(of_others.iter().all(|one| one["status"] == "pending"), "nine wait, and none of them was faster");
}

/// Changes an app while nobody takes its events.
async fn change(app: &App<'_>) {
    for on in [true, false, true] {
        maintenance(app, on).await;
    }
}

#[tokio::test]
async fn what_was_not_delivered_outlives_kill_9() {
    let mut flow = flow().await;
    flow.app("shop").await;
    let receiver = HookTarget::start().await.answering([Reply::Hang]);
    let hook = subscribe(&flow.known_app("shop"), "sync", &["api:app"], &receiver).await;
    change(&flow.known_app("shop")).await;
    let mut receiver = receiver;
    // It was sent, but nobody knows whether it was taken.
    assert_eq!(states(&contents(&hook, &mut receiver, 1).await), [true]);
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    assert_eq!(states(&contents(&hook, &mut receiver, 3).await), [true, false, true]);
    let ports = receiver.end().await;
    maintenance(&flow.known_app("shop"), false).await;
    let failed = |all: &[Value]| all.iter().any(|one| one["status"] == "retrying");
    let all = deliveries(&flow.known_app("shop"), "an attempt in vain", failed).await;
    let last = &all.last().unwrap()["last_attempt"];
    assert_eq!((&last["error_class"], &last["code"]), (&json!("ConnectionError"), &Value::Null));
    flow.end_serve(Signal::KILL).await;
    let mut receiver = HookTarget::start_at(ports).await;
    flow.start_serve().await;
    assert_eq!(states(&contents(&hook, &mut receiver, 1).await), [false]);
}

#[tokio::test]
async fn the_end_of_an_app_is_its_last_event() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start().await;
    let hook = subscribe(&app, "sync", &["api:app"], &receiver).await;
    let shown = app.read("").await;
    assert_eq!(app.call("DELETE", "", None).await.status, 200);
    let content = hook.open(&receiver.next().await);
    assert_eq!((said(&content).as_str(), &content["data"]), ("app destroy", &shown));
    assert_eq!(flow.app("shop").await.read("/webhooks").await, json!([]), "another app of that name");
}

#[tokio::test]
async fn hook_5_a_receiver_behind_tls_is_told_if_its_authority_is_known() {
    let (known, stranger) = (Identity::make(), Identity::make());
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &known.ca_pem).unwrap();
    let start = Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--drain-ca", ca.to_str().unwrap()]);
    let flow = Flow::start_as(start).await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start_tls(&known).await;
    let mut untrusted = HookTarget::start_tls(&stranger).await;
    let hook = subscribe(&app, "notify", &["api:app"], &receiver).await;
    subscribe(&app, "notify", &["api:app"], &untrusted).await;
    maintenance(&app, true).await;
    assert_eq!(states(&contents(&hook, &mut receiver, 1).await), [true], "signed, over https");
    let over = |all: &[Value]| all.len() == 2 && all.iter().all(|one| one["status"] != "pending");
    let all = deliveries(&app, "the end of both", over).await;
    let mut ends: Vec<_> =
        all.iter().map(|one| (one["status"].to_string(), one["last_attempt"]["code"].clone())).collect();
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(ends, [("\"failed\"".to_owned(), Value::Null), ("\"succeeded\"".to_owned(), json!(200))]);
    assert!(untrusted.unread().is_empty(), "nothing is said to who cannot show who it is");
}
