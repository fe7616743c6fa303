//! What stays and what goes: over a restart, and when nobody needs it any more.

use super::pushing::{Image, Registry, container, deploy, release, sha256};
use crate::flow;
use bytes::Bytes;
use rustix::process::Signal;
use serde_json::json;
use std::path::{Path, PathBuf};
use testkit::until;

/// Makes everything that was pushed older than an hour.
const AGE: &str = "import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=30) as base:
    for table, column in (('image_blob', 'used_at'), ('image_manifest', 'pushed_at')):
        base.execute(f'update {table} set {column} = {column} - 3600000000')
";

async fn age(data: &Path) {
    let database = data.join("flowline.db");
    let done = tokio::process::Command::new("python3").args(["-c", AGE]).arg(database).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn an_upload_that_a_kill_broke_off_leaves_nothing() {
    let mut flow = flow().await;
    {
        flow.app("shop").await;
        let registry = Registry::of(&flow);
        let begun = registry.call("POST", "shop/web/blobs/uploads/", &[], Bytes::new()).await;
        let place = begun.header("location").trim_start_matches("/v2/").to_owned();
        assert_eq!(registry.call("PATCH", &place, &[], Bytes::from_static(b"half")).await.status, 202);
        assert_eq!(flow.files("image-uploads").len(), 1);
    }
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    assert_eq!(flow.files("image-uploads"), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn rls_11_what_nobody_released_goes_and_what_runs_stays() {
    let mut flow = flow().await;
    let (one, two, three) = (Image::serving("one"), Image::serving("two"), Image::serving("three"));
    {
        let app = container(&flow, "shop").await;
        deploy(&flow, &app, "web", &one).await;
        app.served("/answer.txt", "one").await;
        let registry = Registry::of(&flow);
        // Neither released nor, after the next, the latest; and a blob of no manifest.
        registry.push(&app, "web", &two).await;
        registry.push(&app, "web", &three).await;
        registry.blob("shop/web", &Bytes::from_static(b"nobody's")).await;
    }
    let key = |bytes: &Bytes| PathBuf::from(format!("blobs/sha256/{}", &sha256(bytes)["sha256:".len()..]));
    flow.end_serve(Signal::TERM).await;
    age(flow.dir()).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    let there = |bytes: &Bytes| flow.files("objects/images").iter().any(|file| file.ends_with(key(bytes)));
    until("what nobody released is gone", async || !there(&two.layers[1])).await;
    let nobodys = Bytes::from_static(b"nobody's");
    until("the blob of no manifest is gone", async || !there(&nobodys)).await;
    for kept in one.layers.iter().chain([&one.config(), &three.layers[1], &three.config()]) {
        assert!(there(kept));
    }
    assert!(!there(&two.config()));
    let gone = release(&app, &[("web", Some(&two.id()))]).await;
    assert!(gone.status == 404 && gone.text().contains("Push it first"), "{}", gone.text());
    assert_eq!(app.get("/answer.txt").await.text(), "one");
    assert_eq!(release(&app, &[("web", Some(&three.id()))]).await.status, 200);
    app.served("/answer.txt", "three").await;
    // The way back: its bytes are kept as long as its release can be gone back to.
    let back = app.call("POST", "/releases", Some(&json!({ "release": 3 }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    app.served("/answer.txt", "one").await;
}
