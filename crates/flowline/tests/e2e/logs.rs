//! Logs: sessions, their two forms, how much is kept and what outlives what.

use crate::flow;
use bytes::Bytes;
use rustix::process::Signal;
use serde_json::json;
use testkit::{App, Source, path_of};

const PLAIN: &str = "text/plain";
const EVENTS: &str = "text/event-stream";

/// What follows the dyno's name in lines of one dyno.
fn texts(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split_once("]: ").unwrap_or_else(|| panic!("log_1: {line}")).1).collect()
}

/// The history of one dyno's own lines, as they were printed.
async fn history(app: &App<'_>, dyno: &str) -> Vec<String> {
    let wish = json!({ "lines": 1500, "tail": false, "source": "app", "dyno": dyno });
    let mut tail = app.tail(&wish, PLAIN).await;
    let mut lines = Vec::new();
    while let Some(line) = tail.line().await {
        lines.push(line);
    }
    texts(&lines).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn log_11_an_unknown_session_or_a_wrong_secret_is_404() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let session = app.call("POST", "/log-sessions", Some(&json!({}))).await.json();
    let path = path_of(&session["logplex_url"]).to_owned();
    let (place, secret) = path.rsplit_once('/').unwrap();
    let other = "/streams/logs/01234567-89ab-cdef-0123-456789abcdef";
    for wrong in
        [format!("{place}/{}", "0".repeat(secret.len())), format!("{other}/{secret}"), "/streams/logs/1/2".into()]
    {
        let answer = flow.raw("GET", &wrong, &[], Bytes::new()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (404, Some("not_found")), "{wrong}");
    }
    assert_eq!(flow.raw("GET", &path, &[], Bytes::new()).await.status, 200);
    assert_eq!(flow.raw("GET", &path, &[], Bytes::new()).await.status, 200, "it may be opened again");
}

#[tokio::test]
async fn log_12_events_and_plain_text_hold_the_same_lines_and_end_after_the_backlog() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app.log_says("app[web.1]: Listening on").await;
    let wish = json!({ "lines": 1500, "tail": false, "dyno": "web" });
    let (mut plain, mut events) = (app.tail(&wish, PLAIN).await, app.tail(&wish, EVENTS).await);
    assert_eq!(plain.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let (mut text, mut sent) = (Vec::new(), Vec::new());
    while let Some(line) = plain.line().await {
        text.push(line);
    }
    while let Some(line) = events.line().await {
        if line.is_empty() || line.starts_with(':') {
            continue;
        }
        sent.push(line.strip_prefix("data: ").unwrap_or_else(|| panic!("no data: {line}")).to_owned());
    }
    assert_eq!(text, sent);
    assert!(text.iter().any(|line| line.contains("heroku[web.1]: State changed from starting to up")), "{text:#?}");
    assert!(text.iter().all(|line| line.contains("[web.1]: ")), "log_13: {text:#?}");
}

#[tokio::test]
async fn log_12_two_tails_in_both_forms_see_the_same_lines() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let wish = json!({ "lines": 0, "tail": true, "source": "app", "dyno": "run" });
    let (mut plain, mut events) = (app.tail(&wish, PLAIN).await, app.tail(&wish, EVENTS).await);
    app.run("for n in $(seq 200); do echo line $n; done; echo that was all").await;
    let plain = plain.until("that was all").await;
    let events = events.until("that was all").await;
    let events: Vec<String> = events.iter().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect();
    assert_eq!(plain, events);
    let printed: Vec<String> = (1..=200).map(|n| format!("line {n}")).chain(["that was all".into()]).collect();
    assert_eq!(texts(&plain), printed);
}

#[tokio::test]
async fn log_14_the_last_1500_lines_are_kept_and_outlive_the_server() {
    let mut flow = flow().await;
    let name = {
        let app = flow.app("shop").await;
        app.push(Source::answering("one")).await.released("v3");
        let name = app.run("for n in $(seq 5000); do echo line $n; done").await;
        app.log_says(&format!("heroku[{name}]: Process exited with status 0")).await;
        name
    };
    let expected: Vec<String> = (3501..=5000).map(|n| format!("line {n}")).collect();
    assert_eq!(history(&flow.known_app("shop"), &name).await, expected);
    for signal in [Signal::KILL, Signal::TERM] {
        flow.end_serve(signal).await;
        flow.start_serve().await;
        assert_eq!(history(&flow.known_app("shop"), &name).await, expected, "{signal:?}");
    }
    assert_eq!(flow.known_app("shop").logs().await.lines().count(), 1500);
}

#[tokio::test]
async fn log_3_long_lines_are_split_and_odd_bytes_break_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let wish = json!({ "lines": 0, "tail": true, "source": "app", "dyno": "run" });
    let (mut plain, mut events) = (app.tail(&wish, PLAIN).await, app.tail(&wish, EVENTS).await);
    let command = "head -c 25000 /dev/zero | tr '\\0' x; echo; printf 'a\\rb\\ndata: false\\n\\nid: 7\\n\\377\\376\\n'; \
                   printf 'nul\\0inside\\n'; printf 'no line break'; echo >&2; printf 'the end'";
    let name = app.run(command).await;
    let plain = plain.until("the end").await;
    let lengths: Vec<usize> = texts(&plain).iter().take(3).map(|text| text.len()).collect();
    assert_eq!(lengths, [10_000, 10_000, 5_000]);
    let rest = &texts(&plain)[3..];
    for words in ["data: false", "id: 7", "\u{fffd}\u{fffd}", "no line break", "the end"] {
        assert!(rest.contains(&words), "{words}: {rest:?}");
    }
    assert!(plain.iter().all(|line| line.contains(&format!(" app[{name}]: "))), "{rest:?}");
    let events = events.until("the end").await;
    let events: Vec<&str> = events.iter().filter_map(|line| line.strip_prefix("data: ")).collect();
    let without_returns: Vec<String> = plain.iter().map(|line| line.replace('\r', "")).collect();
    assert_eq!(events, without_returns);
}
