//! What an app goes through over days: features, old code that goes, a disk that fills; and the figures that tell of it.

use crate::flow;
use rustix::process::Signal;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Flow, Source, within};

#[tokio::test]
async fn dyno_25_a_dyno_knows_itself_when_the_app_asks_for_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let commit = app.push(Source::answering("one")).await.released("v3").commit;
    let feature = "/features/runtime-dyno-metadata";
    assert_eq!(app.read(feature).await["enabled"], false);
    app.run("env | grep -c HEROKU_").await;
    app.log_says(": 0").await;
    let on = app.call("PATCH", feature, Some(&json!({ "enabled": true }))).await;
    assert_eq!((on.status.as_u16(), &on.json()["enabled"]), (200, &json!(true)));
    app.log_says("Enable runtime-dyno-metadata feature by user admin@localhost").await;
    app.run("env | grep ^HEROKU_ | sort").await;
    let (shop, release) = (app.read("").await, app.latest_release().await);
    for line in [
        "HEROKU_APP_DEFAULT_DOMAIN_NAME=shop.localhost".to_owned(),
        format!("HEROKU_APP_ID={}", shop["id"].as_str().unwrap()),
        "HEROKU_APP_NAME=shop".to_owned(),
        "HEROKU_DYNO_ID=".to_owned(),
        format!("HEROKU_RELEASE_CREATED_AT={}", release["created_at"].as_str().unwrap()),
        "HEROKU_RELEASE_VERSION=v3".to_owned(),
        format!("HEROKU_SLUG_COMMIT={commit}"),
        format!("HEROKU_SLUG_DESCRIPTION=Deploy {}", &commit[..8]),
    ] {
        app.log_says(&line).await;
    }
    assert_eq!(app.latest_release().await["version"], 3, "no release is made");
}

#[tokio::test]
async fn features_are_listed_found_by_id_and_kept() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    let all = app.read("/features").await;
    let names: Vec<_> = all.as_array().unwrap().iter().map(|feature| feature["name"].as_str().unwrap()).collect();
    let known = [
        "http-session-affinity",
        "log-runtime-metrics",
        "runtime-dyno-metadata",
        "runtime-heroku-exec",
        "second-factor",
    ];
    assert_eq!(names, known);
    let by_id = format!("/features/{}", all[2]["id"].as_str().unwrap());
    app.call("PATCH", &by_id, Some(&json!({ "enabled": true }))).await;
    for (path, body, status) in [
        ("/features/preboot", json!({ "enabled": true }), 404),
        ("/features/runtime-dyno-metadata", json!({}), 422),
        ("/features/runtime-dyno-metadata", json!({ "enabled": "yes" }), 422),
    ] {
        assert_eq!(app.call("PATCH", path, Some(&body)).await.status, status, "{path} {body}");
    }
    // `labs:enable -a` asks for the account's feature first, and goes on to the app's when there is none.
    assert_eq!(flow.get("/account/features/runtime-dyno-metadata").await.status, 404);
    assert_eq!(flow.get("/account/features").await.json(), json!([]));
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    assert_eq!(flow.known_app("shop").read("/features/runtime-dyno-metadata").await["enabled"], true);
}

#[tokio::test]
async fn dyno_50_a_limited_life_is_counted_from_the_start_also_by_the_next_server() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let body = json!({ "command": "echo began; cat /dev/zero > /dev/null", "time_to_live": 2, "attach": false });
    assert_eq!(app.call("POST", "/dynos", Some(&body)).await.status, 201);
    app.log_says(": began").await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    app.log_says("Its time to live is over").await;
    app.log_says("State changed from up to complete").await;
}

/// The names in a folder, hidden ones left out.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| !name.starts_with('.')).collect()
}

