//! The disk: what dynos may write, what each kind of thing may take, what goes to make room, what a killed server left.

use crate::flow;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use testkit::{App, Flow, Source, Start, path_of, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const EXE: &str = env!("CARGO_BIN_EXE_flowline");

/// One whose dynos may write little: the machine that tests may have little.
async fn frugal() -> Flow {
    Flow::start_as(Start::of(EXE).with(&["--dyno-disk", "400M"])).await
}

/// Reserves so many bytes of the disk without writing them.
fn takes(path: &str, mebibytes: u64) -> String {
    format!("fd = os.open('{path}', os.O_CREAT | os.O_WRONLY); os.posix_fallocate(fd, 0, {mebibytes} << 20)")
}

/// Python that takes disk, says so, and waits.
fn greedy(steps: &[String]) -> String {
    format!("python3 -c \"import os, time; {}; print('took it', flush=True); time.sleep(600)\"", steps.join("; "))
}

/// Python that takes disk in two steps, the second when [`let_it_take`] lets it.
fn greedy_twice(first: &[String], second: &[String]) -> String {
    let (made, wait) = ("open('/tmp/NAME', 'w').close()", "any(map(time.sleep, iter(PAUSE, 0)))");
    let wait = wait.replace("PAUSE", "lambda: 0 if os.path.exists('/tmp/go') else 0.01");
    let mut steps = first.to_vec();
    steps.extend([made.replace("NAME", "ready"), wait]);
    steps.extend_from_slice(second);
    steps.push(made.replace("NAME", "done"));
    greedy(&steps)
}

/// A file by its name in any dyno's `/tmp`.
fn in_tmp(flow: &Flow, name: &str) -> Option<PathBuf> {
    flow.files("run/dynos").into_iter().find(|path| path.ends_with(Path::new("tmp").join(name)))
}

/// Lets a dyno of [`greedy_twice`] take its second step while the server looks away: it may not find half of it.
async fn let_it_take(flow: &Flow) {
    until("the first step is done", async || in_tmp(flow, "ready").is_some()).await;
    let ready = flow.dir().join(in_tmp(flow, "ready").unwrap());
    let server = Pid::from_raw(flow.pid().try_into().unwrap()).unwrap();
    kill_process(server, Signal::STOP).unwrap();
    std::fs::write(ready.with_file_name("go"), "").unwrap();
    until("the second step is done", async || ready.with_file_name("done").exists()).await;
    kill_process(server, Signal::CONT).unwrap();
}

/// Waits until a folder of the data folder has no files any more.
async fn emptied(flow: &Flow, folder: &str) {
    until("the files are gone", async || flow.files(folder).is_empty()).await;
}

#[tokio::test]
async fn dyno_26_one_that_writes_more_than_its_quota_is_ended_with_the_reason_and_its_neighbour_answers() {
    let flow = frugal().await;
    let neighbour = flow.app("neighbour").await;
    neighbour.push(Source::answering("here")).await.released("v3");
    let app = flow.app("shop").await;
    let worker = greedy_twice(&[takes("/app/a", 300)], &[takes("/app/b", 200)]);
    let source = Source::answering("one").with("Procfile", &format!("web: python3 server.py\nworker: {worker}\n"));
    app.push(source).await.released("v3");
    app.scale("worker", 1).await;
    let_it_take(&flow).await;
    let line = app.log_says("disk quota exceeded").await;
    let words = "heroku[worker.1]: Error: disk quota exceeded: 500.0 MB of 400.0 MB written to /app and /tmp; files there are \
                 lost at each restart, keep them in object storage";
    assert!(line.contains(words), "{line}");
    app.log_says("heroku[worker.1]: Process exited with status 137").await;
    app.log_says("heroku[worker.1]: State changed from up to crashed").await;
    assert_eq!((app.get("/").await.text(), neighbour.get("/").await.text()), ("one".into(), "here".into()));
    app.scale("worker", 0).await;
    emptied(&flow, "scratch").await;
}

#[tokio::test]
async fn dyno_26_tmp_is_on_the_disk_and_counts_and_no_file_is_larger_than_the_quota() {
    let flow = frugal().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let large = greedy(&[takes("/tmp/large", 500)]);
    app.run(&format!("{large} || echo refused")).await;
    app.log_says("File too large").await;
    app.log_says("]: refused").await;
    let name = app.run(&greedy_twice(&[takes("/tmp/a", 300)], &[takes("/app/b", 200)])).await;
    let_it_take(&flow).await;
    app.log_says(&format!("heroku[{name}]: Error: disk quota exceeded: 500.0 MB of 400.0 MB")).await;
    app.log_says(&format!("heroku[{name}]: State changed from up to complete")).await;
    // What is deleted and still open takes as much.
    let taken_and_deleted = |path: &str, mebibytes| [takes(path, mebibytes), format!("os.unlink('{path}')")];
    let deleted = greedy_twice(&taken_and_deleted("/tmp/a", 300), &taken_and_deleted("/tmp/b", 200));
    until("the first one's files are gone", async || in_tmp(&flow, "ready").is_none()).await;
    let name = app.run(&deleted).await;
    let_it_take(&flow).await;
    app.log_says(&format!("heroku[{name}]: Error: disk quota exceeded: 500.0 MB of 400.0 MB")).await;
    app.log_says(&format!("heroku[{name}]: State changed from up to complete")).await;
    assert_eq!(app.get("/").await.text(), "one");
}

/// Waits until what was written is gone from the disk: its folders go a moment after the end is told.
async fn roomy(flow: &Flow) {
    until("the disk has room again", async || flow.get("/disk").await.json()["short"] == false).await;
}

#[tokio::test]
async fn a_dyno_that_fills_the_disk_is_ended_and_everything_else_goes_on() {
    let Some(mut flow) = Flow::start_on_disk(EXE, 96).await else { return };
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let name = app.run("head -c 200000000 /dev/zero > /tmp/x; echo full; sleep 600").await;
    let line = app.log_says(&format!("heroku[{name}]: Error: the server's disk is nearly full")).await;
    assert!(
        line.contains("nothing else wrote as much to it: ") && line.contains("keep them in object storage"),
        "{line}"
    );
    app.log_says(&format!("heroku[{name}]: State changed from up to complete")).await;
    // What it said last, when no byte was free, is there as well.
    app.log_says("No space left on device").await;
    assert_eq!(app.get("/").await.text(), "one");
    roomy(&flow).await;
    app.config(json!({ "AFTER": "1" })).await;
    app.push(Source::answering("two")).await.released("v5");
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    flow.known_app("shop").served("/", "two").await;
}

#[tokio::test]
async fn a_build_that_fills_the_disk_is_ended_with_the_reason() {
    let Some(flow) = Flow::start_on_disk(EXE, 96).await else { return };
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let package = json!({ "name": "big", "scripts": { "build": "head -c 200000000 /dev/zero > big; sleep 600" } });
    let source = Source::answering("two").with("package.json", &package.to_string());
    app.push(source).await.declined("The build is ended: the server's disk is nearly full");
    assert_eq!(app.get("/").await.text(), "one");
    roomy(&flow).await;
    // That it failed may have found no room to be noted; it is noted as soon as there is some.
    let over = |build: &Value| build["status"] != "pending";
    let noted = async || app.read("/builds").await.as_array().unwrap().iter().all(over);
    until("the end of the build in the ledger", noted).await;
    app.push(Source::answering("three")).await.released("v4");
}

/// Text that does not get smaller when it is packed.
fn noise(bytes: usize, seed: u64) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    (0..bytes).map(|_| next()).collect()
}

