//! What holds for every request of the API, whatever it is about.

use crate::flow;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use testkit::{Answer, Flow};

/// A call as the admin with more headers.
async fn with(flow: &Flow, method: &str, path: &str, more: &[(&str, &str)], body: Bytes) -> Answer {
    let authorization = format!("Bearer {}", flow.token);
    let headers = [&[("authorization", authorization.as_str())], more].concat();
    flow.raw(method, path, &headers, body).await
}

fn packed(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap().into()
}

#[tokio::test]
async fn api_13_a_post_that_comes_again_with_its_key_is_done_once() {
    let mut flow = flow().await;
    let post = async |flow: &Flow, key: &str, body: &Value| {
        with(flow, "POST", "/apps", &[("idempotency-key", key)], Bytes::from(body.to_string())).await
    };
    let first = post(&flow, "one", &json!({ "region": "eu" })).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (201, ""));
    let again = post(&flow, "one", &json!({ "region": "eu" })).await;
    assert_eq!((again.status, &again.body, again.header("idempotent-replayed")), (first.status, &first.body, "true"));
    let other = post(&flow, "one", &json!({ "region": "us" })).await;
    assert_eq!((other.status.as_u16(), other.json()["id"].as_str()), (422, Some("invalid_params")));
    assert!(other.text().contains("another request"), "{}", other.text());
    let refused = post(&flow, "two", &json!({ "name": "X" })).await;
    assert_eq!(
        (refused.status.as_u16(), &post(&flow, "two", &json!({ "name": "X" })).await.body),
        (422, &refused.body)
    );
    for bad in ["", &"x".repeat(256)] {
        assert_eq!(post(&flow, bad, &json!({})).await.status, 422);
    }
    let token = flow.account("other@example.org").await;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", "one")];
    let theirs = flow.raw("POST", "/apps", &headers, Bytes::from_static(b"{}")).await;
    assert_ne!(theirs.json()["id"], first.json()["id"], "a key is its token's own");
    flow.replace_serve(None).await;
    assert_eq!(post(&flow, "one", &json!({ "region": "eu" })).await.body, first.body, "also after kill -9");
    assert_eq!(flow.get("/apps").await.json().as_array().unwrap().len(), 1);
    // The secret of a webhook is shown again to whoever did not see the first answer, and lies nowhere in the open.
    let name = first.json()["name"].as_str().unwrap().to_owned();
    let hook = Bytes::from(json!({ "include": ["api:app"], "level": "sync", "url": "http://127.0.0.1:9" }).to_string());
    let path = format!("/apps/{name}/webhooks");
    let made = with(&flow, "POST", &path, &[("idempotency-key", "hook")], hook.clone()).await;
    let again = with(&flow, "POST", &path, &[("idempotency-key", "hook")], hook).await;
    let secret = made.header("heroku-webhook-secret");
    assert_eq!((secret.len(), secret), (64, again.header("heroku-webhook-secret")));
    flow.end_serve(rustix::process::Signal::TERM).await;
    let database = std::fs::read(flow.dir().join("flowline.db")).unwrap();
    assert!(!database.windows(64).any(|part| part == secret.as_bytes()));
    flow.start_serve().await;
}

#[tokio::test]
async fn api_12_bodies_may_be_compressed_and_need_no_content_type() {
    let flow = flow().await;
    let gzip = [("content-encoding", "gzip")];
    let made = with(&flow, "POST", "/apps", &gzip, packed(b"{\"name\": \"packed\"}")).await;
    assert_eq!((made.status.as_u16(), &made.json()["name"]), (201, &json!("packed")));
    let bomb = with(&flow, "POST", "/apps", &gzip, packed(&vec![b' '; 64 << 20])).await;
    assert_eq!(bomb.status, 413, "{}", bomb.text());
    assert_eq!(with(&flow, "POST", "/apps", &gzip, Bytes::from_static(b"{}")).await.status, 400);
    assert_eq!(with(&flow, "POST", "/apps", &[("content-encoding", "br")], Bytes::from_static(b"x")).await.status, 415);
    for (name, kind) in
        [("bare", None), ("plain", Some("text/plain")), ("odd", Some("application/x-www-form-urlencoded"))]
    {
        let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
        let made =
            with(&flow, "POST", "/apps", &headers, Bytes::from(json!({ "name": name.repeat(2) }).to_string())).await;
        assert_eq!(made.status, 201, "{kind:?}: {}", made.text());
    }
}