#[tokio::test]
async fn rls_7_and_11_the_ten_newest_slugs_stay_and_older_ones_make_room() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    for version in 3..=14 {
        app.push(Source::answering(&version.to_string())).await.released(&format!("v{version}"));
    }
    app.config(json!({ "COLOR": "blue" })).await;
    let old_slug = app.read("/releases/3").await["slug"]["id"].as_str().unwrap().to_owned();
    let count = || (names(&flow.dir().join("slugs")).len(), names(&flow.dir().join("objects/slugs")).len());
    assert_eq!(count(), (12, 12));
    flow.end_serve(Signal::TERM).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    let line = app.log_says("Removed the code of v3, v4 to make room (").await;
    assert!(line.contains("; the 10 newest can be rolled back to"), "{line}");
    assert_eq!((names(&flow.dir().join("slugs")).len(), names(&flow.dir().join("objects/slugs")).len()), (10, 10));
    for version in [3, 4] {
        let release = app.read(&format!("/releases/{version}")).await;
        assert_eq!((&release["status"], &release["eligible_for_rollback"]), (&json!("expired"), &json!(false)));
    }
    for version in [5, 14, 15] {
        let release = app.read(&format!("/releases/{version}")).await;
        assert_eq!((&release["status"], &release["eligible_for_rollback"]), (&json!("succeeded"), &json!(true)));
    }
    let refused = app.call("POST", "/releases", Some(&json!({ "release": "v3" }))).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("Cannot roll back to v3: its code was removed"), "{}", refused.text());
    let refused = app.call("POST", "/releases", Some(&json!({ "slug": old_slug }))).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let slug = app.read(&format!("/slugs/{old_slug}")).await;
    assert!(slug["deleted_at"].is_string(), "{slug}");
    assert_eq!(flow.read_address(&slug["blob"]["url"]).await.status, 404);
    let back = app.call("POST", "/releases", Some(&json!({ "release": "v5" }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    app.served("/", "5").await;
}

/// Makes a file or, with a slash at its end, a folder in the data folder, last changed two hours ago.
fn leave(flow: &Flow, place: &str) -> PathBuf {
    let path = flow.dir().join(place.trim_end_matches('/'));
    if place.ends_with('/') {
        std::fs::create_dir_all(&path).unwrap();
    } else {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "left").unwrap();
    }
    let file = std::fs::File::open(&path).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() - Duration::from_secs(7200)).unwrap();
    path
}

#[tokio::test]
async fn what_belongs_to_no_app_is_removed() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let nobody = "01234567-89ab-cdef-0123-456789abcdef";
    let before = flow.files("repos");
    let left: Vec<PathBuf> = [
        format!("cache/{nobody}/"),
        format!("logs/{nobody}/"),
        format!("repos/{nobody}.git/"),
        format!("slugs/{nobody}/"),
        format!("outputs/build-{nobody}"),
        format!("outputs/release-{nobody}"),
        format!("objects/slugs/{}.tar.zst", "0".repeat(64)),
        format!("objects/uploads/{nobody}"),
    ]
    .iter()
    .map(|place| leave(&flow, place))
    .collect();
    let of_a_person = leave(&flow, "cache/notes.txt");
    let young = flow.dir().join("cache/11234567-89ab-cdef-0123-456789abcdef");
    std::fs::create_dir(&young).unwrap();
    flow.end_serve(Signal::TERM).await;
    flow.start_serve().await;
    let gone = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while left.iter().any(|path| path.exists()) {
            tick.tick().await;
        }
    };
    within("the removal", gone).await;
    assert!(of_a_person.exists() && young.exists());
    assert_eq!(flow.files("repos"), before);
    let app = flow.known_app("shop");
    assert_eq!(app.get("/").await.text(), "one");
    app.push(Source::answering("two")).await.released("v4");
}

