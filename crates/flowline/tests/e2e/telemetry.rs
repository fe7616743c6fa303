//! Telemetry drains of a running server, to a receiver that decodes what it gets by the protocol's own messages.

use crate::flow;
use crate::schema::Schema;
use serde_json::{Value, json};
use testkit::{App, Flow, OtlpTarget, Source};

async fn wish(app: &App<'_>, exporter: Value, signals: Value) -> Value {
    let owner = json!({ "type": "app", "id": app.read("").await["id"] });
    json!({ "owner": owner, "signals": signals, "exporter": exporter })
}

async fn add(flow: &Flow, wish: &Value) -> Value {
    let answer = flow.post("/telemetry-drains", wish).await;
    assert_eq!(answer.status, 201, "{wish}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn log_31_drains_are_added_found_changed_and_removed() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    assert_eq!(app.read("/telemetry-drains").await, json!([]));
    // CLI-36: nobody answers there.
    let exporter = json!({
        "type": "otlphttp", "endpoint": "https://otel.example.invalid/in", "headers": { "Api-Key": "s3cret-key" },
    });
    let made = add(&flow, &wish(&app, exporter.clone(), json!(["logs", "traces"])).await).await;
    schema.check("telemetry-drain", &made);
    assert_eq!((&made["exporter"], &made["signals"]), (&exporter, &json!(["traces", "logs"])));
    let path = format!("/telemetry-drains/{}", made["id"].as_str().unwrap());
    assert_eq!(flow.get(&path).await.json(), made);
    assert_eq!(app.read("/telemetry-drains").await, json!([made]));
    let changed = flow.patch(&path, &json!({ "signals": ["metrics"] })).await.json();
    schema.check("telemetry-drain", &changed);
    assert_eq!((&changed["signals"], &changed["exporter"]), (&json!(["metrics"]), &exporter), "what is absent stays");
    let changed = flow.patch(&path, &json!({ "exporter": { "type": "otlp", "headers": {} } })).await.json();
    let expected = json!({ "type": "otlp", "endpoint": "https://otel.example.invalid/in", "headers": {} });
    assert_eq!((&changed["signals"], &changed["exporter"]), (&json!(["metrics"]), &expected));
    for _ in 1..5 {
        add(&flow, &wish(&app, exporter.clone(), json!(["logs"])).await).await;
    }
    let sixth = flow.post("/telemetry-drains", &wish(&app, exporter, json!(["logs"])).await).await;
    assert!(sixth.status == 422 && sixth.text().contains("5 telemetry drains, which is the limit"), "{}", sixth.text());
    let gone = flow.delete(&path).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, changed), "cli_20");
    let after = flow.get(&path).await;
    assert_eq!((after.status.as_u16(), after.json()["id"].as_str()), (404, Some("not_found")), "cli_32");
    let log = app.logs().await;
    assert!(log.contains("Add telemetry drain to https://otel.example.invalid:443/ by user"), "{log}");
    let audit = flow.get("/audit-events").await.text();
    assert!(audit.contains("telemetry-drains") && !audit.contains("s3cret") && !log.contains("s3cret"), "{audit}");
    assert_eq!(app.latest_release().await["version"], 2, "no release");
    for file in ["flowline.db", "flowline.db-wal"] {
        let bytes = std::fs::read(flow.dir().join(file)).unwrap_or_default();
        assert!(!bytes.windows(10).any(|window| window == b"s3cret-key"), "{file} has the key");
    }
}

