//! Telemetry drains against a real receiver, which decodes what it gets by the protocol's own messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use logs::{Logs, Telemetry, Trust};
use model::id::AppId;
use model::log::{LogFilter, LogLine, LogSource};
use model::sample::Measured;
use model::telemetry_drain::{Exporter, ExporterKind, Signals, TelemetryDrain};
use model::time::Timestamp;
use model::world::World;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use testkit::{Identity, OtlpTarget, until};
use uuid::Uuid;

const AT: Timestamp = Timestamp(1_767_323_045_678_901);
const REQUEST_ID: &str = "8601b555-6a83-4c12-8269-97c8e32cdb22";

/// How often figures are sent in these tests.
const EVERY: Duration = Duration::from_millis(50);

/// Other ids each time.
#[derive(Default)]
struct Counting(AtomicU8);

impl World for Counting {
    fn now(&self) -> Timestamp {
        AT
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1));
    }
}

struct Bench {
    logs: Logs,
    app: AppId,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { logs: Logs::open(dir.path().join("logs")).unwrap(), app: Uuid::from_u128(7).into(), dir }
    }

    async fn export(&self, kind: ExporterKind, endpoint: &str, signals: &[&str], identity: Option<&Identity>) {
        let path = self.dir.path().join("ca.pem");
        let extra = identity.map(|identity| {
            std::fs::write(&path, &identity.ca_pem).unwrap();
            path.as_path()
        });
        let headers = [("Api-Key".to_owned(), "s3cret".to_owned())].into();
        let drain = TelemetryDrain {
            id: Uuid::from_u128(1).into(),
            app: self.app,
            signals: Signals::read(signals).unwrap(),
            exporter: Exporter::read(kind, endpoint, headers).unwrap(),
            created_at: AT,
            updated_at: AT,
        };
        let (trust, world) = (Arc::new(Trust::open(extra).unwrap()), Arc::new(Counting::default()));
        let telemetry = Telemetry { service: "shop".to_owned(), every: EVERY, trust, world };
        self.logs.export(drain, telemetry).await;
    }

    async fn say(&self, source: LogSource, ps: &str, text: &str) {
        let line = LogLine { at: AT, source, ps: ps.to_owned(), text: text.to_owned() };
        self.logs.append(self.app, line).await;
    }

    async fn app_says(&self, text: &str) {
        self.say(LogSource::App, "web.1", text).await;
    }

    async fn asked(&self, method: &str, status: u16, more: &str) {
        let text = format!(
            "at=info{more} method={method} path=\"/cart?id=7\" host=shop.localhost request_id={REQUEST_ID} \
             fwd=\"203.0.113.7, 10.0.0.1\" dyno=web.1 connect=1ms service=18ms status={status} bytes=975 protocol=http"
        );
        self.say(LogSource::Platform, "router", &text).await;
    }
}

/// The attributes of something, as one object.
fn attributes(of: &Value) -> Value {
    let pairs = of["attributes"].as_array().unwrap().iter();
    let value = |pair: &Value| pair["value"].as_object().unwrap().values().next().unwrap().clone();
    pairs.map(|pair| (pair["key"].as_str().unwrap().to_owned(), value(pair))).collect::<serde_json::Map<_, _>>().into()
}