#[tokio::test]
async fn builds_are_refused_while_the_disk_is_nearly_full_and_apps_go_on() {
    let Some(flow) = Flow::start_on_disk(env!("CARGO_BIN_EXE_flowline"), 64).await else { return };
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    flow.fill_disk(2 << 20);
    let push = app.push(Source::answering("two")).await.declined("The server's disk is nearly full");
    push.says("are taken only with 3.").says("507");
    let body = json!({ "source_blob": { "url": "http://127.0.0.1:1/x.tgz" } });
    let refused = app.call("POST", "/builds", Some(&body)).await;
    assert_eq!((refused.status.as_u16(), refused.json()["id"].as_str()), (507, Some("insufficient_storage")));
    assert_eq!(app.read("/builds").await.as_array().unwrap().len(), 1);
    assert_eq!(app.get("/").await.text(), "one");
    app.config(json!({ "COLOR": "blue" })).await;
    app.served("/env/COLOR", "blue").await;
    flow.free_disk();
    app.push(Source::answering("two")).await.released("v5");
    app.served("/", "two").await;
}

/// A sample as Prometheus reads it: name, labels, value. `None` for a line that is none.
fn sample(line: &str) -> Option<(String, String, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let quoted = |text: &str| {
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).is_some_and(|text| !text.contains(['"', '\\']))
    };
    let label = |label: &str| label.split_once('=').is_some_and(|(name, value)| plain(name) && quoted(value));
    let good = plain(name) && (labels.is_empty() || labels.split(',').all(label));
    good.then(|| Some((name.to_owned(), labels.to_owned(), value.parse().ok()?)))?
}

/// Every line of a scrape is help, a type, or a sample of the family above it; the samples.
fn samples(text: &str) -> Vec<(String, String, f64)> {
    let (mut family, mut samples) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            help.split_once(' ').unwrap().0.clone_into(&mut family);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == family && ["gauge", "counter", "histogram"].contains(&kind), "{line}");
        } else {
            let sample = sample(line).unwrap_or_else(|| panic!("not a sample: {line}"));
            assert!(sample.0.starts_with(&family), "{line} is not of {family}");
            samples.push(sample);
        }
    }
    samples
}

#[tokio::test]
async fn metrics_tell_what_the_server_has_and_did() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let with_command = "web: python3 server.py\nrelease: echo done\n";
    app.push(Source::answering("one").with("Procfile", with_command)).await.released("v3");
    app.push(Source::empty().with("notes.txt", "no app")).await.declined("Push rejected");
    assert_eq!(flow.raw("GET", "/metrics", &[], bytes::Bytes::new()).await.status, 401);
    let authorization = format!("Bearer {}", flow.token);
    // As Prometheus asks.
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
    let headers = [("authorization", authorization.as_str()), ("accept", accept)];
    let answer = flow.raw("GET", "/metrics", &headers, bytes::Bytes::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let (text, samples) = (answer.text(), samples(&answer.text()));
    let value = |name: &str, labels: &str| {
        let found = samples.iter().find(|sample| sample.0 == name && sample.1 == labels);
        found.unwrap_or_else(|| panic!("no {name} {labels} in:\n{text}")).2
    };
    for (name, labels, want) in [
        ("flowline_apps", "", 1.0),
        ("flowline_dynos", "state=\"up\"", 1.0),
        ("flowline_dynos", "state=\"crashed\"", 0.0),
        ("flowline_pending_builds", "", 0.0),
        ("flowline_build_duration_seconds_count", "status=\"succeeded\"", 1.0),
        ("flowline_build_duration_seconds_bucket", "status=\"failed\",le=\"+Inf\"", 1.0),
        ("flowline_release_duration_seconds_count", "status=\"succeeded\"", 1.0),
        ("flowline_release_duration_seconds_count", "status=\"failed\"", 0.0),
    ] {
        assert!((value(name, labels) - want).abs() < f64::EPSILON, "{name} {labels}: {}", value(name, labels));
    }
    let took_s = value("flowline_build_duration_seconds_sum", "status=\"succeeded\"");
    assert!(took_s > 0.0 && took_s < 90.0, "{took_s}");
    assert!(value("flowline_log_lines_total", "") > 5.0);
    assert!(value("process_resident_memory_bytes", "") > 1e6 && value("process_open_fds", "") > 5.0);
}
