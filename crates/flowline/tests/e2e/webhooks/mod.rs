//! App webhooks, told to a receiver on this machine: what comes, in which order, signed how, and what becomes of failures.

mod delivery;
mod subscription;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::{App, HookTarget, Received, eventually};

/// A subscription, and the secret that came with it.
struct Hook {
    id: String,
    secret: String,
}

/// Subscribes a receiver.
async fn subscribe(app: &App<'_>, level: &str, include: &[&str], receiver: &HookTarget) -> Hook {
    let body = json!({ "include": include, "level": level, "url": receiver.url("/hook") });
    let answer = app.call("POST", "/webhooks", Some(&body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    Hook { id, secret: answer.header("heroku-webhook-secret").to_owned() }
}

impl Hook {
    /// A notification's content, if its signature is good (HOOK-5).
    fn open(&self, received: &Received) -> Value {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signed = STANDARD.decode(received.header("heroku-webhook-hmac-sha256")).unwrap();
        hmac::verify(&key, &received.body, &signed).expect("the signature is of the raw body");
        received.json()
    }
}

/// `release create pending`, as one word each.
fn said(content: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = content["data"].get("status").or(content["data"].get("state")).map(text).unwrap_or_default();
    format!("{} {} {state}", text(&content["resource"]), text(&content["action"])).trim_end().to_owned()
}

/// Waits until the deliveries of an app are as wanted, and returns them.
async fn deliveries(app: &App<'_>, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let there =
        async || Some(app.read("/webhook-deliveries").await.as_array().unwrap().clone()).filter(|all| wanted(all));
    eventually(what, there).await
}

async fn maintenance(app: &App<'_>, on: bool) {
    let answer = app.call("PATCH", "", Some(&json!({ "maintenance": on }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
