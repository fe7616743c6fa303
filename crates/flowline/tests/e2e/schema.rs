//! What a running server answers is what the published schema says (crates/api/tests/schema).

use crate::flow;
use crate::push::archive;
use serde_json::{Value, json};
use testkit::{App, Flow, Source};

/// The definitions, read once per test.
pub(crate) struct Schema(Value);

impl Schema {
    pub(crate) fn read() -> Self {
        Self(serde_json::from_str(include_str!("../../../api/tests/schema/platform-v3.json")).unwrap())
    }

    /// One value of a noun, with all formats (dates, addresses, ids).
    pub(crate) fn check(&self, noun: &str, value: &Value) {
        let mut schema = self.0.clone();
        schema["$ref"] = json!(format!("#/definitions/{noun}"));
        let validator = jsonschema::draft4::options().should_validate_formats(true).build(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{noun}: {errors:#?}\n{value:#}");
    }

    /// A list with so many of them.
    pub(crate) fn check_all(&self, noun: &str, list: &Value, count: usize) {
        let entries = list.as_array().unwrap();
        assert_eq!(entries.len(), count, "{noun}: {list:#}");
        entries.iter().for_each(|entry| self.check(noun, entry));
    }
}

async fn post(app: &App<'_>, path: &str, body: Value) -> Value {
    let answer = app.call("POST", path, Some(&body)).await;
    assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    answer.json()
}

async fn patch(app: &App<'_>, path: &str, body: Value) -> Value {
    let answer = app.call("PATCH", path, Some(&body)).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

async fn get(flow: &Flow, path: &str) -> Value {
    let answer = flow.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn the_account_and_its_apps() {
    let (flow, schema) = (flow().await, Schema::read());
    schema.check("account", &get(&flow, "/account").await);
    schema.check("rate-limit", &get(&flow, "/account/rate-limits").await);
    let made = flow.post("/apps", &json!({ "name": "shop", "region": "eu", "stack": "heroku-24" })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    schema.check("app", &made.json());
    schema.check("app", &flow.post("/apps", &json!({})).await.json());
    schema.check_all("app", &get(&flow, "/apps").await, 2);
    let app = flow.known_app("shop");
    schema.check("app", &app.read("").await);
    schema.check("app", &patch(&app, "", json!({ "maintenance": true })).await);
    schema.check("app", &patch(&app, "", json!({ "name": "store" })).await);
    let gone = flow.delete("/apps/store").await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    schema.check("app", &gone.json());
}

#[tokio::test]
async fn builds_slugs_and_releases_of_a_push() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    schema.check_all("release", &app.read("/releases").await, 2);
    let command = Source::answering("one").with("Procfile", "web: python3 server.py\nrelease: echo done\n");
    app.push(command).await.released("v3");
    app.push(Source::empty().with("README.md", "nothing to build")).await.declined("No default language");
    let builds = app.read("/builds").await;
    schema.check_all("build", &builds, 2);
    assert_eq!((&builds[0]["status"], &builds[1]["status"]), (&json!("succeeded"), &json!("failed")));
    schema.check("build", &app.read(&format!("/builds/{}", builds[0]["id"].as_str().unwrap())).await);
    schema.check("app", &app.read("").await);
    let releases = app.read("/releases").await;
    schema.check_all("release", &releases, 3);
    schema.check("release", &app.read("/releases/3").await);
    let slug = releases[2]["slug"]["id"].as_str().unwrap();
    schema.check("slug", &app.read(&format!("/slugs/{slug}")).await);
    schema.check("release", &post(&app, "/releases", json!({ "slug": slug, "description": "Once more" })).await);
    assert_eq!(app.settled(4).await, "succeeded");
    schema.check("release", &post(&app, "/releases", json!({ "release": "3" })).await);
}

#[tokio::test]
async fn sources_builds_and_slugs_by_api() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    let source = flow.post("/sources", &json!({})).await.json();
    schema.check("source", &source);
    schema.check("source", &post(&app, "/sources", json!({})).await);
    let blob = &source["source_blob"];
    let uploaded = flow.upload(&blob["put_url"], archive(&[("Procfile", "worker: cat"), ("x", "y")])).await;
    assert_eq!(uploaded.status, 200, "{}", uploaded.text());
    let version = json!({ "source_blob": { "url": blob["get_url"], "version": "v1.0" } });
    let build = post(&app, "/builds", version).await;
    schema.check("build", &build);
    assert_eq!(flow.read_address(&build["output_stream_url"]).await.status, 200, "to its end");
    app.log_says("Build succeeded").await;
    schema.check("build", &app.read(&format!("/builds/{}", build["id"].as_str().unwrap())).await);
    let announced = post(&app, "/slugs", json!({ "process_types": { "web": "cat" }, "commit": "0123" })).await;
    schema.check("slug", &announced);
    schema.check("slug", &app.read(&format!("/slugs/{}", announced["id"].as_str().unwrap())).await);
}

#[tokio::test]
async fn config_vars_formation_dynos_and_the_log() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    let vars = "config-var/definitions/config_vars";
    schema.check(vars, &app.read("/config-vars").await);
    schema.check(vars, &patch(&app, "/config-vars", json!({ "A": "1", "B": "" })).await);
    schema.check(vars, &app.read("/releases/3/config-vars").await);
    app.push(Source::answering("one").with("Procfile", "web: python3 server.py\nworker: cat\n")).await.released("v4");
    schema.check_all("formation", &app.read("/formation").await, 2);
    schema.check("formation", &app.read("/formation/web").await);
    let updates = json!({ "updates": [{ "type": "worker", "quantity": 1, "size": "eco" }] });
    schema.check_all("formation", &patch(&app, "/formation", updates).await, 2);
    schema.check("formation", &patch(&app, "/formation/worker", json!({ "quantity": "+1" })).await);
    let one_off = post(&app, "/dynos", json!({ "command": "cat /dev/zero >/dev/null", "attach": false })).await;
    schema.check("dyno", &one_off);
    app.log_says("heroku[worker.2]: State changed from starting to up").await;
    schema.check_all("dyno", &app.read("/dynos").await, 4);
    schema.check("dyno", &app.read("/dynos/web.1").await);
    schema.check("dyno", &post(&app, "/dynos/web.1", json!({ "command": "ls" })).await);
    schema.check("dyno", &app.read(&format!("/dynos/{}", one_off["id"].as_str().unwrap())).await);
    schema.check("log-session", &post(&app, "/log-sessions", json!({ "lines": 10, "tail": true })).await);
    let attached = post(&app, "/dynos", json!({ "command": "cat", "attach": true })).await;
    assert!(attached["attach_url"].as_str().unwrap().starts_with("rendezvous://127.0.0.1:"), "{attached}");
    schema.check("dyno", &attached);
}

#[tokio::test]
async fn webhooks_events_and_deliveries() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    let hook = "app-webhook/definitions/app_webhook";
    let body = json!({ "include": ["api:app"], "level": "notify", "url": "http://127.0.0.1:9/hook" });
    let made = post(&app, "/webhooks", body).await;
    schema.check(hook, &made);
    schema.check_all(hook, &app.read("/webhooks").await, 1);
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    schema.check(hook, &app.read(&path).await);
    schema.check(hook, &patch(&app, &path, json!({ "level": "sync" })).await);
    patch(&app, "", json!({ "maintenance": true })).await;
    let events = app.read("/webhook-events").await;
    schema.check_all("app-webhook-event", &events, 4);
    schema
        .check("app-webhook-event", &app.read(&format!("/webhook-events/{}", events[3]["id"].as_str().unwrap())).await);
    let deliveries = app.read("/webhook-deliveries").await;
    schema.check_all("app-webhook-delivery", &deliveries, 1);
    let one = deliveries[0]["id"].as_str().unwrap();
    schema.check("app-webhook-delivery", &app.read(&format!("/webhook-deliveries/{one}")).await);
    let gone = app.call("DELETE", &path, None).await;
    schema.check(hook, &gone.json());
}
