//! Slugs that clients bring themselves (BLD-15): announced, uploaded, released.

use crate::flow;
use crate::push::archive;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{App, Flow, path_of};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What `sha256sum` says of it, in the form of the API.
pub(crate) async fn checksum(flow: &Flow, bytes: &Bytes) -> String {
    let file = flow.dir().join("archive-to-sum");
    std::fs::write(&file, bytes).unwrap();
    let sum = tokio::process::Command::new("sha256sum").arg(&file).output().await.unwrap();
    format!("SHA256:{}", String::from_utf8(sum.stdout).unwrap().split_once(' ').unwrap().0)
}

/// An app that Python's own server can serve.
fn page(text: &str) -> Bytes {
    archive(&[("./app/index.html", text), ("./app/.profile", "export FROM=profile\n")])
}

async fn announce(app: &App<'_>, more: Value) -> Value {
    let mut body = json!({ "process_types": { "web": "python3 -m http.server $PORT" } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let slug = app.call("POST", "/slugs", Some(&body)).await;
    assert_eq!(slug.status, 201, "{}", slug.text());
    slug.json()
}

/// Announces, uploads and releases; the slug's id.
async fn deploy(app: &App<'_>, flow: &Flow, archive: Bytes) -> Value {
    let slug = announce(app, json!({})).await;
    let put = flow.upload(&slug["blob"]["url"], archive).await;
    assert_eq!(put.status, 200, "{}", put.text());
    let release = app.call("POST", "/releases", Some(&json!({ "slug": slug["id"] }))).await;
    assert_eq!(release.status, 201, "{}", release.text());
    slug["id"].clone()
}

#[tokio::test]
async fn bld_15_a_slug_of_ones_own_serves() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let bytes = page("by hand");
    let sum = checksum(&flow, &bytes).await;
    let about = json!({ "checksum": sum, "commit": "0123abc", "commit_description": "by hand", "stack": "heroku-24" });
    let slug = announce(&app, about).await;
    assert_eq!((&slug["blob"]["method"], &slug["checksum"]), (&json!("PUT"), &json!(sum)));
    assert_eq!(flow.upload(&slug["blob"]["url"], bytes.clone()).await.status, 200);
    let release = app.call("POST", "/releases", Some(&json!({ "slug": slug["id"] }))).await;
    assert_eq!((release.status.as_u16(), release.json()["version"].as_i64()), (201, Some(3)), "{}", release.text());
    app.served("/", "by hand").await;
    let seen = app.read(&format!("/slugs/{}", slug["id"].as_str().unwrap())).await;
    assert_eq!((&seen["size"], &seen["commit"]), (&json!(bytes.len()), &json!("0123abc")));
    assert_eq!(flow.read_address(&seen["blob"]["url"]).await.body, bytes);
    // The same slug in another app of the same owner.
    let other = flow.app("shop-staging").await;
    let release = other.call("POST", "/releases", Some(&json!({ "slug": slug["id"] }))).await;
    assert_eq!(release.status, 201, "{}", release.text());
    other.served("/", "by hand").await;
    // The next one takes over, and the way back leads to this one.
    deploy(&app, &flow, page("again by hand")).await;
    app.served("/", "again by hand").await;
    let back = app.call("POST", "/releases", Some(&json!({ "release": 3 }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    app.served("/", "by hand").await;
}

#[tokio::test]
async fn bld_15_other_bytes_than_announced_are_refused_and_not_kept() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let sum = checksum(&flow, &page("announced")).await;
    let slug = announce(&app, json!({ "checksum": sum })).await;
    let before = flow.files("objects");
    let put = flow.upload(&slug["blob"]["url"], page("something else")).await;
    assert_eq!((put.status.as_u16(), put.json()["id"].as_str()), (422, Some("invalid_params")), "{}", put.text());
    assert!(put.text().contains(&sum) && put.text().contains("upload it again"), "{}", put.text());
    assert_eq!(flow.files("objects"), before, "nothing of it is kept");
    let release = app.call("POST", "/releases", Some(&json!({ "slug": slug["id"] }))).await;
    assert_eq!(release.status, 422, "{}", release.text());
    assert_eq!(flow.upload(&slug["blob"]["url"], page("announced")).await.status, 200, "the true one is taken");
    let changed = flow.upload(&slug["blob"]["url"], page("something else")).await;
    assert_eq!(changed.status, 422, "a slug never changes: {}", changed.text());
}

#[tokio::test]
async fn bld_15_a_slug_without_content_or_of_somebody_else_is_not_released() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let slug = announce(&app, json!({})).await;
    let empty = app.call("POST", "/releases", Some(&json!({ "slug": slug["id"] }))).await;
    assert_eq!((empty.status.as_u16(), empty.json()["id"].as_str()), (422, Some("invalid_params")));
    assert!(empty.text().contains("upload the archive"), "{}", empty.text());
    let nothing = flow.raw("GET", path_of(&slug["blob"]["url"]), &[], Bytes::new()).await;
    assert_eq!(nothing.status, 404, "{}", nothing.text());
    assert_eq!(flow.upload(&slug["blob"]["url"], page("mine")).await.status, 200);
    let stranger = flow.account("stranger@example.org").await;
    flow.call_as(&stranger, "POST", "/apps", Some(&json!({ "name": "theirs" }))).await;
    let id = slug["id"].as_str().unwrap();
    let stolen = flow.call_as(&stranger, "POST", "/apps/theirs/releases", Some(&json!({ "slug": id }))).await;
    assert_eq!((stolen.status.as_u16(), stolen.json()["resource"].as_str()), (404, Some("slug")));
    let seen = flow.call_as(&stranger, "GET", &format!("/apps/theirs/slugs/{id}"), None).await;
    assert_eq!(seen.status, 404);
    let missing = app.call("POST", "/releases", Some(&json!({ "slug": "01234567-89ab-cdef-0123-456789abcdef" }))).await;
    assert_eq!(missing.body, stolen.body, "cli_21: a slug of somebody else is as one that is not there");
    assert_eq!(app.latest_release().await["version"], 2);
}

#[tokio::test]
async fn bld_15_announcements_that_cannot_be() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for body in [
        json!({}),
        json!({ "process_types": { "web": " " } }),
        json!({ "process_types": { "no good": "cat" } }),
        json!({ "process_types": { "web": "cat" }, "checksum": "0123" }),
        json!({ "process_types": { "web": "cat" }, "checksum": "SHA256:xyz" }),
        json!({ "process_types": { "web": "cat" }, "stack": "amiga-500" }),
        json!({ "process_types": ["web"] }),
    ] {
        let refused = app.call("POST", "/slugs", Some(&body)).await;
        assert_eq!((refused.status.as_u16(), refused.json()["id"].as_str()), (422, Some("invalid_params")), "{body}");
    }
}

#[tokio::test]
async fn bld_15_an_archive_that_cannot_be_an_app_leaves_the_one_before_serving_and_says_why() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    deploy(&app, &flow, page("one")).await;
    app.served("/", "one").await;
    let outside = archive(&[("index.html", "not below ./app")]);
    for bad in [Bytes::from_static(b"this is no archive"), outside, page("half")[..100].to_vec().into()] {
        let slug = announce(&app, json!({})).await;
        let put = flow.upload(&slug["blob"]["url"], bad.clone()).await;
        let said = put.json()["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(put.status, 422, "{}", put.text());
        assert!(said.contains("archive") || said.contains("./app"), "{said}");
    }
    assert_eq!(app.latest_release().await["version"], 3);
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn bld_15_an_upload_that_breaks_off_leaves_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let slug = announce(&app, json!({})).await;
    let before = flow.files("objects");
    let mut stream = TcpStream::connect(flow.api).await.unwrap();
    let head = format!("PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n", path_of(&slug["blob"]["url"]));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![7; 6_000_000]).await.unwrap();
    drop(stream);
    assert_eq!(flow.upload(&slug["blob"]["url"], page("whole")).await.status, 200);
    testkit::until("the end of the half upload", async || flow.files("objects").len() <= before.len() + 1).await;
    let release = app.call("POST", "/releases", Some(&json!({ "slug": slug["id"] }))).await;
    assert_eq!(release.status, 201, "{}", release.text());
    app.served("/", "whole").await;
}