#[tokio::test]
async fn log_31_bad_drains_are_refused() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let good = json!({ "type": "otlphttp", "endpoint": "http://a.example" });
    let with = |key: &str, value: Value| {
        let mut exporter = good.clone();
        exporter[key] = value;
        exporter
    };
    for (exporter, signals) in [
        (with("type", json!("splunk")), json!(["logs"])),
        (with("type", json!(null)), json!(["logs"])),
        (with("endpoint", json!("syslog://a.example")), json!(["logs"])),
        (with("endpoint", json!("http://a.example\r\nX: y")), json!(["logs"])),
        (with("endpoint", json!(format!("http://a.example/{}", "x".repeat(1000)))), json!(["logs"])),
        (with("headers", json!({ "Host": "b.example" })), json!(["logs"])),
        (with("headers", json!({ "Key": "a\r\nX: y" })), json!(["logs"])),
        (with("headers", json!({ "Key": 5 })), json!(["logs"])),
        (with("headers", json!([])), json!(["logs"])),
        (good.clone(), json!([])),
        (good.clone(), json!(["profiles"])),
        (good.clone(), json!("logs")),
    ] {
        let wish = wish(&app, exporter, signals).await;
        let answer = flow.post("/telemetry-drains", &wish).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["id"].as_str()),
            (422, Some("invalid_params")),
            "{wish:.300}"
        );
    }
    let space = json!({ "owner": { "type": "space", "id": "x" }, "signals": ["logs"], "exporter": good });
    let answer = flow.post("/telemetry-drains", &space).await;
    assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (404, Some("not_found")), "{}", answer.text());
    assert_eq!(app.read("/telemetry-drains").await, json!([]));
}

#[tokio::test]
async fn only_who_operates_an_app_sees_and_changes_its_telemetry_drains() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let exporter = json!({ "type": "otlp", "endpoint": "http://a.example" });
    let wish = wish(&app, exporter, json!(["logs"])).await;
    let path = format!("/telemetry-drains/{}", add(&flow, &wish).await["id"].as_str().unwrap());
    let stranger = flow.account("stranger@example.org").await;
    let looker = flow.account("looker@example.org").await;
    assert_eq!(flow.post("/teams", &json!({ "name": "acme" })).await.status, 201);
    let member = json!({ "email": "looker@example.org", "role": "viewer" });
    assert_eq!(flow.post("/teams/acme/members", &member).await.status, 201);
    let moved = flow.patch("/teams/apps/shop", &json!({ "owner": "acme" })).await;
    assert_eq!(moved.status, 200, "{}", moved.text());
    for (token, status) in [(&stranger, 404), (&looker, 403)] {
        for (method, path, body) in [
            ("GET", path.as_str(), None),
            ("PATCH", &path, Some(json!({ "signals": ["traces"] }))),
            ("DELETE", &path, None),
            ("GET", "/apps/shop/telemetry-drains", None),
            ("POST", "/telemetry-drains", Some(wish.clone())),
        ] {
            let answer = flow.call_as(token, method, path, body.as_ref()).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        }
    }
    assert_eq!(app.read("/telemetry-drains").await[0]["signals"], json!(["logs"]));
}

fn name(export: &Value, of: &str) -> Value {
    export["body"][of][0]["resource"]["attributes"][0]["value"]["stringValue"].clone()
}

#[tokio::test]
async fn requests_and_figures_of_a_real_app_reach_the_receiver_also_after_a_restart_and_a_new_name() {
    let mut target = OtlpTarget::start(None, "").await;
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    let exporter = json!({ "type": "otlp", "endpoint": target.grpc });
    add(&flow, &wish(&app, exporter, json!(["traces", "metrics"])).await).await;
    app.push(Source::answering("one")).await.released("v3");
    let asked =
        app.visit("GET", "/cart?id=7", &[("x-request-id", "0d5f0f4c-3b0b-4a4e-9a43-2f5c0a1b6c7d")], Default::default());
    assert_eq!(asked.await.status, 200);
    let traces = target.next_of("traces").await;
    let span = &traces["body"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!((&span["name"], name(&traces, "resourceSpans")), (&json!("GET"), json!("shop")));
    assert_eq!(span["traceId"], "DV8PTDsLSk6aQy9cChtsfQ==", "the id of the request");
    // The next look at what dynos use.
    let mut seen = Vec::new();
    while !seen.contains(&json!("dyno.memory.usage")) || !seen.contains(&json!("http.server.request.duration")) {
        let metrics = target.next_of("metrics").await;
        assert_eq!(name(&metrics, "resourceMetrics"), "shop");
        let all = metrics["body"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
        seen.extend(all.iter().map(|metric| metric["name"].clone()));
    }
    drop(app);
    flow.end_serve(rustix::process::Signal::TERM).await;
    flow.start_serve().await;
    let renamed = flow.patch("/apps/shop", &json!({ "name": "store" })).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text());
    let app = flow.known_app("store");
    app.served("/", "one").await;
    let traces = target.next_of("traces").await;
    assert_eq!(name(&traces, "resourceSpans"), "store", "by its new name");
}
