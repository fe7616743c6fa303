//! git push: what builds, what is declined, what goes on without the one who pushed.

use crate::flow;
use crate::slow_build::slow_build;
use serde_json::json;
use testkit::{Source, within};

#[tokio::test]
async fn a_failing_build_declines_the_push_and_changes_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let broken = Source::fixture("node-express")
        .with("package.json", "{ \"name\": \"x\", \"dependencies\": { \"no-such-package-of-ours\": \"9.9.9\" } }")
        .with("package-lock.json", "{");
    let push = app.push(broken).await.declined("Push rejected, failed to compile Node.js app.");
    push.says("pre-receive hook declined");
    assert_eq!(app.get("/").await.text(), "one");
    let builds = app.read("/builds").await;
    assert_eq!(builds[1]["status"], "failed");
    assert_eq!(app.current_version().await, 3);
    app.log_says("Build failed -- check your build output").await;
}

#[tokio::test]
async fn bld_7_other_branches_are_stored_and_say_so() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let push = app.push_to(Source::answering("one"), "feature").await;
    assert!(push.ok, "{}", push.said);
    push.says("Pushed to non-main branch, skipping build.");
    assert_eq!(app.latest_release().await["version"], 2);
    let refs = app.git(&["ls-remote", &app.git_url()]).await;
    assert!(String::from_utf8_lossy(&refs.stdout).contains("refs/heads/feature"));
    app.push_to(Source::answering("from master"), "master").await.released("v3");
    assert_eq!(app.get("/").await.text(), "from master");
}

#[tokio::test]
async fn what_was_pushed_can_be_cloned_and_fetched() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let clone = flow.dir().join("clone");
    let cloned = app.git(&["clone", "-q", &app.git_url(), clone.to_str().unwrap()]).await;
    assert!(cloned.status.success(), "{cloned:?}");
    assert_eq!(std::fs::read_to_string(clone.join("answer.txt")).unwrap(), "one");
    let next = app.push(Source::answering("two")).await.released("v4").commit;
    let pulled = app.git(&["-C", clone.to_str().unwrap(), "pull", "-q"]).await;
    assert!(pulled.status.success(), "{pulled:?}");
    let head = app.git(&["-C", clone.to_str().unwrap(), "rev-parse", "HEAD"]).await;
    assert_eq!(String::from_utf8(head.stdout).unwrap().trim(), next);
}

#[tokio::test]
async fn main_cannot_be_deleted() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let deleted = app.git_push(&[":refs/heads/main"]).await;
    assert!(!deleted.status.success());
    assert!(String::from_utf8_lossy(&deleted.stderr).contains("cannot be deleted"), "{deleted:?}");
}

#[tokio::test]
async fn bld_5_a_second_push_to_an_app_that_builds_is_refused_with_the_reason() {
    let (slow, flow) = slow_build(&[]).await;
    let app = flow.app("shop").await;
    let (first, second) = tokio::join!(app.push(slow.source()), async {
        app.log_says("Build started").await;
        let other = flow.dir().join("other");
        let cloned = app.git(&["init", "-q", other.to_str().unwrap()]).await;
        assert!(cloned.status.success());
        std::fs::write(other.join("Procfile"), "web: x\n").unwrap();
        let dir = other.to_str().unwrap();
        app.git(&["-C", dir, "add", "--all"]).await;
        app.git(&["-C", dir, "commit", "-q", "-m", "x"]).await;
        let refused = app.git(&["-C", dir, "push", &app.git_url(), "HEAD:refs/heads/main"]).await;
        slow.go_on();
        refused
    });
    first.released("v3");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("shop is being built already"), "{said}");
}

#[tokio::test]
async fn a_client_that_disconnects_does_not_stop_the_build() {
    let (slow, flow) = slow_build(&[]).await;
    let app = flow.app("shop").await;
    app.commit(slow.source()).await;
    let url = app.git_url();
    let mut push = app.git_command(&["push", &url, "HEAD:refs/heads/main"]).process_group(0).spawn().unwrap();
    app.log_says("Build started").await;
    // git and the helper that speaks HTTP for it: the connection is gone.
    let group = rustix::process::Pid::from_raw(i32::try_from(push.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    within("the end of git", push.wait()).await.unwrap();
    slow.go_on();
    app.log_says("Build succeeded").await;
    app.log_says("State changed from starting to up").await;
    assert_eq!(app.get("/").await.text(), "slowly built");
    assert_eq!(app.current_version().await, 3);
}

#[tokio::test]
async fn builds_by_api_from_an_uploaded_archive() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let slots = flow.post("/sources", &json!({})).await.json();
    let archive = archive(&[("Procfile", "web: python3 -m http.server $PORT"), ("index.html", "by upload")]);
    let path = |name: &str| {
        let url = slots["source_blob"][name].as_str().unwrap().to_owned();
        url.split_once("://").unwrap().1.split_once('/').map(|(_, path)| format!("/{path}")).unwrap()
    };
    let put = flow.raw("PUT", &path("put_url"), &[], archive).await;
    assert!(put.status.is_success(), "cli_33: {} {}", put.status, put.text());
    let body = json!({ "source_blob": { "url": slots["source_blob"]["get_url"], "version": "v1.0" } });
    let build = app.call("POST", "/builds", Some(&body)).await;
    assert_eq!(build.status, 201, "{}", build.text());
    app.log_says("State changed from starting to up").await;
    assert_eq!(app.get("/").await.text(), "by upload");
    assert_eq!(app.latest_release().await["description"], "Deploy v1.0");
    let builds = app.read("/builds").await;
    assert_eq!(
        (builds[0]["status"].as_str(), builds[0]["id"].as_str()),
        (Some("succeeded"), build.json()["id"].as_str())
    );
}

/// A gzipped tar with these files.
pub(crate) fn archive(files: &[(&str, &str)]) -> bytes::Bytes {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap().into()
}
