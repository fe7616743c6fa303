//! Requests are counted by hour with how long they took, and the counts outlive the server.

use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{App, Source};

/// All that the answer counts of one status.
fn sum(answer: &Value, status: &str) -> u64 {
    let counts = answer["data"][status].as_array();
    counts.map_or(0, |counts| counts.iter().map(|count| count.as_u64().unwrap()).sum())
}

async fn statuses(app: &App<'_>) -> Value {
    app.read("/router-metrics/status").await
}

/// The named figure of all hours together, in milliseconds.
fn total_ms(latency: &Value, name: &str) -> u64 {
    latency["total"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {latency}"))
}

/// Answers with `hello`; `/missing` with 404, `/slow` after a third of a second.
const SERVER: &str = r#"
import http.server, os, time

class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(0.333)
        self.send_response(404 if self.path.startswith("/missing") else 200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Shop).serve_forever()
"#;

#[tokio::test]
async fn route_50_requests_are_counted_by_status_and_hour_with_their_times_and_outlive_the_server() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("hello").with("server.py", SERVER)).await.released("v3");
    assert_eq!(statuses(&app).await["data"], json!({}));
    let silent = app.read("/router-metrics/latency").await;
    assert_eq!([&silent["hours"], &silent["data"], &silent["total"]], [&json!([]), &json!({}), &json!({})]);
    for path in ["/one", "/two", "/slow", "/missing"] {
        app.get(path).await;
    }
    for path in ["/one", "/two", "/slow", "/missing"] {
        app.log_says(&format!("path=\"{path}\"")).await;
    }
    let counted = statuses(&app).await;
    assert_eq!((sum(&counted, "200"), sum(&counted, "404"), sum(&counted, "503")), (3, 1, 0), "{counted}");
    assert_eq!(counted["step"], "1h");
    let latency = app.read("/router-metrics/latency").await;
    let (half, longest) = (total_ms(&latency, "latency.ms.p50"), total_ms(&latency, "latency.ms.max"));
    assert!(longest >= 333 && half <= longest, "{latency}");
    assert!(total_ms(&latency, "latency.ms.p99") >= 312, "333 ms less a sixteenth: {latency}");
    let hours = latency["hours"].as_array().unwrap().len();
    assert_eq!(latency["data"]["latency.ms.p95"].as_array().unwrap().len(), hours, "{latency}");
    // Whoever has read them finds them again after the power went.
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(sum(&statuses(&app).await, "200"), 3);
    app.get("/after").await;
    app.log_says("path=\"/after\"").await;
    // What nobody has read is written when the server ends in order.
    flow.end_serve(Signal::TERM).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(sum(&statuses(&app).await, "200"), 4);
    assert!(total_ms(&app.read("/router-metrics/latency").await, "latency.ms.max") >= longest);
}

#[tokio::test]
async fn requests_of_an_app_are_shown_by_hour_and_only_to_who_may_see_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let of_shop = async |words: &[&str]| {
        let said = flow.cli(&[&["apps:metrics", "-a", "shop"], words].concat()).await;
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    };
    let nothing = of_shop(&["--hours", "2"]).await;
    assert_eq!(nothing.trim(), "No requests to shop in the last 2 hours");
    assert_ne!(app.get("/nobody").await.status, 200, "nothing is deployed");
    app.log_says("path=\"/nobody\"").await;
    let said = of_shop(&[]).await;
    for words in ["Requests", "p95", "5xx", ":00 UTC", "all", "█", "requests of each hour"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let told: Value = serde_json::from_str(&of_shop(&["--json"]).await).unwrap();
    let counts = told["status"]["data"].as_object().unwrap().values().flat_map(|counts| counts.as_array().unwrap());
    assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), 1, "{told}");
    assert_eq!(told["latency"]["total"], json!({}), "no dyno was asked: {told}");
    let stranger = flow.account("stranger@example.org").await;
    for path in ["/apps/shop/router-metrics/status", "/apps/shop/router-metrics/latency"] {
        let answer = flow.call_as(&stranger, "GET", path, None).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        let answer = flow.get(&format!("{path}?step=1m")).await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.text());
    }
}
