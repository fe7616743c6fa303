//! What does not fit: slugs, uploads, build output, memory. Each is refused with the reason, and what runs goes on.

use crate::flow;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{App, Flow, Source, path_of, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An app whose build runs this command.
fn building(text: &str, command: &str) -> Source {
    let package = json!({ "name": "big", "scripts": { "build": command } });
    Source::answering(text).with("package.json", &package.to_string())
}

/// What a failed build may not leave behind.
fn left(flow: &Flow) -> Vec<std::path::PathBuf> {
    ["objects", "slugs", "builds"].iter().flat_map(|folder| flow.files(folder)).collect()
}

/// A build's folder is emptied after the answer: in the end nothing more is there than before.
async fn emptied(flow: &Flow, before: &[std::path::PathBuf]) {
    let builds = || std::fs::read_dir(flow.dir().join("builds")).unwrap().count();
    testkit::until(&format!("{before:#?} again"), async || left(flow) == before && builds() == 0).await;
}

/// The release before still serves, and the next push works.
async fn goes_on(app: &App<'_>, serving: &str, next: &str) {
    assert_eq!(app.get("/").await.text(), serving);
    app.push(Source::answering("the next")).await.released(next);
    app.served("/", "the next").await;
}

#[tokio::test]
async fn bld_4_a_slug_that_is_too_big_declines_the_push_and_leaves_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let before = left(&flow);
    let big = building("two", "head -c 530000000 /dev/urandom > big.bin");
    let push = app.push(big).await.declined("Compiled slug size: 505.");
    push.says("M is too large (max is 500M).").says(".slugignore").says("Push rejected to shop.");
    emptied(&flow, &before).await;
    let builds = app.read("/builds").await;
    assert_eq!((&builds[1]["status"], &builds[1]["slug"]), (&json!("failed"), &Value::Null));
    goes_on(&app, "one", "v4").await;
}

#[tokio::test]
async fn a_build_that_needs_more_memory_than_it_may_have_is_told_so() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let hungry = building("two", "python3 -c \"print(len(b'x' * (3 << 30)))\"");
    let before = left(&flow);
    app.push(hungry)
        .await
        .declined("Push rejected, failed to compile Node.js app.")
        .says("more memory than the 2560 MB");
    emptied(&flow, &before).await;
    goes_on(&app, "one", "v4").await;
}

#[tokio::test]
async fn ci_9_a_build_that_prints_too_much_is_cut_and_says_so() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let push =
        app.push(building("one", "head -c 13500000 /dev/zero | base64 -w 8000; echo the end")).await.released("v3");
    push.says("the end");
    let output = app.read("/builds").await[0]["output_stream_url"].take();
    let kept = flow.read_address(&output).await.text();
    assert!((15_900_000..16_800_000).contains(&kept.len()), "{}", kept.len());
    let last = "[The output is longer than 16777216 bytes; the rest is not kept]";
    assert_eq!(kept.lines().last(), Some(last));
    assert_eq!(app.get("/").await.text(), "one");
}

/// An upload as somebody sends it who has not read the rules: these headers, then so many bytes; all of the answer.
async fn sent(flow: &Flow, url: &Value, headers: &str, begin: &str, bytes: u64) -> String {
    let mut stream = TcpStream::connect(flow.api).await.unwrap();
    let head = format!("PUT {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n{begin}", path_of(url));
    stream.write_all(head.as_bytes()).await.unwrap();
    let zeros = vec![0; 1 << 20];
    let mut left = usize::try_from(bytes).unwrap();
    while left > 0 {
        stream.write_all(&zeros[..left.min(zeros.len())]).await.unwrap();
        left = left.saturating_sub(zeros.len());
    }
    let mut said = String::new();
    within("the refusal", stream.read_to_string(&mut said)).await.unwrap();
    said
}

#[tokio::test]
async fn bld_4_uploads_over_the_limit_are_refused_before_they_are_sent() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let source = flow.post("/sources", &json!({})).await.json()["source_blob"]["put_url"].take();
    let slug = app.call("POST", "/slugs", Some(&json!({ "process_types": { "web": "cat" } }))).await.json();
    let before = left(&flow);
    for (url, limit) in [(&source, 1_000_000_000_u64), (&slug["blob"]["url"], 500 << 20)] {
        let over = format!("content-length: {}\r\nexpect: 100-continue", limit + 1);
        let said = sent(&flow, url, &over, "", 0).await;
        assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("\"payload_too_large\""), "{said}");
        assert!(said.contains(&format!("larger than {limit} bytes")), "{said}");
        assert!(!said.contains("100 Continue"), "nothing of it may be asked for: {said}");
    }
    // One that announces nothing is counted as it comes.
    let limit = 500 << 20;
    let said = sent(&flow, &slug["blob"]["url"], "transfer-encoding: chunked", "40000000\r\n", limit + 1).await;
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains(&format!("larger than {limit} bytes")), "{said}");
    emptied(&flow, &before).await;
    assert_eq!(flow.upload(&source, Bytes::from_static(b"fits")).await.status, 200);
}
