//! Bad input gets a clear error and loses nothing.

use crate::flow;
use bytes::Bytes;
use serde_json::json;
use testkit::{Flow, Source};

#[tokio::test]
async fn app_1_bad_and_taken_names() {
    let flow = flow().await;
    flow.app("shop").await;
    for bad in ["Shop", "sh", "../etc", "a b", "-shop", "shop-", "1shop", ""] {
        let answer = flow.post("/apps", &json!({ "name": bad })).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{bad}");
        assert!(answer.text().contains("3 to 30 lower-case letters"), "{}", answer.text());
    }
    let taken = flow.post("/apps", &json!({ "name": "shop" })).await;
    assert_eq!((taken.status.as_u16(), taken.text().contains("Name shop is already taken")), (422, true));
    assert_eq!(flow.get("/apps").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn conf_3_bad_config_changes_apply_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.config(json!({ "GOOD": "1" })).await;
    let big = "x".repeat(70_000);
    let bad = [json!({ "A": "1", "B-C": "2" }), json!({ "__X": "1" }), json!({ "A": "a\u{0}b" }), json!({ "A": big })];
    for patch in bad.iter().chain([&json!({ "A": { "nested": true } }), &json!([1])]) {
        let answer = app.call("PATCH", "/config-vars", Some(patch)).await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(app.read("/config-vars").await, json!({ "GOOD": "1" }));
    assert_eq!(app.latest_release().await["version"], 3);
}

#[tokio::test]
async fn json_that_is_not_json_and_bodies_over_the_limit() {
    let flow = flow().await;
    let authorization = format!("Bearer {}", flow.token);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let answer = flow.raw("POST", "/apps", &headers, Bytes::from_static(b"{\"name\": ")).await;
    assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (400, Some("bad_request")));
    assert!(answer.text().contains("line 1"), "{}", answer.text());
    let huge = Bytes::from(vec![b' '; 3 * 1024 * 1024]);
    let answer = flow.raw("POST", "/apps", &headers, huge).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    let missing = flow.get("/nothing/here").await;
    assert_eq!((missing.status.as_u16(), missing.json()["id"].as_str()), (404, Some("not_found")));
}

#[tokio::test]
async fn no_and_wrong_tokens() {
    let flow = flow().await;
    flow.app("shop").await;
    for headers in [vec![], vec![("authorization", "Bearer nonsense")], vec![("authorization", "Basic OmJhZA==")]] {
        let answer = flow.raw("GET", "/apps", &headers, Bytes::new()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (401, Some("unauthorized")));
    }
    let git = flow.raw("GET", "/shop.git/info/refs?service=git-receive-pack", &[], Bytes::new()).await;
    assert_eq!(git.status, 401);
    assert!(git.header("www-authenticate").starts_with("Basic "));
}

#[tokio::test]
async fn ranges() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for name in ["A", "B", "C"] {
        app.config(json!({ name: "1" })).await;
    }
    let authorization = format!("Bearer {}", flow.token);
    let with = |range: &'static str| {
        let (flow, authorization) = (&flow, &authorization);
        async move {
            let headers = [("authorization", authorization.as_str()), ("range", range)];
            flow.raw("GET", "/apps/shop/releases", &headers, Bytes::new()).await
        }
    };
    let newest = with("version ..; max=2, order=desc").await;
    assert_eq!((newest.status.as_u16(), newest.json()[0]["version"].as_i64()), (206, Some(5)), "{}", newest.text());
    assert!(!newest.header("next-range").is_empty());
    for bad in ["nonsense", "version ..; max=0", "colour ..; max=5", "version ..; order=sideways"] {
        let answer = with(bad).await;
        assert!(matches!(answer.status.as_u16(), 400 | 416 | 422), "{bad}: {} {}", answer.status, answer.text());
    }
}

#[tokio::test]
async fn procfiles_and_app_json_that_cannot_be() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("x").with("Procfile", "web:\n")).await.declined("Procfile line 1: `web` has no command");
    app.push(Source::answering("x").with("Procfile", "web: a\nweb: b\n")).await.declined("declared twice");
    app.push(Source::answering("x").with("app.json", "{ oops")).await.declined("app.json is not valid JSON");
    app.push(Source::empty().with("README.md", "no app")).await.declined("No default language could be detected");
    app.push(Source::empty()).await.declined("The repository is empty");
    assert_eq!(app.latest_release().await["version"], 2);
    app.push(Source::answering("fine")).await.released("v3");
    assert_eq!(app.get("/").await.text(), "fine");
}

#[tokio::test]
async fn a_procfile_that_names_no_web_deploys_and_says_so() {
    let flow = flow().await;
    let app = flow.app("jobs").await;
    let push = app.push(Source::empty().with("Procfile", "worker: cat\n")).await.released("v3");
    push.says("No web dynos run");
    let answer = app.get("/").await;
    assert_eq!(answer.status, 503);
    app.log_says("code=H14").await;
}

