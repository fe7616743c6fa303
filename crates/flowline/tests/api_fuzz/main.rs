//! Random requests over the published schema and the routes that are there: none is answered with 5xx, every refusal is one that
//! clients understand, and no answer takes what was sent to a terminal.
//!
//! `FUZZ_REQUESTS` and `FUZZ_SEED` make it longer or repeat the decisions of a run; `make fuzz-api` sets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![allow(clippy::print_stdout, reason = "a long run says how far it is, and its figures")]
#![allow(clippy::disallowed_methods, reason = "tests read the environment of the machine they run on")]

mod dice;
mod request;
mod seen;

use dice::Dice;
use request::{Links, Made};
use seen::Seen;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use testkit::{Answer, Client, Flow, Source, within};

/// Without `FUZZ_REQUESTS`: so many that a run takes a quarter of a minute.
const FEW_REQUESTS: u64 = 3000;

/// Each sends one request after the other, on a connection that is kept.
const CLIENTS: u64 = 4;

/// After so many requests a client looks whether what it asks about is still there, and makes it again.
const ROUND: u64 = 100;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| value.parse().expect(name))
}

#[test]
fn no_request_of_the_schema_is_answered_with_5xx() {
    let seed = setting("FUZZ_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let requests = setting("FUZZ_REQUESTS").unwrap_or(FEW_REQUESTS);
    println!("api_fuzz: seed {seed}, {requests} requests; the same decisions again: make fuzz-api SEED={seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(seed, requests));
}

async fn run(seed: u64, requests: u64) {
    let flow = Arc::new(Flow::start(env!("CARGO_BIN_EXE_flowline")).await);
    let tally = Arc::new(Mutex::new(BTreeMap::new()));
    let links = Arc::new(Links::read());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let dice = Dice::of(seed, &format!("client {number}"));
            let (flow, links, tally) = (Arc::clone(&flow), Arc::clone(&links), Arc::clone(&tally));
            tokio::spawn(client(flow, links, tally, dice, number, requests / CLIENTS))
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let statuses = tally.lock().unwrap().clone();
    println!("api_fuzz: {} answers: {statuses:?}", statuses.values().sum::<u64>());
    let succeeded: u64 = statuses.iter().filter(|(status, _)| **status < 300).map(|(_, count)| count).sum();
    assert!(succeeded * 20 > requests, "too few requests were good ones for this to say anything: {statuses:?}");
    // After all of that it does what it is for.
    let app = flow.app("after-all").await;
    app.push(Source::answering("one")).await.released("v3");
    assert_eq!(app.get("/").await.text(), "one");
}

async fn client(
    flow: Arc<Flow>,
    links: Arc<Links>,
    tally: Arc<Mutex<BTreeMap<u16, u64>>>,
    mut dice: Dice,
    number: u64,
    requests: u64,
) {
    let mut seen = Seen::new(number);
    let mut token = String::new();
    let mut connection = None;
    for round in 0..requests {
        if round % ROUND == 0 {
            token = account(&flow, &token, number, round).await;
            furnish(&flow, &token, &seen).await;
        }
        let made = Made::draw(&mut dice, &links, &seen);
        let answer = send(&flow, &mut connection, &made, &token).await;
        check(&made, &answer);
        *tally.lock().unwrap().entry(answer.status.as_u16()).or_default() += 1;
        seen.learn(&answer, &mut dice);
        if answer.header("connection").eq_ignore_ascii_case("close") {
            connection = None;
        }
        if round % 5000 == 4999 && number == 0 {
            println!("api_fuzz: {} of {}", (round + 1) * CLIENTS, requests * CLIENTS);
        }
    }
}

/// A token that works: the one that there is, unless it was revoked, its account destroyed, or its rate limit used up.
async fn account(flow: &Flow, token: &str, number: u64, round: u64) -> String {
    let limits = flow.call_as(token, "GET", "/account/rate-limits", None).await;
    if limits.status == 200 && limits.json()["remaining"].as_u64() > Some(2 * ROUND) {
        return token.to_owned();
    }
    flow.account(&format!("client-{number}-{round}@example.org")).await
}

/// What the requests are about. It may be there already, or another account's.
async fn furnish(flow: &Flow, token: &str, seen: &Seen) {
    for (path, body) in [
        ("/apps".to_owned(), json!({ "name": seen.app })),
        ("/teams".to_owned(), json!({ "name": seen.team })),
        (format!("/apps/{}/domains", seen.app), json!({ "hostname": format!("{}.example.org", seen.app) })),
    ] {
        let answer = flow.call_as(token, "POST", &path, Some(&body)).await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text());
    }
}

async fn send(flow: &Flow, connection: &mut Option<Client>, made: &Made, token: &str) -> Answer {
    let request = made.request(flow.api, token);
    for _ in 0..2 {
        if connection.is_none() {
            *connection = Some(Client::connect(flow.api).await.unwrap());
        }
        let sent = connection.as_mut().unwrap().send(request.clone());
        match within(&made.path, sent).await {
            Ok(answer) => return answer,
            // The server may close a kept connection; a second time it is what the request did to it.
            Err(_) => *connection = None,
        }
    }
    panic!("no answer to {made}");
}

fn check(made: &Made, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{made}: {status} {}", answer.text());
    assert!(!answer.header("request-id").is_empty(), "api_8: {made}: {status}");
    if made.method == "HEAD" || status < 400 {
        return;
    }
    let content_type = answer.header("content-type");
    if content_type.starts_with("text/plain") {
        moves_no_cursor(made, &answer.text());
    }
    if !content_type.starts_with("application/json") {
        return;
    }
    let body = answer.json();
    // The registry's are of its own form (OCI distribution specification, "Error Codes").
    let (said, name) = if made.path.starts_with("/v2") && body["errors"].is_array() {
        (&body["errors"][0], "code")
    } else {
        (&body, "id")
    };
    let (id, message) = (said[name].as_str(), said["message"].as_str());
    assert!(id.is_some_and(|id| !id.is_empty()) && message.is_some(), "api_3: {made}: {status} {body}");
    for text in [message, said["detail"].as_str()] {
        moves_no_cursor(made, text.unwrap_or_default());
    }
}

/// What is refused is told in terminals.
fn moves_no_cursor(made: &Made, text: &str) {
    let moves = text.chars().any(|c| c.is_control() && c != '\n');
    assert!(!moves, "{made}: the message moves a terminal's cursor: {text:?}");
}
