//! Log history and tail.

use crate::payload::log_session;
use crate::support::{Reply, Server};
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};

const OLD: &str = "2026-01-02T03:04:00.000000+00:00 app[web.1]: zero";
const FIRST: &str = "2026-01-02T03:04:01.000001+00:00 app[web.1]: one: two";
const SECOND: &str = "2026-01-02T03:04:02.000002+00:00 heroku[router]: at=info";
const THIRD: &str = "2026-01-02T03:04:03.000003+00:00 app[api]: three";

#[tokio::test]
async fn log_10_history_is_printed() {
    let server = Server::start(|seen, url| match seen.line.as_str() {
        "POST /apps/shop/log-sessions" => Reply::json(201, &log_session(url, "a?srv=1")),
        "GET /logs/a?srv=1" if seen.header("accept") == Some("text/event-stream") => {
            Reply::text("text/event-stream", &format!("data: {FIRST}\ndata: {SECOND}\n\n"))
        }
        other => Reply::error(404, "not_found", other),
    })
    .await;
    let ran = server.run(&["logs", "-a", "shop", "-n", "5", "--dyno", "web.1", "--source", "app"]).await;
    assert_eq!((ran.code, ran.out), (0, format!("{FIRST}\n{SECOND}\n")));
    let wanted = json!({ "tail": false, "lines": 5, "dyno": "web.1", "source": "app" });
    assert_eq!(server.seen()[0].body, wanted);
    let list = server.run(&["logs", "-a", "shop", "--json"]).await.json();
    assert_eq!(list[0]["message"], "one: two");
    assert_eq!((&list[1]["source"], &list[1]["dyno"]), (&json!("heroku"), &json!("router")));
}

#[tokio::test]
async fn log_12_plain_text_is_taken_too() {
    let server = Server::start(|seen, url| match seen.line.as_str() {
        "POST /apps/shop/log-sessions" => Reply::json(201, &log_session(url, "a")),
        _ => Reply::text("text/plain", &format!("{FIRST}\n{SECOND}\n")),
    })
    .await;
    assert_eq!(server.run(&["logs", "-a", "shop"]).await.out, format!("{FIRST}\n{SECOND}\n"));
}

#[tokio::test]
async fn log_16_a_cut_tail_goes_on_without_repeating() {
    let opened = AtomicU32::new(0);
    let server = Server::start(move |seen, url| match seen.line.as_str() {
        "POST /apps/shop/log-sessions" => match opened.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::json(201, &log_session(url, "first")),
            1 => Reply::json(201, &log_session(url, "second")),
            _ => Reply::error(404, "not_found", "Couldn't find that app."),
        },
        "GET /logs/first" => Reply::text("text/event-stream", &format!("data: {FIRST}\ndata: {SECOND}\n\n")),
        _ => {
            let history = format!("data: {OLD}\ndata: {FIRST}\ndata: {SECOND}\n\ndata: {THIRD}\n\n");
            Reply::text("text/event-stream", &history)
        }
    })
    .await;
    let ran = server.run(&["logs", "--tail", "-n", "2", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out), (4, format!("{FIRST}\n{SECOND}\n{THIRD}\n")));
    assert!(ran.err.contains("connecting again"), "{}", ran.err);
    assert_eq!(server.seen()[2].body, json!({ "tail": true, "lines": 1500 }));
}
