//! An app with one of everything, so that each route has something to ask for.

use super::WRONG;
use super::people::People;
use api::routes::{Access, Route};
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{Answer, App, Flow, KeyedCertificate, Source, path_of};

/// With every process that runs once.
const PROCFILE: &str =
    "web: python3 server.py\nrelease: echo done\nverify: echo ok 1 - open > $FLOWLINE_REPORTS/a.tap\n";

/// An app with one of everything, and what nobody else may read of it.
pub(super) struct Shop {
    build: String,
    setup: String,
    pub(super) slug: String,
    pub(super) release: String,
    pub(super) source: Value,
    drain: String,
    telemetry: String,
    webhook: String,
    event: String,
    delivery: String,
    endpoint: String,
    pipeline: String,
    coupling: String,
    promotion: String,
    test_run: String,
    test_node: String,
    favorite: String,
    monitor: String,
    /// Of the app, of the pipeline, of the server.
    routes: [String; 3],
    verification: String,
    people: People,
    secrets: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A pipeline with the app in staging, and the coupling.
async fn line(flow: &Flow) -> (String, String) {
    let made = flow.post("/pipelines", &json!({ "name": "silver-line" })).await;
    let pipeline = text(&made.json()["id"]);
    let coupling = json!({ "app": "shop", "pipeline": pipeline, "stage": "staging" });
    let coupling = text(&flow.post("/pipeline-couplings", &coupling).await.json()["id"]);
    flow.app("shop-2").await;
    let next = json!({ "app": "shop-2", "pipeline": pipeline, "stage": "production" });
    assert_eq!(flow.post("/pipeline-couplings", &next).await.status, 201);
    (pipeline, coupling)
}

/// Who is told of the app, of the pipeline, of the server.
async fn routes(flow: &Flow, app: &App<'_>, pipeline: &str) -> [String; 3] {
    let to_log = json!({ "to": ["log"] });
    let of_app = app.call("POST", "/notification-routes", Some(&to_log)).await.json()["id"].take();
    let of_pipeline = flow.post(&format!("/pipelines/{pipeline}/notification-routes"), &to_log).await;
    let of_server = flow.post("/notification-routes", &to_log).await.json()["id"].take();
    [of_app, of_pipeline.json()["id"].take(), of_server].map(|id| text(&id))
}

async fn telemetry(flow: &Flow, app: &str) -> String {
    let exporter = json!({ "type": "otlphttp", "endpoint": "http://127.0.0.1:9", "headers": { "Key": "otel-key" } });
    let drain = json!({ "owner": { "type": "app", "id": app }, "signals": ["logs"], "exporter": exporter });
    flow.post("/telemetry-drains", &drain).await.json()["id"].as_str().unwrap().to_owned()
}

/// What nobody sees who may not.
const PLAIN: [&str; 9] = [
    "secret-branch",
    "correct horse battery",
    "wrong horse battery",
    "drain-pass",
    "otel-key",
    "some code",
    "admin@localhost",
    "treasure",
    "silver-line",
];

impl Shop {
    pub(super) async fn open(flow: &Flow, app: &App<'_>) -> Self {
        app.config(json!({ "PASSWORD": "correct horse battery" })).await;
        let hook = json!({ "include": ["api:build"], "level": "notify", "url": "http://127.0.0.1:9/treasure" });
        let webhook = app.call("POST", "/webhooks", Some(&hook)).await.json()["id"].take();
        let release = Source::answering("one").with("Procfile", PROCFILE);
        app.push(release).await.released("v4");
        let (build, release) = (app.read("/builds").await[0].clone(), app.latest_release().await);
        let source = flow.post("/sources", &json!({})).await.json()["source_blob"]["put_url"].take();
        assert_eq!(flow.upload(&source, Bytes::from_static(b"some code")).await.status, 200);
        let (build, slug, release) = (text(&build["id"]), text(&release["slug"]["id"]), text(&release["id"]));
        let (webhook, event) = (text(&webhook), text(&app.read("/webhook-events").await[0]["id"]));
        let delivery = text(&app.read("/webhook-deliveries").await[0]["id"]);
        let verification = text(&app.read("/verifications").await[0]["id"]);
        let id = text(&app.read("").await["id"]);
        let drain = json!({ "url": "https://user:drain-pass@127.0.0.1:9/" });
        let drain = text(&app.call("POST", "/log-drains", Some(&drain)).await.json()["id"]);
        let telemetry = telemetry(flow, &id).await;
        let setup = json!({ "source_blob": { "url": "http://127.0.0.1:9/x.tgz" }, "app": { "name": "set-up" } });
        let setup = text(&flow.post("/app-setups", &setup).await.json()["id"]);
        let certificate = KeyedCertificate::make(&["www.example.com"], 2400);
        let endpoint = json!({ "certificate_chain": certificate.chain, "private_key": certificate.key });
        let endpoint = text(&app.call("POST", "/sni-endpoints", Some(&endpoint)).await.json()["id"]);
        let (pipeline, coupling) = line(flow).await;
        let promotion = json!({ "pipeline": { "id": pipeline }, "source": { "app": { "id": "shop" } },
            "targets": [{ "app": { "id": "shop-2" } }] });
        let promotion = text(&flow.post("/pipeline-promotions", &promotion).await.json()["id"]);
        let secret = json!({ "SECRET": "wrong horse battery" });
        let kept = flow.patch(&format!("/pipelines/{pipeline}/stage/test/config-vars"), &secret).await;
        assert_eq!(kept.status, 200, "{}", kept.text());
        let run = json!({ "pipeline": pipeline, "commit_branch": "secret-branch", "commit_message": "m", "commit_sha": "c0ffee",
            "source_blob_url": source.as_str().unwrap() });
        let test_run = text(&flow.post("/test-runs", &run).await.json()["id"]);
        let test_node = text(&flow.get(&format!("/test-runs/{test_run}/test-nodes")).await.json()[0]["id"]);
        let favorite = flow.post("/favorites", &json!({ "resource_id": app.name(), "type": "app" })).await;
        let favorite = text(&favorite.json()["id"]);
        let monitor = json!({ "is_active": false, "min_quantity": 1, "max_quantity": 2 });
        let monitor = app.call("POST", "/formation/web/monitors", Some(&monitor)).await;
        assert_eq!(monitor.status, 201, "{}", monitor.text());
        let monitor = text(&monitor.json()["id"]);
        let routes = routes(flow, app, &pipeline).await;
        let plain = PLAIN.map(str::to_owned);
        let people = People::gather(flow).await;
        let secrets = [plain.to_vec(), vec![build.clone(), slug.clone(), release.clone(), id]].concat();
        Self {
            build,
            setup,
            slug,
            release,
            source,
            drain,
            telemetry,
            endpoint,
            webhook,
            event,
            delivery,
            pipeline,
            coupling,
            promotion,
            test_run,
            test_node,
            favorite,
            monitor,
            routes,
            verification,
            people,
            secrets,
        }
    }

