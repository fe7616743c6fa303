//! Webhooks, their deliveries and events.

use crate::support::{Reply, Server};
use serde_json::{Value, json};

fn hook() -> Value {
    json!({ "id": "h1", "include": ["api:app", "dyno"], "level": "sync", "url": "https://example.org/hook" })
}

fn delivery() -> Value {
    json!({ "id": "d1", "event": { "id": "e1", "include": "api:app" }, "status": "retrying", "num_attempts": 2,
        "next_attempt_at": "2026-01-02T03:05:00Z", "last_attempt": { "code": null, "error_class": "Timeout" },
        "created_at": "2020-01-02T03:04:05Z" })
}

fn event() -> Value {
    json!({ "id": "e1", "include": "api:app", "created_at": "2020-01-02T03:04:05Z",
        "payload": { "action": "update", "actor": { "email": "a@b.c" }, "data": { "name": "shop" } } })
}

async fn server() -> Server {
    Server::start(|seen, _| match seen.line.as_str() {
        "GET /apps/shop/webhooks" => Reply::json(200, &json!([hook()])),
        "GET /apps/empty/webhooks" | "GET /apps/empty/webhook-deliveries" => Reply::json(200, &json!([])),
        "POST /apps/shop/webhooks" => Reply::json(201, &hook()).with("heroku-webhook-secret", "s3cret"),
        "GET /apps/shop/webhooks/h1" | "PATCH /apps/shop/webhooks/h1" | "DELETE /apps/shop/webhooks/h1" => {
            Reply::json(200, &hook())
        }
        "GET /apps/shop/webhook-deliveries" => Reply::json(200, &json!([delivery()])),
        "GET /apps/shop/webhook-deliveries/d1" => Reply::json(200, &delivery()),
        "GET /apps/shop/webhook-events" => Reply::json(200, &json!([event()])),
        "GET /apps/shop/webhook-events/e1" => Reply::json(200, &event()),
        other => Reply::error(404, "not_found", other),
    })
    .await
}

#[tokio::test]
async fn webhooks_are_listed_and_shown() {
    let server = server().await;
    let listed = "=== ⬢ shop Webhooks\n\nh1  https://example.org/hook  api:app,dyno  sync\n";
    assert_eq!(server.run(&["webhooks", "-a", "shop"]).await.out, listed);
    assert!(server.run(&["webhooks", "-a", "empty"]).await.out.contains("has no webhooks"));
    let shown = "=== Webhook h1\n\nInclude: api:app,dyno\nLevel:   sync\nURL:     https://example.org/hook\n";
    assert_eq!(server.run(&["webhooks:info", "h1", "-a", "shop"]).await.out, shown);
    assert_eq!(server.run(&["webhooks", "-a", "shop", "--json"]).await.json()[0]["id"], "h1");
    assert_eq!(server.run(&["webhooks:info", "h2", "-a", "shop"]).await.code, 4);
}

#[tokio::test]
async fn hook_2_a_generated_secret_is_printed_once() {
    let server = server().await;
    let words = ["webhooks:add", "-i", "api:app,dyno", "-l", "sync", "-u", "https://example.org/hook", "-a", "shop"];
    let ran = server.run(&words).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "s3cret\n"), "{ran:?}");
    assert!(ran.err.starts_with("Adding webhook to ⬢ shop... done\n"), "{}", ran.err);
    let sent = json!({ "include": ["api:app", "dyno"], "level": "sync", "url": "https://example.org/hook" });
    assert_eq!(server.seen().last().unwrap().body, sent);
    let json = server.run(&[&words[..], &["--json"]].concat()).await.json();
    assert_eq!((&json["id"], &json["secret"]), (&json!("h1"), &json!("s3cret")));
}

#[tokio::test]
async fn webhooks_are_changed_and_removed() {
    let server = server().await;
    let words = ["webhooks:update", "h1", "-i", "api:app", "-s", "new", "-t", "Bearer x", "-a", "shop"];
    let ran = server.run(&words).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, "Updating webhook h1 of ⬢ shop... done\n"), "{ran:?}");
    let sent = json!({ "include": ["api:app"], "secret": "new", "authorization": "Bearer x" });
    assert_eq!(server.seen().last().unwrap().body, sent);
    let gone = server.run(&["webhooks:remove", "h1", "-a", "shop"]).await;
    assert_eq!((gone.code, gone.err.as_str()), (0, "Removing webhook h1 from ⬢ shop... done\n"));
}

#[tokio::test]
async fn deliveries_and_events_tell_what_happened() {
    let server = server().await;
    let table = server.run(&["webhooks:deliveries", "-a", "shop"]).await.out;
    assert!(
        table.starts_with("=== ⬢ shop Webhook Deliveries\n\nd1  retrying  api:app  2  Timeout  2020/01/02"),
        "{table}"
    );
    assert!(server.run(&["webhooks:deliveries", "-a", "empty"]).await.out.contains("has no webhook deliveries"));
    let shown = server.run(&["webhooks:deliveries:info", "d1", "-a", "shop"]).await.out;
    assert!(shown.contains("Event:        api:app e1") && shown.contains("Last Attempt: Timeout"), "{shown}");
    let events = server.run(&["webhooks:events", "-a", "shop"]).await.out;
    assert!(events.contains("e1  api:app  update  a@b.c  2020/01/02"), "{events}");
    let one = server.run(&["webhooks:events:info", "e1", "-a", "shop"]).await.json();
    assert_eq!(one["payload"]["data"]["name"], "shop");
}