fn records(export: &Value) -> Vec<Value> {
    export["body"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap().clone()
}

fn spans(export: &Value) -> Vec<Value> {
    export["body"]["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn metric(export: &Value, name: &str) -> Option<Value> {
    let all = export["body"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    all.iter().find(|metric| metric["name"] == name).cloned()
}

/// Until an export has this metric.
async fn told(target: &mut OtlpTarget, name: &str) -> Value {
    loop {
        if let Some(metric) = metric(&target.next_of("metrics").await, name) {
            return metric;
        }
    }
}

async fn all_signals(kind: ExporterKind, identity: Option<&Identity>) {
    let (bench, mut target) = (Bench::new(), OtlpTarget::start(identity, "").await);
    let (endpoint, transport) = match kind {
        ExporterKind::OtlpHttp => (format!("{}/in/", target.http), "http"),
        ExporterKind::Otlp => (target.grpc.clone(), "grpc"),
    };
    bench.app_says("before the drain").await;
    bench.export(kind, &endpoint, &["logs", "traces", "metrics"], identity).await;
    bench.app_says("one ü").await;
    let export = target.next_of("logs").await;
    assert_eq!((&export["transport"], &export["headers"]["api-key"]), (&json!(transport), &json!("s3cret")));
    if kind == ExporterKind::OtlpHttp {
        assert_eq!(export["headers"][":before"], "/in", "below the address");
    }
    let resource = attributes(&export["body"]["resourceLogs"][0]["resource"]);
    assert_eq!(resource, json!({ "service.name": "shop", "app.id": bench.app.to_string() }));
    let [record] = records(&export).try_into().unwrap();
    assert_eq!(
        (&record["body"]["stringValue"], &record["timeUnixNano"]),
        (&json!("one ü"), &json!("1767323045678901000"))
    );
    assert_eq!(attributes(&record), json!({ "log.source": "app", "log.process": "web.1" }));
    assert_eq!(record.get("severityNumber"), None, "an app may mean anything");

    bench.asked("GET", 200, "").await;
    let [span] = spans(&target.next_of("traces").await).try_into().unwrap();
    assert_eq!((&span["name"], &span["kind"]), (&json!("GET"), &json!("SPAN_KIND_SERVER")));
    assert_eq!(span["endTimeUnixNano"], "1767323045678901000");
    assert_eq!(span["startTimeUnixNano"], "1767323045659901000", "19 ms earlier");
    assert_eq!(
        attributes(&span),
        json!({
            "http.request.method": "GET", "url.path": "/cart", "url.query": "id=7", "server.address": "shop.localhost",
            "client.address": "10.0.0.1", "dyno.name": "web.1", "http.request.id": REQUEST_ID,
            "http.response.status_code": "200", "http.response.body.size": "975",
        })
    );
    let [line] = records(&target.next_of("logs").await).try_into().unwrap();
    assert_eq!(
        (&line["traceId"], &line["spanId"]),
        (&span["traceId"], &span["spanId"]),
        "the line and the span are one"
    );
    assert_eq!(line["severityText"], "INFO");
    let duration = told(&mut target, "http.server.request.duration").await;
    let point = &duration["histogram"]["dataPoints"][0];
    assert_eq!((&point["count"], &point["sum"]), (&json!("1"), &json!(0.019)));
    assert_eq!(attributes(point), json!({ "http.request.method": "GET", "http.response.status_code": "200" }));
}

#[tokio::test]
async fn log_31_all_signals_by_http() {
    all_signals(ExporterKind::OtlpHttp, None).await;
}

#[tokio::test]
async fn log_31_all_signals_by_http_inside_tls() {
    all_signals(ExporterKind::OtlpHttp, Some(&Identity::make())).await;
}

#[tokio::test]
async fn log_31_all_signals_by_grpc() {
    all_signals(ExporterKind::Otlp, None).await;
}

#[tokio::test]
async fn log_31_all_signals_by_grpc_inside_tls() {
    all_signals(ExporterKind::Otlp, Some(&Identity::make())).await;
}

#[tokio::test]
async fn requests_that_fail_are_errors_and_their_lines_too() {
    let (bench, mut target) = (Bench::new(), OtlpTarget::start(None, "").await);
    bench.export(ExporterKind::OtlpHttp, &target.http, &["traces", "logs"], None).await;
    bench.asked("POST", 503, " code=H12 desc=\"Request timeout\"").await;
    let [span] = spans(&target.next_of("traces").await).try_into().unwrap();
    assert_eq!(span["status"], json!({ "code": "STATUS_CODE_ERROR", "message": "Request timeout" }));
    assert_eq!(attributes(&span)["error.type"], "H12");
    assert_eq!(span["traceId"], {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(Uuid::parse_str(REQUEST_ID).unwrap().as_bytes())
    });
    bench.asked("GET", 404, "").await;
    let [span] = spans(&target.next_of("traces").await).try_into().unwrap();
    assert_eq!(span["status"].get("code"), None, "that somebody asks for what is not there is no fault of the server");
    target.next_of("logs").await;
    bench.say(LogSource::Platform, "web.1", "Error R14 (Memory quota exceeded)").await;
    let [line] = records(&target.next_of("logs").await).try_into().unwrap();
    assert_eq!((&line["severityText"], &line["severityNumber"]), (&json!("ERROR"), &json!("SEVERITY_NUMBER_ERROR")));
}

#[tokio::test]
async fn a_drain_gets_no_other_signals_than_its_own() {
    let (bench, mut target) = (Bench::new(), OtlpTarget::start(None, "").await);
    bench.export(ExporterKind::OtlpHttp, &target.http, &["traces"], None).await;
    for number in 0..2_000 {
        bench.app_says(&format!("{number}")).await;
    }
    bench.asked("GET", 200, "").await;
    bench.logs.flush().await;
    bench.asked("PUT", 201, "").await;
    let mut names = Vec::new();
    while names.len() < 2 {
        let export = target.next().await;
        assert_eq!(export["signal"], "traces");
        names.extend(spans(&export).into_iter().map(|span| span["name"].clone()));
    }
    assert_eq!(names, ["GET", "PUT"], "what the app says pushes no request out");
    assert!(!bench.logs.wants_figures(bench.app));
}

#[tokio::test]
async fn figures_of_dynos_are_sent_once_for_each_look() {
    let (bench, mut target) = (Bench::new(), OtlpTarget::start(None, "").await);
    bench.export(ExporterKind::OtlpHttp, &target.http, &["metrics"], None).await;
    until("that figures are wanted", async || bench.logs.wants_figures(bench.app)).await;
    let dyno = |name: &str, cpu_us| Measured {
        dyno: name.to_owned(),
        since: Timestamp(AT.0 - 60_000_000),
        memory_bytes: 21 << 20,
        quota_bytes: 512 << 20,
        cpu_us,
    };
    bench.logs.measured(bench.app, &[dyno("web.1", 1_500_000), dyno("worker.1", 0)]);
    bench.logs.measured(Uuid::from_u128(8).into(), &[dyno("web.9", 0)]);
    let export = target.next_of("metrics").await;
    let points = |name: &str| metric(&export, name).unwrap()["sum"]["dataPoints"].as_array().unwrap().clone();
    let names: Vec<Value> =
        points("dyno.memory.usage").iter().map(|point| attributes(point)["dyno.name"].clone()).collect();
    assert_eq!(names, ["web.1", "worker.1"]);
    assert_eq!(points("dyno.memory.usage")[0]["asInt"], (21_u64 << 20).to_string());
    assert_eq!(points("dyno.memory.quota")[0]["asInt"], (512_u64 << 20).to_string());
    let cpu = &points("dyno.cpu.time")[0];
    assert_eq!((&cpu["asDouble"], &cpu["startTimeUnixNano"]), (&json!(1.5), &json!("1767322985678901000")));
    // Another look; the first one is not sent again.
    bench.logs.measured(bench.app, &[dyno("web.1", 2_000_000)]);
    let again = metric(&target.next_of("metrics").await, "dyno.cpu.time").unwrap();
    assert_eq!(again["sum"]["dataPoints"].as_array().unwrap().len(), 1);
    assert_eq!(again["sum"]["dataPoints"][0]["asDouble"], json!(2.0));
}

/// How often the same was sent, and how the last time ended.
async fn tries(target: &mut OtlpTarget) -> (usize, Value) {
    let first = target.next().await;
    let mut all = vec![first["answered"].clone()];
    loop {
        let next = target.next().await;
        if next["body"] != first["body"] {
            assert_eq!(records(&next)[0]["body"]["stringValue"], "two");
            return (all.len(), all.pop().unwrap());
        }
        all.push(next["answered"].clone());
    }
}

async fn tried(kind: ExporterKind, answers: &str) -> (usize, Value) {
    let (bench, mut target) = (Bench::new(), OtlpTarget::start(None, answers).await);
    let endpoint = match kind {
        ExporterKind::OtlpHttp => target.http.clone(),
        ExporterKind::Otlp => target.grpc.clone(),
    };
    bench.export(kind, &endpoint, &["logs"], None).await;
    bench.app_says("one").await;
    bench.logs.flush().await;
    bench.logs.settle_drains(Duration::from_secs(60)).await;
    bench.app_says("two").await;
    tries(&mut target).await
}

#[tokio::test]
async fn log_27_a_busy_receiver_is_asked_three_times_and_one_that_refuses_once() {
    assert_eq!(tried(ExporterKind::OtlpHttp, "503,429").await, (3, json!(200)));
    assert_eq!(tried(ExporterKind::OtlpHttp, "503,503,503").await, (3, json!(503)));
    assert_eq!(tried(ExporterKind::OtlpHttp, "400").await, (1, json!(400)));
    assert_eq!(tried(ExporterKind::Otlp, "UNAVAILABLE,RESOURCE_EXHAUSTED").await, (3, json!("OK")));
    assert_eq!(tried(ExporterKind::Otlp, "UNAUTHENTICATED").await, (1, json!("UNAUTHENTICATED")));
}

#[tokio::test]
async fn log_29_the_app_learns_of_a_certificate_that_is_not_believed() {
    let (bench, identity) = (Bench::new(), Identity::make());
    let target = OtlpTarget::start(Some(&identity), "").await;
    let endpoint = target.grpc.replace("https://", "https://user:s3cret@");
    bench.export(ExporterKind::Otlp, &endpoint, &["logs"], None).await;
    bench.app_says("one").await;
    let said = async || {
        let lines = bench.logs.history(bench.app, &LogFilter::default(), 100).await.unwrap();
        let line = lines.into_iter().find(|line| line.ps == "logplex")?;
        Some(line.text)
    };
    let text = testkit::eventually("L14", said).await;
    assert!(text.starts_with("Error L14 (certificate validation)") && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn what_was_removed_gets_nothing_more() {
    let (bench, mut target) = (Bench::new(), OtlpTarget::start(None, "").await);
    bench.export(ExporterKind::OtlpHttp, &target.http, &["logs"], None).await;
    bench.app_says("one").await;
    target.next_of("logs").await;
    bench.logs.unexport(Uuid::from_u128(1).into());
    bench.app_says("two").await;
    bench.logs.flush().await;
    // The same again: had the first one gone on, its line would come before this one.
    bench.export(ExporterKind::OtlpHttp, &target.http, &["logs"], None).await;
    bench.app_says("three").await;
    assert_eq!(records(&target.next_of("logs").await)[0]["body"]["stringValue"], "three");
}