#[tokio::test]
async fn api_3_json_that_is_too_deep_or_no_text_is_400_and_nothing_is_made() {
    let flow = flow().await;
    let deep = |open: &str, close: &str| format!("{{\"name\": {}{}}}", open.repeat(100_000), close.repeat(100_000));
    for body in [
        deep("[", "]").into_bytes(),
        deep("{\"a\":", "}").into_bytes(),
        b"{\"name\": \"\xff\xfe\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\"name\": \"\\ud800\"}".to_vec(),
        b"{\"name\": 1e999}".to_vec(),
    ] {
        let answer = with(&flow, "POST", "/apps", &[], body.clone().into()).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{shown}: {} {}", answer.status, answer.text());
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(flow.get("/apps").await.json(), json!([]));
}

#[tokio::test]
async fn api_12_pages_of_other_sites_may_ask() {
    let flow = flow().await;
    let origin = ("origin", "https://dashboard.example.org");
    let asked =
        [origin, ("access-control-request-method", "PATCH"), ("access-control-request-headers", "authorization")];
    let preflight = flow.raw("OPTIONS", "/apps/shop", &asked, Bytes::new()).await;
    assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-origin")), (200, "*"));
    assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
    assert!(preflight.header("access-control-allow-headers").contains("Authorization"));
    for (path, status) in [("/apps", 200), ("/apps/shop", 404), ("//x//y", 404)] {
        let answer = with(&flow, "GET", path, &[origin], Bytes::new()).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (status, "*"), "{path}");
        assert!(answer.header("access-control-expose-headers").contains("Next-Range"));
        assert_eq!(answer.header("access-control-allow-credentials"), "", "nothing that a browser adds by itself");
    }
    assert_eq!(with(&flow, "GET", "/apps", &[], Bytes::new()).await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn api_7_head_has_the_headers_of_get_and_no_body() {
    let flow = flow().await;
    flow.app("shop").await;
    let get = with(&flow, "GET", "/apps/shop", &[], Bytes::new()).await;
    let head = with(&flow, "HEAD", "/apps/shop", &[], Bytes::new()).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for name in ["etag", "content-type", "content-length"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let same = with(&flow, "HEAD", "/apps/shop", &[("if-none-match", get.header("etag"))], Bytes::new()).await;
    assert_eq!(same.status, 304);
    let wrong = with(&flow, "PUT", "/apps/shop", &[], Bytes::new()).await;
    assert_eq!((wrong.status.as_u16(), wrong.json()["id"].as_str()), (405, Some("method_not_allowed")));
    assert!(wrong.header("allow").contains("PATCH"), "{:?}", wrong.headers);
}

#[tokio::test]
async fn api_5_ranges_are_read_in_every_form_that_clients_send() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for name in ["A", "B", "C"] {
        app.config(json!({ name: "1" })).await;
    }
    for (path, range, status, count) in [
        ("/apps/shop/releases", "version ..; max=15, order=desc", 200, 5),
        ("/apps/shop/releases", "version ..; order=desc,max=1", 206, 1),
        ("/apps/shop/releases", "version ..; order=desc", 200, 5),
        ("/apps/shop/releases", "version ..; ;", 200, 5),
        ("/apps/shop/releases", "id ..; max=2", 206, 2),
        ("/apps", "id ..; max=1000;", 200, 1),
        ("/apps", "id ..; max=1000", 200, 1),
        ("/apps", "id ..; ;", 200, 1),
        ("/apps/shop/domains", "domain ..; ;", 200, 1),
        ("/apps/shop/collaborators", "email ..", 200, 1),
        ("/apps/shop/webhook-deliveries", "seq ..; order=desc,max=1000", 200, 0),
        ("/apps/shop/webhook-events", "seq ..; order=desc,max=3", 206, 3),
    ] {
        let more = [("range", range), ("accept-expansion", "addon_service,plan"), ("accept-inclusion", "addon:plan")];
        let answer = with(&flow, "GET", path, &more, Bytes::new()).await;
        let entries = answer.json().as_array().map(Vec::len);
        assert_eq!((answer.status.as_u16(), entries), (status, Some(count)), "{path} {range}: {}", answer.text());
    }
    // heroku-client sends one with every method.
    let change = Bytes::from_static(b"{\"D\": \"1\"}");
    let changed = with(&flow, "PATCH", "/apps/shop/config-vars", &[("range", "id ..; max=1000")], change).await;
    assert_eq!(changed.status, 200);
    let mut next = "version ..; max=2".to_owned();
    let mut versions = Vec::new();
    while !next.is_empty() {
        let page = with(&flow, "GET", "/apps/shop/releases", &[("range", &next)], Bytes::new()).await;
        versions.extend(page.json().as_array().unwrap().iter().map(|release| release["version"].as_i64().unwrap()));
        next = page.header("next-range").to_owned();
    }
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn api_16_the_schema_lists_the_routes_without_a_token() {
    let flow = flow().await;
    let schema = flow.raw("GET", "/schema", &[], Bytes::new()).await.json();
    let links = schema["definitions"]["webhooks"]["links"].as_array().unwrap().clone();
    let create = json!({ "href": "/apps/{app}/webhooks", "method": "POST", "rel": "create",
        "title": "POST /apps/{app}/webhooks" });
    assert!(links.contains(&create), "{links:#?}");
    assert!(!schema.to_string().contains("{secret}"), "addresses with a secret are nobody's routes");
}

#[tokio::test]
async fn filters_give_the_apps_that_were_named_and_may_be_seen() {
    let flow = flow().await;
    let id = |answer: &Answer| answer.json()["id"].clone();
    let one = id(&flow.post("/apps", &json!({ "name": "one" })).await);
    let two = id(&flow.post("/apps", &json!({ "name": "two" })).await);
    flow.app("three").await;
    let token = flow.account("other@example.org").await;
    let theirs = id(&flow.call_as(&token, "POST", "/apps", Some(&json!({}))).await);
    let body = json!({ "in": { "id": [two, one, theirs, "01234567-89ab-cdef-0123-456789abcdef", "nonsense"] } });
    let found = flow.post("/filters/apps", &body).await;
    let names: Vec<Value> = found.json().as_array().unwrap().iter().map(|app| app["name"].clone()).collect();
    assert_eq!((found.status.as_u16(), names), (200, vec![json!("one"), json!("two")]));
    assert_eq!(found.json()[0], flow.get("/apps/one").await.json());
    assert_eq!(flow.post("/filters/apps", &json!({})).await.json(), json!([]));
    assert_eq!(flow.post("/filters/apps", &json!({ "in": { "id": 7 } })).await.status, 422);
}
