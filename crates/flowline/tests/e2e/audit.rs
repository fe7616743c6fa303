//! The audit log: who changed what, when, from where, before and after; and that nobody rewrites it.

use crate::flow;
use serde_json::{Value, json};
use testkit::{Flow, Source};
use tokio::process::Command;

async fn newest(flow: &Flow, path: &str, count: usize) -> Vec<Value> {
    let authorization = format!("Bearer {}", flow.token);
    let range = format!("number ..; order=desc, max={count}");
    let headers = [("authorization", authorization.as_str()), ("range", range.as_str())];
    let answer = flow.raw("GET", path, &headers, bytes::Bytes::new()).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    answer.json().as_array().unwrap().clone()
}

#[tokio::test]
async fn a_change_is_written_down_before_and_after_with_secrets_masked() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.config(json!({ "PASSWORD": "correct horse", "GONE": "soon" })).await;
    app.config(json!({ "PASSWORD": "battery staple", "GONE": null })).await;
    let records = newest(&flow, "/audit-events", 2).await;
    let (answered, asked) = (&records[0], &records[1]);
    assert_eq!((&asked["stage"], &answered["stage"]), (&json!("asked"), &json!("answered")));
    assert_eq!(asked["request_id"], answered["request_id"]);
    assert_eq!(asked["action"], "PATCH /apps/{app}/config-vars");
    assert_eq!(asked["path"], "/apps/shop/config-vars");
    assert_eq!(asked["actor"]["email"], "admin@localhost");
    assert_eq!(asked["address"], "127.0.0.1");
    assert_eq!(asked["content"]["sent"], json!({ "PASSWORD": "[masked]", "GONE": null }));
    assert_eq!(answered["status"], 200);
    let masked = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), json!("[masked]"))).collect::<Value>();
    assert_eq!(answered["content"]["before"], masked(&["GONE", "PASSWORD"]));
    assert_eq!(answered["content"]["after"], masked(&["PASSWORD"]));
    flow.call("PATCH", "/apps/shop", Some(&json!({ "maintenance": true }))).await;
    let records = newest(&flow, "/apps/shop/audit-events", 1).await;
    let content = &records[0]["content"];
    assert_eq!((&content["before"]["maintenance"], &content["after"]["maintenance"]), (&json!(false), &json!(true)));
    let refused = flow.call("PATCH", "/apps/shop", Some(&json!({ "name": "../x" }))).await;
    assert_eq!(newest(&flow, "/audit-events", 1).await[0]["status"], refused.status.as_u16());
    let all = serde_json::to_string(&newest(&flow, "/audit-events", 1000).await).unwrap();
    for secret in ["correct horse", "battery staple", flow.token.as_str()] {
        assert!(!all.contains(secret), "{secret} is in the audit log");
    }
    // A read changes nothing and leaves nothing.
    let before = newest(&flow, "/audit-events", 1).await;
    flow.get("/apps").await;
    assert_eq!(newest(&flow, "/audit-events", 1).await, before);
}

#[tokio::test]
async fn pushes_logins_and_people_are_in_it_and_each_sees_what_is_theirs() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let password = flow.password("ada@example.org").await;
    let login = flow.login("ada@example.org", &password, None).await.json();
    let ada = login["access_token"]["token"].as_str().unwrap();
    let own = flow.call_as(ada, "POST", "/apps", Some(&json!({ "name": "adas" }))).await;
    assert_eq!(own.status, 201, "{}", own.text());
    let all = newest(&flow, "/audit-events", 1000).await;
    let has = |action: &str, actor: &str| {
        all.iter().any(|record| record["action"] == action && record["actor"]["email"] == actor)
    };
    assert!(has("POST /{app}.git/git-receive-pack", "admin@localhost"));
    assert!(has("POST /accounts", "admin@localhost") && has("POST /oauth/authorizations", "ada@example.org"));
    let told = serde_json::to_string(&all).unwrap();
    assert!(!told.contains(ada) && !told.contains(&password), "a credential is in the audit log");
    assert_eq!(flow.call_as(ada, "GET", "/audit-events", None).await.status, 403);
    assert_eq!(flow.call_as(ada, "GET", "/apps/shop/audit-events", None).await.status, 404);
    let theirs = flow.call_as(ada, "GET", "/apps/adas/audit-events", None).await;
    assert_eq!(theirs.json(), json!([]), "it was not there yet when it was made");
    flow.call_as(ada, "PATCH", "/apps/adas", Some(&json!({ "maintenance": true }))).await;
    assert_eq!(flow.call_as(ada, "GET", "/apps/adas/audit-events", None).await.json().as_array().unwrap().len(), 2);
}

/// Somebody with the data folder in their hands.
const FORGER: &str = "import sqlite3, sys
path, what = sys.argv[1:]
with sqlite3.connect(path, timeout=30) as base:
    base.execute({
        'rename': 'UPDATE audit SET actor = \"mallory@example.org\" WHERE number = 2',
        'restore': 'UPDATE audit SET actor = \"admin@localhost\" WHERE number = 2',
        'remove': 'DELETE FROM audit WHERE number = 3',
    }[what])
";

#[tokio::test]
async fn a_record_that_is_changed_or_taken_out_breaks_the_chain() {
    let flow = flow().await;
    flow.app("shop").await.config(json!({ "A": "1" })).await;
    let whole = flow.get("/audit-events/chain").await.json();
    assert_eq!((&whole["ok"], &whole["broken_at"]), (&json!(true), &Value::Null));
    assert!(whole["records"].as_i64().unwrap() >= 4, "{whole}");
    let forge = async |what: &str| {
        let mut python = Command::new("python3");
        let done = python.args(["-c", FORGER]).arg(flow.dir().join("flowline.db")).arg(what).status().await.unwrap();
        assert!(done.success());
    };
    forge("rename").await;
    assert_eq!(flow.get("/audit-events/chain").await.json()["broken_at"], 2);
    forge("restore").await;
    assert_eq!(flow.get("/audit-events/chain").await.json()["ok"], true);
    forge("remove").await;
    assert_eq!(flow.get("/audit-events/chain").await.json()["broken_at"], 4);
}
