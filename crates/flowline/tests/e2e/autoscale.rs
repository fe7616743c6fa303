//! Web dynos that are scaled by how fast they answer.

use serde_json::{Value, json};
use testkit::{App, Flow, Load, Source, Start, until};

/// Every answer takes a fifth of a second.
const SERVER: &str = r#"
import http.server, os, time

class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.2)
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"slow")

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 100

Server(("0.0.0.0", int(os.environ["PORT"])), Slow).serve_forever()
"#;

/// Ten times the least number of requests in a window.
const VISITS_PER_SECOND: u64 = 20;

async fn flow(window_s: &str) -> Flow {
    Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--autoscale-window-s", window_s])).await
}

async fn monitor(app: &App<'_>, body: Value) -> String {
    let made = app.call("POST", "/formation/web/monitors", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn quantity(app: &App<'_>) -> u64 {
    app.read("/formation/web").await["quantity"].as_u64().unwrap()
}

#[tokio::test]
async fn a_slow_app_gets_more_dynos_by_itself_up_to_its_maximum_and_none_when_that_is_switched_off() {
    let flow = flow("10").await;
    let (shop, other) = (flow.app("shop").await, flow.app("other").await);
    for app in [&shop, &other] {
        app.push(Source::answering("slow").with("server.py", SERVER)).await.released("v3");
    }
    let loads = [&shop, &other].map(|app| Load::start(&flow, &app.host(), VISITS_PER_SECOND));
    let wish = json!({ "min_quantity": 1, "max_quantity": 2, "value": 50 });
    let id = monitor(&shop, wish.clone()).await;
    shop.log_says("heroku[autoscale]: Scaled web from 1 to 2: p95 of ").await;
    shop.log_says("heroku[autoscale]: web stays at its maximum of 2, and is too slow: p95 of ").await;
    let audit = shop.read("/audit-events").await;
    let scaled = |record: &&Value| record["actor"]["email"] == "autoscaler" && record["content"]["to"] == 2;
    assert_eq!(audit.as_array().unwrap().iter().filter(scaled).count(), 2, "asked and answered: {audit}");
    let off = json!({ "is_active": false });
    let answer = shop.call("PATCH", &format!("/formation/web/monitors/{id}"), Some(&off)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["is_active"].as_bool()), (200, Some(false)));
    shop.scale("web", 1).await;
    // What is as slow, and was changed later, is scaled; so this one would have been.
    monitor(&other, wish).await;
    other.log_says("heroku[autoscale]: Scaled web from 1 to 2: p95 of ").await;
    assert_eq!(quantity(&shop).await, 1);
    for load in loads {
        load.stop().await;
    }
}

#[tokio::test]
async fn dynos_that_nobody_needs_go_one_by_one_down_to_the_minimum() {
    let flow = flow("1").await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let said = flow.cli(&["ps:autoscale:enable", "-a", "shop", "--min", "2", "--max", "3", "--p95", "500"]).await;
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && told.contains("from 2 to 3 web dynos, for a p95 below 500 ms"), "{told}");
    app.log_says("Scales web by itself from 2 to 3 for a p95 below 500 ms, set by user admin@localhost").await;
    app.log_says("heroku[autoscale]: Scaled web from 1 to 2: its minimum is 2").await;
    app.scale("web", 3).await;
    app.log_says("heroku[autoscale]: Scaled web from 3 to 2: no requests over the last ").await;
    // Who wants none gets none.
    app.scale("web", 0).await;
    let shown = flow.cli(&["ps:autoscale", "-a", "shop"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("shop scales by itself from 2 to 3 web dynos"), "{shown}");
    let off = flow.cli(&["ps:autoscale:disable", "-a", "shop", "--json"]).await;
    let off: Value = serde_json::from_slice(&off.stdout).unwrap();
    assert_eq!(off["is_active"], false);
    assert_eq!(quantity(&app).await, 0);
    app.scale("web", 1).await;
    until("the dyno", async || app.read("/dynos").await.as_array().unwrap().len() == 1).await;
    assert!(!app.logs().await.contains("from 0 to"), "nothing begins what somebody ended");
}

#[tokio::test]
async fn monitors_that_make_no_sense_are_refused() {
    let flow = flow("120").await;
    let app = flow.app("shop").await;
    let path = "/formation/web/monitors";
    let refused = async |path: &str, body: Value, words: &str| {
        let answer = app.call("POST", path, Some(&body)).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
    };
    let good = json!({ "action_type": "scale", "min_quantity": 1, "max_quantity": 2, "value": 500 });
    refused(path, good.clone(), "Couldn't find that process type (web)").await;
    app.push(Source::answering("one")).await.released("v3");
    refused("/formation/worker/monitors", good.clone(), "Only web dynos").await;
    refused(path, json!({}), "min_quantity must be 1 or more").await;
    refused(path, json!({ "min_quantity": 3, "max_quantity": 2 }), "not 3 and 2").await;
    refused(path, json!({ "min_quantity": 1, "max_quantity": 2, "value": 1 }), "from 10 to 30000; not 1").await;
    refused(path, json!({ "action_type": "alert" }), "action_type must be scale").await;
    assert_eq!(app.read(path).await, json!([]));
    let id = monitor(&app, good.clone()).await;
    refused(path, good, "has a monitor already").await;
    let one = format!("{path}/{id}");
    let worse = app.call("PATCH", &one, Some(&json!({ "max_quantity": 0 }))).await;
    assert_eq!(worse.status, 422, "{}", worse.text());
    assert_eq!(app.read(&one).await["max_quantity"], 2);
    let nobody = app.call("GET", &format!("{path}/01234567-89ab-cdef-0123-456789abcdef"), None).await;
    assert_eq!(nobody.status, 404);
    let stranger = flow.account("stranger@example.org").await;
    assert_eq!(flow.call_as(&stranger, "GET", &format!("/apps/shop{path}"), None).await.status, 404);
}
