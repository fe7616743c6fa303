//! A disk that is full: what does not fit is refused with the reason, what runs goes on, nothing acknowledged is lost.

use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{App, Flow, Source, path_of, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// A Flowline on a disk of 64 MiB with one app that serves `one`; `None` where no disk can be mounted.
async fn small() -> Option<Flow> {
    let flow = Flow::start_on_disk(env!("CARGO_BIN_EXE_flowline"), 64).await?;
    let app = flow.app("shop").await;
    app.config(json!({ "KEPT": "yes" })).await;
    app.push(Source::answering("one")).await.released("v4");
    assert_eq!(app.get("/").await.text(), "one");
    Some(flow)
}

/// Text that does not get smaller when it is packed.
fn noise(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    (0..bytes).map(|_| next()).collect()
}

fn building(command: &str) -> Source {
    let package = json!({ "name": "big", "scripts": { "build": command } });
    Source::answering("two").with("package.json", &package.to_string())
}

/// The ledger and the config, which must be the same before and after.
async fn ledger(app: &App<'_>) -> Value {
    json!([app.read("/releases").await, app.read("/config-vars").await, app.read("/formation").await])
}

/// Commits while there is room, fills the disk, pushes; then gives the room back.
async fn declined(app: &App<'_>, flow: &Flow, source: Source, left_bytes: u64, words: &[&str]) {
    let before = ledger(app).await;
    app.commit(source).await;
    flow.fill_disk(left_bytes);
    app.push_head("main").await.declined_for_one_of(words);
    assert_eq!(ledger(app).await, before);
    assert_eq!(app.get("/").await.text(), "one");
    flow.free_disk();
    // That it failed may have found no room to be noted; it is noted as soon as there is some.
    let over = |build: &Value| build["status"] != "pending";
    let noted = async || app.read("/builds").await.as_array().unwrap().iter().all(over);
    until("the end of the build in the ledger", noted).await;
}

#[tokio::test]
async fn a_push_that_does_not_fit_is_declined_with_the_reason_and_the_next_one_works() {
    let Some(mut flow) = small().await else { return };
    let app = flow.known_app("shop");
    let full = "No space left on device";
    // Whoever watches the disk may be first to see that it fills.
    let ended = "The build is ended: the server's disk is nearly full";
    // Too little to begin with: nothing of it is sent.
    declined(&app, &flow, Source::answering("two"), 2 * MIB, &["remote: The server's disk is nearly full"]).await;
    // The commit itself. It is part of every later push too: 4.5 MiB.
    let long = Source::answering("two").with("noise.txt", &noise(6 << 20));
    declined(&app, &flow, long, 4 * MIB, &[full]).await;
    // Too little for a build when all of it was sent; what the tree unpacks to; what the build writes; the slug beside all that.
    declined(&app, &flow, Source::answering("two"), 5 * MIB, &["disk is nearly full"]).await;
    let flat = Source::answering("two").with("flat.txt", &"flat ".repeat(3 << 20));
    declined(&app, &flow, flat, 10 * MIB, &["disk is full", ended]).await;
    declined(&app, &flow, building("head -c 15000000 /dev/urandom > big.bin"), 10 * MIB, &[full, ended]).await;
    declined(&app, &flow, building("head -c 7000000 /dev/urandom > big.bin"), 16 * MIB, &["disk is full", ended]).await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(app.get("/").await.text(), "one");
    app.push(Source::answering("two")).await.released("v5");
    app.served("/", "two").await;
    assert_eq!(app.get("/env/KEPT").await.text(), "yes");
}

#[tokio::test]
async fn a_change_that_does_not_fit_is_refused_whole_and_what_was_acknowledged_stays() {
    let Some(mut flow) = small().await else { return };
    let app = flow.known_app("shop");
    flow.fill_disk(200 * KIB);
    let mut acknowledged = ledger(&app).await;
    let refused = loop {
        // The write-ahead log has some room of its own: changes succeed until it is used up.
        let big = json!({ "BIG": noise(50_000) + &acknowledged[0].as_array().unwrap().len().to_string() });
        let answer = app.call("PATCH", "/config-vars", Some(&big)).await;
        let now = ledger(&app).await;
        if answer.status != 200 {
            assert_eq!(now, acknowledged, "{}", answer.text());
            break answer;
        }
        assert_eq!(now[1], answer.json());
        acknowledged = now;
    };
    assert_eq!((refused.status.as_u16(), refused.json()["id"].as_str()), (507, Some("insufficient_storage")));
    assert!(refused.text().contains("disk is full") && refused.text().contains("nothing was changed"));
    // The server's own log lies on the same disk: that it cannot be written either must end nothing.
    for _ in 0..100 {
        let again = app.call("PATCH", "/config-vars", Some(&json!({ "BIG": noise(50_000) }))).await;
        assert_eq!(again.status, 507, "{}", again.text());
    }
    let before = flow.get("/apps").await.json();
    let repositories = flow.files("repos");
    let second = flow.post("/apps", &json!({ "name": "second" })).await;
    assert_eq!(second.status, 507, "{}", second.text());
    assert_eq!((flow.get("/apps").await.json(), flow.files("repos")), (before, repositories));
    assert_eq!(app.get("/").await.text(), "one");
    flow.free_disk();
    assert_eq!(ledger(&app).await, acknowledged);
    app.config(json!({ "AFTER": "1", "BIG": null })).await;
    app.served("/env/AFTER", "1").await;
    app.run("echo logged again").await;
    app.log_says("]: logged again").await;
    let acknowledged = ledger(&app).await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(ledger(&app).await, acknowledged);
    assert_eq!((app.get("/").await.text(), app.get("/env/KEPT").await.text()), ("one".into(), "yes".into()));
}

/// An upload that announces nothing: its bytes are counted by the disk alone.
async fn chunked(flow: &Flow, url: &Value, bytes: usize) -> String {
    let mut stream = TcpStream::connect(flow.api).await.unwrap();
    let head = "host: x\r\nconnection: close\r\ntransfer-encoding: chunked";
    let begin = format!("PUT {} HTTP/1.1\r\n{head}\r\n\r\n{bytes:x}\r\n", path_of(url));
    stream.write_all(begin.as_bytes()).await.unwrap();
    // The answer may come, and the connection end, before all is sent.
    let (mut read, mut write) = stream.into_split();
    let send = async {
        let _refused =
            write.write_all(&vec![7; bytes]).await.is_err() || write.write_all(b"\r\n0\r\n\r\n").await.is_err();
    };
    let mut said = Vec::new();
    let receive = async {
        let _reset = read.read_to_end(&mut said).await.is_err();
    };
    within("the answer", async { tokio::join!(send, receive) }).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn an_upload_that_does_not_fit_leaves_nothing_and_what_was_uploaded_stays() {
    let Some(mut flow) = small().await else { return };
    let app = flow.known_app("shop");
    let source = flow.post("/sources", &json!({})).await.json()["source_blob"].take();
    let slug = app.call("POST", "/slugs", Some(&json!({ "process_types": { "web": "cat" } }))).await.json();
    assert!(chunked(&flow, &source["put_url"], 1 << 20).await.starts_with("HTTP/1.1 200 "));
    let (before, files) = (ledger(&app).await, flow.files("objects"));
    flow.fill_disk(6 * MIB);
    for url in [&source["put_url"], &slug["blob"]["url"]] {
        let said = chunked(&flow, url, 12 << 20).await;
        assert!(said.starts_with("HTTP/1.1 507 ") && said.contains("insufficient_storage"), "{said}");
    }
    assert_eq!((ledger(&app).await, flow.files("objects")), (before, files), "nothing of it is kept");
    assert_eq!(app.get("/").await.text(), "one");
    flow.free_disk();
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let kept = flow.read_address(&source["get_url"]).await;
    assert_eq!((kept.status.as_u16(), kept.body.len()), (200, 1 << 20), "the upload that was acknowledged");
}

#[tokio::test]
async fn a_release_that_does_not_fit_is_refused_whole_and_lines_wait_for_room() {
    let Some(mut flow) = small().await else { return };
    let app = flow.known_app("shop");
    let slug = app.latest_release().await["slug"]["id"].clone();
    app.config(json!({ "PADDING": noise(50_000) })).await;
    // It goes on until long after the disk is full: a dyno that starts then may find no room for its own files.
    app.run("for number in $(seq 200); do echo line $number; sleep 0.1; done; echo the last").await;
    app.log_says("]: line 3").await;
    flow.fill_disk(200 * KIB);
    let mut acknowledged = ledger(&app).await;
    loop {
        let answer = app.call("POST", "/releases", Some(&json!({ "slug": slug }))).await;
        let now = ledger(&app).await;
        if answer.status != 201 {
            assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (507, Some("insufficient_storage")));
            assert_eq!(now, acknowledged);
            break;
        }
        assert_eq!(now[0].as_array().unwrap().len(), acknowledged[0].as_array().unwrap().len() + 1);
        acknowledged = now;
    }
    flow.free_disk();
    app.log_says("]: the last").await;
    let log = app.logs().await;
    for number in 1..=200 {
        assert!(log.contains(&format!("]: line {number}\n")), "line {number} is lost:\n{log}");
    }
    assert_eq!(ledger(&app).await, acknowledged);
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!((ledger(&app).await, app.get("/").await.text()), (acknowledged, "one".into()));
}