    /// A route's path with everything in it but the secret.
    pub(super) fn path(&self, route: &Route, app: &str) -> String {
        let session = "01234567-89ab-cdef-0123-456789abcdef";
        let source = path_of(&self.source).split('/').nth(2).unwrap();
        [
            ("{app}", app),
            ("{repository}", &format!("{app}.git")),
            ("{build}", &self.build),
            ("{setup}", &self.setup),
            ("{slug}", &self.slug),
            // As the owner would write it in one place, and by its id in the other.
            ("{release}", if route.access == Access::Signed { &self.release } else { "4" }),
            ("{type}", "web"),
            ("{dyno}", "web.1"),
            ("{domain}", "shop.localhost"),
            ("{drain}", &self.drain),
            ("{telemetry_drain}", &self.telemetry),
            ("{endpoint}", &self.endpoint),
            ("{stack}", "heroku-24"),
            ("{region}", "us"),
            (
                "{feature}",
                if route.path.starts_with("/teams") { "org-access-controls" } else { "runtime-dyno-metadata" },
            ),
            ("{generation}", "cedar"),
            ("{size}", "eco"),
            ("{source}", source),
            ("{webhook}", &self.webhook),
            ("{event}", &self.event),
            ("{delivery}", &self.delivery),
            ("{pipeline}", &self.pipeline),
            ("{coupling}", &self.coupling),
            ("{promotion}", &self.promotion),
            ("{test_run}", &self.test_run),
            ("{test_node}", &self.test_node),
            ("{number}", "1"),
            ("{stage}", "test"),
            ("{route}", self.route(route)),
            ("{verification}", &self.verification),
            ("{artifact}", "1"),
            ("{approved}", "shop-2"),
            ("{session}", session),
            ("{favorite}", &self.favorite),
            // Nothing broke here: what somebody may mark is tried where something does.
            ("{notification}", session),
            ("{monitor}", &self.monitor),
            ("{digest}", &format!("sha256:{WRONG}")),
            ("{upload}", session),
            ("{reference}", "latest"),
            ("{secret}", WRONG),
        ]
        .iter()
        .fold(self.people.path(route.path), |path, (name, value)| path.replace(name, value))
    }

    fn route(&self, route: &Route) -> &str {
        let of = match route.access {
            Access::Operator => 2,
            Access::Pipeline(_) => 1,
            _ => 0,
        };
        &self.routes[of]
    }

    /// Nothing of the owner's stands in an answer.
    pub(super) fn is_not_in(&self, answer: &Answer, what: &str) {
        let said = format!("{:?} {}", answer.headers, answer.text());
        for secret in &self.secrets {
            assert!(!said.contains(secret), "{what} gives `{secret}` away: {said}");
        }
    }
}
