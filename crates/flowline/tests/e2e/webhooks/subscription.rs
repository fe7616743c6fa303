//! Subscriptions: made, read, changed, removed; what a notification holds.

use super::{deliveries, maintenance, said, subscribe};
use crate::flow;
use serde_json::{Value, json};
use testkit::{HookTarget, KeyedCertificate, Source};

#[tokio::test]
async fn hook_4_a_notification_is_signed_and_holds_the_resource_before_and_after() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start().await;
    let body = json!({ "include": ["api:app"], "level": "notify", "url": receiver.url("/a/b?c=d"),
        "authorization": "Token 0123" });
    let made = app.call("POST", "/webhooks", Some(&body)).await;
    let hook = super::Hook {
        id: made.json()["id"].as_str().unwrap().to_owned(),
        secret: made.header("heroku-webhook-secret").to_owned(),
    };
    assert_eq!(hook.secret.len(), 64, "{made:?}");
    maintenance(&app, true).await;
    let received = receiver.next().await;
    let content = hook.open(&received);
    assert_eq!((received.line.as_str(), received.header("authorization")), ("POST /a/b?c=d", "Token 0123"));
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(content["data"], app.read("").await, "the resource as the API shows it");
    let updated = content["previous_data"].as_object().unwrap();
    assert_eq!(updated["maintenance"], false);
    assert!(updated.keys().all(|key| key == "maintenance" || key == "updated_at"), "{updated:?}");
    assert_eq!((&content["action"], &content["resource"]), (&json!("update"), &json!("app")));
    assert_eq!(content["actor"]["email"], "admin@localhost");
    assert_eq!(content["version"], "application/vnd.heroku+json; version=3");
    let metadata = &content["webhook_metadata"];
    assert_eq!((&metadata["webhook"]["id"], &metadata["event"]["include"]), (&json!(hook.id), &json!("api:app")));
    let all = deliveries(&app, "the delivery", |all| all.iter().all(|one| one["status"] == "succeeded")).await;
    assert_eq!(
        (&metadata["delivery"]["id"], &metadata["attempt"]["id"]),
        (&all[0]["id"], &all[0]["last_attempt"]["id"])
    );
    let event = app.read(&format!("/webhook-events/{}", content["id"].as_str().unwrap())).await;
    assert_eq!((&event["payload"]["data"], &event["id"]), (&content["data"], &metadata["event"]["id"]));
    maintenance(&app, false).await;
    let next = hook.open(&receiver.next().await);
    assert!(next["sequence"].as_i64() > content["sequence"].as_i64(), "{next}");
}

#[tokio::test]
async fn hook_8_a_deploy_is_told_step_by_step() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start().await;
    let all = ["api:build", "api:release", "api:formation", "dyno"];
    let hook = subscribe(&app, "sync", &all, &receiver).await;
    let source = Source::answering("one").with("Procfile", "web: python3 server.py\nrelease: echo done\n");
    app.push(source).await.released("v3");
    let (mut steps, mut sequences) = (Vec::new(), Vec::new());
    while steps.last().map(String::as_str) != Some("dyno update up") || !steps.contains(&"formation create".to_owned())
    {
        let content = hook.open(&receiver.next().await);
        sequences.push(content["sequence"].as_i64().unwrap());
        // The release command's own dyno is told too; here it only stands in the way.
        if content["data"]["type"] != "release" {
            steps.push(said(&content));
        }
    }
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    let deploy = [
        "build create pending",
        "release create pending",
        "build update succeeded",
        "release update succeeded",
        "formation create",
        "dyno create starting",
        "dyno update up",
    ];
    assert_eq!(steps, deploy);
    app.scale("web", 2).await;
    assert_eq!(said(&hook.open(&receiver.next().await)), "formation update");
    assert_eq!(said(&hook.open(&receiver.next().await)), "dyno create starting");
}

#[tokio::test]
async fn hook_1_hook_3_what_cannot_be_subscribed_to() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let good = json!({ "include": ["api:release"], "level": "notify", "url": "https://hook.example.org/x" });
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for (wrong, words) in [
        (with("include", json!([])), "at least one entity"),
        (with("include", json!(["api:nothing"])), "`api:nothing` is nothing to subscribe to"),
        (with("include", json!("api:release")), "`include`"),
        (with("level", json!("loud")), "level `loud`"),
        (with("url", json!("hook.example.org")), "http or https"),
        (with("url", json!("http://x/\r\nHost: y")), "http or https"),
        (with("url", json!(7)), "`url`"),
        (with("secret", json!("")), "secret must be"),
        (with("authorization", json!("a\nb")), "authorization must be"),
        (json!({}), "include"),
    ] {
        let answer = app.call("POST", "/webhooks", Some(&wrong)).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{wrong}");
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{wrong}: {}", answer.text());
    }
    // cli_36: nobody answers there, and that is no reason to refuse it.
    for _ in 0..10 {
        assert_eq!(app.call("POST", "/webhooks", Some(&good)).await.status, 201);
    }
    let one_more = app.call("POST", "/webhooks", Some(&good)).await;
    assert_eq!(one_more.status, 422);
    assert!(one_more.text().contains("10 webhooks"), "{}", one_more.text());
}

