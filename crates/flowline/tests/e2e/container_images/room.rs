//! What takes more room than there is: refused at once, before it is sent.

use super::pushing::{Image, MANIFEST, Registry, base, container, deploy};
use crate::flow;
use bytes::Bytes;
use testkit::{Flow, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Begins an upload; its address.
async fn upload(registry: &Registry<'_>) -> String {
    let begun = registry.call("POST", "shop/web/blobs/uploads/", &[], Bytes::new()).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    begun.header("location").trim_start_matches("/v2/").to_owned()
}

#[tokio::test]
async fn a_part_that_makes_a_blob_too_large_is_refused_before_it_is_sent() {
    let flow = flow().await;
    container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let place = upload(&registry).await;
    assert_eq!(registry.call("PATCH", &place, &[], Bytes::from_static(b"abc")).await.status, 202);
    let mut stream = TcpStream::connect(flow.api).await.unwrap();
    let headers = format!("host: x\r\nauthorization: {}\r\nconnection: close\r\nexpect: 100-continue", flow.basic());
    let length = 10_u64 << 30;
    let head = format!("PATCH /v2/{place} HTTP/1.1\r\n{headers}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    within("the refusal", stream.read_to_string(&mut said)).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 413 ") && !said.contains("100 Continue"), "{said}");
    assert!(said.contains("SIZE_INVALID") && said.contains("which is the limit"), "{said}");
    assert!(flow.files("image-uploads").is_empty(), "an upload that cannot end is over");
}

#[tokio::test]
async fn while_the_disk_is_short_nothing_is_pushed_and_apps_go_on() {
    let Some(flow) = Flow::start_on_disk(env!("CARGO_BIN_EXE_flowline"), 96).await else { return };
    let app = container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let image = Image::serving("one");
    deploy(&flow, &app, "web", &image).await;
    app.served("/answer.txt", "one").await;
    let place = upload(&registry).await;
    flow.fill_disk(1 << 20);
    let short = async |method: &str, path: &str, headers: &[(&str, &str)], body: Bytes| {
        let answer = registry.call(method, path, headers, body).await;
        let said = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(answer.status == 507 && said.contains("disk is nearly full"), "{path}: {}", answer.text());
    };
    short("POST", "shop/web/blobs/uploads/", &[], Bytes::new()).await;
    short("PATCH", &place, &[], base()).await;
    let manifest = Bytes::from(image.manifest().to_string());
    short("PUT", "shop/web/manifests/again", &[("content-type", MANIFEST)], manifest).await;
    assert_eq!(app.get("/answer.txt").await.text(), "one");
    // With room again the same upload goes on: nothing of it was lost, because nothing of it was taken.
    flow.free_disk();
    let sent = registry.call("PATCH", &place, &[("content-range", "0-2")], Bytes::from_static(b"abc")).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let shown = registry.get(&place).await;
    assert_eq!((shown.status.as_u16(), shown.header("range")), (204, "0-2"), "{}", shown.text());
}
