//! Log drains of a running server, to receivers that check every frame.

use crate::flow;
use crate::schema::Schema;
use serde_json::{Value, json};
use testkit::{App, Flow, Frame, Identity, Receiver, Source, Start};

async fn add(app: &App<'_>, url: &str) -> Value {
    let answer = app.call("POST", "/log-drains", Some(&json!({ "url": url }))).await;
    assert_eq!(answer.status, 201, "{url}: {}", answer.text());
    answer.json()
}

/// The first message whose end is this, among those that come.
async fn posted(receiver: &mut Receiver, words: &str) -> Frame {
    loop {
        let found = receiver.post().await.frames.into_iter().find(|frame| frame.rest.contains(words));
        if let Some(frame) = found {
            return frame;
        }
    }
}

#[tokio::test]
async fn log_20_drains_are_added_found_by_id_token_and_address_and_removed() {
    let (flow, schema) = (flow().await, Schema::read());
    let (app, other) = (flow.app("shop").await, flow.app("blog").await);
    assert_eq!(app.read("/log-drains").await, json!([]));
    // CLI-36: nobody answers there.
    let url = "https://user:s3cret-pass@logs.example.invalid:8443/in?a=b%20c";
    let made = add(&app, url).await;
    schema.check("log-drain", &made);
    assert_eq!((&made["url"], &made["addon"]), (&json!(url), &json!(null)), "cli_27");
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert!(token.starts_with("d.") && token.len() == 38, "{token}");
    let escaped = url.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
    for which in [id, token, &escaped] {
        assert_eq!(app.read(&format!("/log-drains/{which}")).await, made);
        assert_eq!(other.call("GET", &format!("/log-drains/{which}"), None).await.status, 404, "another app's");
        assert_eq!(other.call("DELETE", &format!("/log-drains/{which}"), None).await.status, 404);
    }
    let again = app.call("POST", "/log-drains", Some(&json!({ "url": url }))).await;
    assert_eq!((again.status.as_u16(), again.json()["id"].as_str()), (422, Some("invalid_params")));
    assert!(again.text().contains("already been taken") && !again.text().contains("s3cret"), "{}", again.text());
    for port in 1..5 {
        add(&app, &format!("syslog+tls://logs.example.invalid:{port}")).await;
    }
    let sixth = app.call("POST", "/log-drains", Some(&json!({ "url": "syslog://a.example.invalid" }))).await;
    assert!(sixth.status == 422 && sixth.text().contains("5 drains, which is the limit"), "{}", sixth.text());
    schema.check_all("log-drain", &app.read("/log-drains").await, 5);
    let gone = app.call("DELETE", &format!("/log-drains/{escaped}"), None).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, made.clone()), "cli_20");
    let after = app.call("GET", &format!("/log-drains/{id}"), None).await;
    assert_eq!((after.status.as_u16(), after.json()["id"].as_str()), (404, Some("not_found")), "cli_32");
    let log = app.logs().await;
    assert!(
        log.contains("Add log drain to https://logs.example.invalid:8443/ by user") && !log.contains("s3cret"),
        "{log}"
    );
    let audit = flow.get("/apps/shop/audit-events").await.text();
    assert!(
        audit.contains("/log-drains/[masked]") && !audit.contains("s3cret") && !audit.contains(&escaped),
        "{audit}"
    );
    assert_eq!(app.latest_release().await["version"], 2, "log_23: no release");
    for file in ["flowline.db", "flowline.db-wal"] {
        let bytes = std::fs::read(flow.dir().join(file)).unwrap_or_default();
        assert!(!bytes.windows(11).any(|window| window == b"s3cret-pass"), "{file} has the password");
    }
}

#[tokio::test]
async fn log_20_bad_addresses_are_refused() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let huge = format!("https://a.example/{}", "x".repeat(500_000));
    for bad in [
        json!(""),
        json!("ftp://a.example"),
        json!("https://"),
        json!("file:///etc/passwd"),
        json!("syslog://a.example\r\nX: y"),
        json!("https://a.example/$(id) `id`"),
        json!("https://a.example:99999"),
        json!("\u{1b}[2Jhttps://a.example"),
        json!("https://a\u{0}.example"),
        json!(huge),
        json!(null),
        json!(5),
        json!({ "url": "https://a.example" }),
    ] {
        let answer = app.call("POST", "/log-drains", Some(&json!({ "url": bad }))).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{bad:.99}");
        assert!(answer.text().len() < 500, "{}", answer.text());
    }
    for which in ["nothing", "%00", "..%2f..%2fblog", "d.01234567-89ab-cdef-0123-456789abcdef"] {
        assert_eq!(app.call("DELETE", &format!("/log-drains/{which}"), None).await.status, 404, "{which}");
    }
    assert_eq!(app.read("/log-drains").await, json!([]));
}

#[tokio::test]
async fn what_an_app_says_comes_to_its_drains_also_after_a_restart_of_the_server() {
    let identity = Identity::make();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &identity.ca_pem).unwrap();
    let start = Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--drain-ca", ca.to_str().unwrap()]);
    let mut flow = Flow::start_as(start).await;
    let mut syslog = Receiver::syslog(Some(&identity)).await;
    let mut https = Receiver::http(Some(&identity), &[]).await;
    let app = flow.app("shop").await;
    let token = add(&app, &format!("syslog+tls://{}", syslog.addr)).await["token"].take();
    add(&app, &format!("https://user:pass@{}/", https.addr)).await;
    app.push(Source::answering("one").with("Procfile", "web: echo ready to serve; exec python3 server.py"))
        .await
        .released("v3");
    assert_eq!(app.get("/").await.text(), "one");
    let mut seen = Vec::new();
    while !seen.iter().any(|frame: &Frame| frame.ps == "router" && frame.rest.contains("method=GET")) {
        seen.push(syslog.frame().await);
    }
    assert!(seen.iter().all(|frame| token == frame.host.as_str()), "{seen:?}");
    for (priority, source, ps, text) in [
        (190, "app", "api", "Release v3 created"),
        (190, "app", "web.1", "ready to serve"),
        (158, "heroku", "web.1", "State changed"),
    ] {
        let is = |frame: &&Frame| frame.priority == priority && frame.source == source && frame.ps == ps;
        assert!(seen.iter().filter(is).any(|frame| frame.rest.contains(text)), "{text} is missing: {seen:?}");
    }
    assert_eq!(posted(&mut https, "method=GET").await.host, "host");
    drop(app);
    flow.end_serve(rustix::process::Signal::TERM).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    app.get("/after-the-restart").await;
    posted(&mut https, "after-the-restart").await;
    while !syslog.frame().await.rest.contains("after-the-restart") {}
    let all = app.read("/log-drains").await;
    for drain in all.as_array().unwrap() {
        let gone = app.call("DELETE", &format!("/log-drains/{}", drain["id"].as_str().unwrap()), None).await;
        assert_eq!(gone.status, 200, "{}", gone.text());
    }
    app.get("/after-the-removal").await;
    app.log_says("after-the-removal").await;
    while let Some(post) = https.post_now() {
        assert!(!post.frames.iter().any(|frame| frame.rest.contains("after-the-removal")));
    }
}