#[tokio::test]
async fn hook_2_a_webhook_is_read_changed_and_removed_and_its_secret_is_nowhere() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start().await;
    let own = "a secret that was brought along";
    let body = json!({ "include": ["api:release"], "level": "notify", "url": "https://hook.example.org/", "secret": own,
        "authorization": "Bearer treasure" });
    let made = app.call("POST", "/webhooks", Some(&body)).await;
    assert_eq!(made.header("heroku-webhook-secret"), "", "who brings a secret knows it");
    let path = format!("/webhooks/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(app.read(&path).await, made.json());
    assert_eq!(app.read("/webhooks").await, json!([made.json()]));
    let change = json!({ "include": ["api:app", "dyno"], "level": "sync", "url": receiver.url("/") });
    let changed = app.call("PATCH", &path, Some(&change)).await.json();
    assert_eq!((&changed["include"], &changed["level"]), (&change["include"], &change["level"]));
    assert_eq!(app.read(&path).await, changed);
    maintenance(&app, true).await;
    let hook = super::Hook { id: String::new(), secret: own.to_owned() };
    let received = receiver.next().await;
    hook.open(&received);
    assert_eq!(received.header("authorization"), "Bearer treasure", "a change of others leaves it");
    let renewed = json!({ "secret": "another one", "authorization": null });
    assert_eq!(app.call("PATCH", &path, Some(&renewed)).await.status, 200);
    maintenance(&app, false).await;
    let received = receiver.next().await;
    super::Hook { id: String::new(), secret: "another one".to_owned() }.open(&received);
    assert_eq!(received.header("authorization"), "");
    let kept = ["flowline.db", "flowline.db-wal"].map(|name| std::fs::read(flow.dir().join(name)).unwrap_or_default());
    for secret in [own, "another one", "Bearer treasure"] {
        let found = kept.iter().any(|file| file.windows(secret.len()).any(|part| part == secret.as_bytes()));
        assert!(!found, "`{secret}` lies open in the database");
    }
    assert_eq!(app.call("DELETE", &path, None).await.json()["id"], changed["id"]);
    let gone = app.call("GET", &path, None).await;
    assert_eq!((gone.status.as_u16(), gone.json()["resource"].as_str()), (404, Some("webhook")));
    assert_eq!(app.read("/webhooks").await, json!([]));
    assert_eq!(app.call("GET", "/webhook-events/nonsense", None).await.status, 404);
}

#[tokio::test]
async fn hook_3_people_and_domains_are_told() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start().await;
    let hook = subscribe(&app, "sync", &["api:collaborator", "api:domain"], &receiver).await;
    flow.account("helper@example.org").await;
    let domain = json!({ "hostname": "www.example.org", "sni_endpoint": null });
    assert_eq!(app.call("POST", "/domains", Some(&domain)).await.status, 201);
    let helper = json!({ "user": "helper@example.org" });
    assert_eq!(app.call("POST", "/collaborators", Some(&helper)).await.status, 201);
    assert_eq!(app.call("DELETE", "/domains/www.example.org", None).await.status, 200);
    assert_eq!(app.call("DELETE", "/collaborators/helper@example.org", None).await.status, 200);
    for (words, key, value) in [
        ("domain create", "/hostname", "www.example.org"),
        ("collaborator create", "/user/email", "helper@example.org"),
        ("domain destroy", "/hostname", "www.example.org"),
        ("collaborator destroy", "/user/email", "helper@example.org"),
    ] {
        let content = hook.open(&receiver.next().await);
        assert!(said(&content).starts_with(words), "{content:#}");
        assert_eq!(content["data"].pointer(key), Some(&json!(value)), "{content:#}");
    }
}

#[tokio::test]
async fn hook_3_certificates_are_told_and_their_keys_are_not() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut receiver = HookTarget::start().await;
    let hook = subscribe(&app, "sync", &["api:sni-endpoint"], &receiver).await;
    let certificate = KeyedCertificate::make(&["www.example.com"], 2400);
    let body = json!({ "certificate_chain": certificate.chain, "private_key": certificate.key });
    let made = app.call("POST", "/sni-endpoints", Some(&body)).await.json();
    let path = format!("/sni-endpoints/{}", made["id"].as_str().unwrap());
    let other = KeyedCertificate::make(&["shop.example.com"], 2400);
    let body = json!({ "certificate_chain": other.chain, "private_key": other.key });
    assert_eq!(app.call("PATCH", &path, Some(&body)).await.status, 200);
    assert_eq!(app.call("DELETE", &path, None).await.status, 200);
    let mut told = Vec::new();
    for (action, name) in
        [("create", "www.example.com"), ("update", "shop.example.com"), ("destroy", "shop.example.com")]
    {
        let received = receiver.next().await;
        assert!(!String::from_utf8_lossy(&received.body).contains("PRIVATE KEY"), "{action}");
        let content = hook.open(&received);
        assert_eq!(said(&content), format!("sni-endpoint {action}"), "{content:#}");
        assert_eq!(content["data"]["ssl_cert"]["cert_domains"], json!([name]), "{content:#}");
        told.push(content);
    }
    assert_eq!(told[0]["data"], made, "as the API shows it");
    assert_eq!(told[1]["previous_data"]["ssl_cert"]["cert_domains"], json!(["www.example.com"]));
}