#[tokio::test]
async fn refs_that_are_not_branches() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.commit(Source::answering("x")).await;
    let both = app.git_push(&["--atomic", "HEAD:refs/heads/main", "HEAD:refs/heads/master"]).await;
    assert!(!both.status.success());
    assert!(String::from_utf8_lossy(&both.stderr).contains("push the one that the app should run"), "{both:?}");
    let tag = app.git_push(&["HEAD:refs/tags/v1"]).await;
    assert!(tag.status.success(), "{tag:?}");
    assert_eq!(app.latest_release().await["version"], 2);
}

#[tokio::test]
async fn archives_that_leave_their_folder_build_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for (kind, name, link, words) in [
        (tar::EntryType::Regular, "../../evil", "", ".."),
        (tar::EntryType::Regular, "/etc/evil", "", "absolute"),
        (tar::EntryType::Symlink, "inside", "/etc/passwd", "link"),
        (tar::EntryType::Link, "hard", "../../../etc/passwd", "link"),
        (tar::EntryType::Char, "device", "", "device"),
    ] {
        let output = build_of(&flow, &app, entry(kind, name, link)).await;
        assert!(output.contains("Push rejected") && output.to_lowercase().contains(words), "{name}: {output}");
    }
    assert_eq!(app.latest_release().await["version"], 2);
    assert!(!flow.dir().join("evil").exists() && !flow.dir().join("builds/evil").exists());
}

/// A tar with one entry, written by hand where the library would refuse.
fn entry(kind: tar::EntryType, name: &str, link: &str) -> Bytes {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_size(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(bytes.len() + 1024, 0);
    bytes.into()
}

/// Uploads an archive, builds it, waits for the end; what the build said.
async fn build_of(flow: &Flow, app: &testkit::App<'_>, archive: Bytes) -> String {
    let path = |url: &serde_json::Value| {
        let url = url.as_str().unwrap().to_owned();
        url.split_once("://").unwrap().1.split_once('/').map(|(_, path)| format!("/{path}")).unwrap()
    };
    let slots = flow.post("/sources", &json!({})).await.json();
    flow.raw("PUT", &path(&slots["source_blob"]["put_url"]), &[], archive).await;
    let body = json!({ "source_blob": { "url": slots["source_blob"]["get_url"] } });
    let build = app.call("POST", "/builds", Some(&body)).await;
    assert_eq!(build.status, 201, "{}", build.text());
    flow.raw("GET", &path(&build.json()["output_stream_url"]), &[], Bytes::new()).await.text()
}

#[tokio::test]
async fn a_port_that_is_taken_and_a_folder_that_is_used() {
    let flow = flow().await;
    let other = tempfile::tempdir().unwrap();
    let serve = |data: &std::path::Path, listen: String, apps: String| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_flowline"));
        command.args(["serve", "--listen", &listen, "--apps", &apps, "--data"]).arg(data).kill_on_drop(true);
        async move { testkit::within("the refusal", command.output()).await.unwrap() }
    };
    let free = || "127.0.0.1:0".to_owned();
    let taken = serve(other.path(), flow.api.to_string(), free()).await;
    assert!(!taken.status.success());
    assert!(String::from_utf8_lossy(&taken.stderr).contains("choose another with --listen"), "{taken:?}");
    let taken = serve(other.path(), free(), flow.apps.to_string()).await;
    assert!(!taken.status.success());
    assert!(String::from_utf8_lossy(&taken.stderr).contains(&flow.apps.port().to_string()), "{taken:?}");
    let twice = serve(flow.dir(), free(), free()).await;
    assert!(!twice.status.success());
    assert!(String::from_utf8_lossy(&twice.stderr).contains("Another flowline serve uses"), "{twice:?}");
}

#[tokio::test]
async fn a_data_folder_of_a_newer_version_is_refused() {
    let mut flow = flow().await;
    flow.end_serve(rustix::process::Signal::INT).await;
    let newer = "import sqlite3,sys\n\
                 base = sqlite3.connect(sys.argv[1])\n\
                 base.execute(\"INSERT INTO _sqlx_migrations VALUES (99, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 0)\")\n\
                 base.commit()\n";
    let mut python = tokio::process::Command::new("python3");
    let edited = python.args(["-c", newer]).arg(flow.dir().join("flowline.db")).output().await.unwrap();
    assert!(edited.status.success(), "{edited:?}");
    let mut serve = tokio::process::Command::new(env!("CARGO_BIN_EXE_flowline"));
    serve
        .args(["serve", "--listen", "127.0.0.1:0", "--apps", "127.0.0.1:0", "--data"])
        .arg(flow.dir())
        .kill_on_drop(true);
    let refused = testkit::within("the refusal", serve.output()).await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("newer Flowline"), "{refused:?}");
}