#[tokio::test]
async fn a_push_that_makes_the_repository_too_large_is_refused_and_the_next_one_works() {
    let flow = Flow::start_as(Start::of(EXE).with(&["--repository-limit", "1M"])).await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one").with("noise", &noise(700_000, 1))).await.released("v3");
    let before = json!([app.read("/releases").await, app.read("/builds").await]);
    let second = Source::answering("two").with("noise", &noise(800_000, 2));
    let push = app.push(second).await.declined("With this push the repository has 1.");
    push.says("and 1.0 MB is the limit").says("git filter-repo");
    app.git(&["reset", "-q", "--hard", "HEAD~1"]).await;
    let huge = app.push(Source::answering("two").with("noise", &noise(3_000_000, 3))).await;
    huge.declined("pack exceeds maximum allowed size");
    assert_eq!(json!([app.read("/releases").await, app.read("/builds").await]), before);
    assert_eq!(app.get("/").await.text(), "one");
    app.git(&["reset", "-q", "--hard", "HEAD~1"]).await;
    app.push(Source::answering("two").with("noise", &noise(700_000, 1))).await.released("v4");
    app.served("/", "two").await;
}

#[tokio::test]
async fn rls_7_what_goes_is_said_and_what_can_be_rolled_back_to_stays() {
    let words = ["--kept-slugs", "2", "--unpacked-limit", "1", "--cache-limit", "1"];
    let mut flow = Flow::start_as(Start::of(EXE).with(&words)).await;
    let app = flow.app("shop").await;
    let package = json!({ "name": "cached", "scripts": { "build": "echo built" } }).to_string();
    for (version, text) in [("v3", "one"), ("v4", "two"), ("v5", "three"), ("v6", "four")] {
        app.push(Source::answering(text).with("package.json", &package)).await.released(version);
    }
    let archives = |flow: &Flow| flow.files("objects/slugs").len();
    let folders = |flow: &Flow| std::fs::read_dir(flow.dir().join("slugs")).unwrap().count();
    assert_eq!((archives(&flow), folders(&flow)), (4, 4));
    // What still drains uses its slug.
    app.has_dynos(1).await;
    // The server looks at its start, and then every ten minutes.
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    let line = app.log_says("Removed the code of v3, v4 to make room").await;
    assert!(line.contains("the 2 newest can be rolled back to"), "{line}");
    let line = app.log_says("Removed the build cache to make room").await;
    assert!(line.contains("its limit is 1 KB. The next build starts without it"), "{line}");
    until("only what runs stays unpacked", async || {
        folders(&flow) <= 1 && flow.server_log().contains("Removed an unpacked slug that nothing runs")
    })
    .await;
    assert_eq!((archives(&flow), app.get("/").await.text()), (2, "four".into()));
    let gone = app.call("POST", "/releases", Some(&json!({ "release": 4 }))).await;
    assert_eq!(gone.status, 422, "{}", gone.text());
    let back = app.call("POST", "/releases", Some(&json!({ "release": 5 }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    app.served("/", "three").await;
    app.push(Source::answering("five").with("package.json", &package)).await.released("v8");
    app.served("/", "five").await;
}

/// What a server that is killed in the middle may leave: paths below the data folder.
const LEFT: [&str; 7] = [
    "objects/slugs/0123.tar.zst#1",
    "objects/sources/0123#7",
    "objects/uploads/01234567-89ab-cdef-0123-456789abcdef",
    "slugs/.half-01234567-89ab-cdef-0123-456789abcdef/app/file",
    "builds/01234567-89ab-cdef-0123-456789abcdef/app/file",
    "cache/.gone-01234567-89ab-cdef-0123-456789abcdef/file",
    "outputs/build-01234567-89ab-cdef-0123-456789abcdef",
];

#[tokio::test]
async fn what_a_killed_server_left_half_done_is_gone_when_the_next_one_is_ready() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    let package = json!({ "name": "cached", "scripts": { "build": "echo built" } }).to_string();
    app.push(Source::answering("one").with("package.json", &package)).await.released("v3");
    let id = app.read("").await["id"].as_str().unwrap().to_owned();
    flow.end_serve(Signal::KILL).await;
    let all = ["objects", "slugs", "builds", "cache", "outputs"];
    let files = |flow: &Flow| all.iter().flat_map(|folder| flow.files(folder)).collect::<Vec<_>>();
    let before: Vec<_> = files(&flow).into_iter().filter(|path| !path.starts_with("builds")).collect();
    let in_cache = [format!("cache/{id}/0123.changes/file"), format!("cache/{id}/index.json.new")];
    for path in LEFT.iter().map(|path| (*path).to_owned()).chain(in_cache) {
        let path = flow.dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "half").unwrap();
    }
    flow.start_serve().await;
    until(&format!("{before:#?} again"), async || files(&flow) == before).await;
    let app = flow.known_app("shop");
    assert_eq!(app.get("/").await.text(), "one");
    app.push(Source::answering("two").with("package.json", &package)).await.released("v4");
}

#[tokio::test]
async fn cli_disk_says_what_uses_how_much() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one").with("noise", &noise(2_000_000, 1))).await.released("v3");
    let disk = flow.get("/disk").await.json();
    let of = |kind: &str| {
        let kinds = disk["kinds"].as_array().unwrap();
        kinds.iter().find(|one| one["name"] == kind).unwrap_or_else(|| panic!("no {kind} in {disk}"))["bytes"].as_u64()
    };
    for (kind, least) in
        [("repositories", 1_400_000), ("archives", 1_400_000), ("slugs", 2_000_000), ("logs", 1), ("database", 1)]
    {
        assert!(of(kind).unwrap() >= least, "{kind}: {disk}");
    }
    assert!(disk["free_bytes"].as_u64() <= disk["total_bytes"].as_u64());
    let shop = &disk["apps"][0];
    assert_eq!((&shop["name"], disk["apps"].as_array().unwrap().len()), (&json!("shop"), 1));
    assert!(shop["kinds"]["slugs"].as_u64().unwrap() >= 2_000_000, "{shop}");
    let shown = flow.cli(&["disk"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for words in ["free", "floor", "repositories", "2.0 GB", "shop"] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
    let printed: Value = serde_json::from_slice(&flow.cli(&["disk", "--json"]).await.stdout).unwrap();
    assert_eq!(printed["floor_bytes"], disk["floor_bytes"]);
    let stranger = flow.account("stranger@example.org").await;
    let seen = flow.call_as(&stranger, "GET", "/disk", None).await.json();
    assert_eq!(seen["apps"], json!([]), "apps of others are not named");
    let metrics = flow.get("/metrics").await.text();
    assert!(metrics.contains("flowline_disk_bytes{what=\"floor\"}"), "{metrics}");
}

/// 507 with the id that clients act on, and words that say what to do.
fn refused(answer: &testkit::Answer) {
    assert_eq!(answer.status, 507, "{}", answer.text());
    assert_eq!(answer.json()["id"], "insufficient_storage");
    assert!(answer.text().contains("disk is nearly full") && answer.text().contains("try again"), "{}", answer.text());
}

async fn slug_address(app: &App<'_>) -> Value {
    let body = json!({ "process_types": { "web": "cat" } });
    let slug = app.call("POST", "/slugs", Some(&body)).await;
    assert_eq!(slug.status, 201, "{}", slug.text());
    slug.json()["blob"]["url"].take()
}

#[tokio::test]
async fn while_the_disk_is_short_nothing_that_takes_room_is_begun_and_apps_go_on() {
    let Some(flow) = Flow::start_on_disk(EXE, 64).await else { return };
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let source = flow.post("/sources", &json!({})).await.json()["source_blob"].take();
    let slug = slug_address(&app).await;
    // An upload that announces more than there is room for is not even asked for.
    for url in [&slug, &source["put_url"]] {
        let mut stream = TcpStream::connect(flow.api).await.unwrap();
        let head = "host: x\r\nconnection: close\r\ncontent-length: 62000000\r\nexpect: 100-continue";
        stream.write_all(format!("PUT {} HTTP/1.1\r\n{head}\r\n\r\n", path_of(url)).as_bytes()).await.unwrap();
        let mut said = String::new();
        within("the refusal", stream.read_to_string(&mut said)).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 507 ") && !said.contains("100 Continue"), "{said}");
    }
    flow.fill_disk(1 << 20);
    let before = flow.files("objects");
    refused(&flow.post("/sources", &json!({})).await);
    refused(&flow.upload(&source["put_url"], Bytes::from_static(b"archive")).await);
    refused(&flow.upload(&slug, Bytes::from_static(b"archive")).await);
    refused(&app.call("POST", "/slugs", Some(&json!({ "process_types": { "web": "cat" } }))).await);
    let build = json!({ "source_blob": { "url": source["get_url"] } });
    refused(&app.call("POST", "/builds", Some(&build)).await);
    app.commit(Source::answering("two")).await;
    app.push_head("main").await.declined("remote: The server's disk is nearly full").says("507");
    assert_eq!(flow.files("objects"), before);
    assert_eq!(app.get("/").await.text(), "one");
    app.run("echo still runs").await;
    app.log_says("]: still runs").await;
    let shown = flow.get("/disk").await.json();
    assert_eq!(shown["short"], true, "{shown}");
    flow.free_disk();
    app.push_head("main").await.released("v4");
}
