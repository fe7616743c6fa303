//! The release phase, rule by rule: when it runs, with what, how it ends, what it prints.

use crate::flow;
use bytes::Bytes;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{Answer, App, Flow, Source, path_of};

fn released_by(text: &str, command: &str) -> Source {
    Source::answering(text).with("Procfile", &format!("web: python3 server.py\nrelease: {command}\n"))
}

/// What a release command prints, to its end: waiting for it is waiting for the command.
async fn output(app: &App<'_>, version: i64) -> String {
    let release = app.read(&format!("/releases/{version}")).await;
    app.flow().read_address(&release["output_stream_url"]).await.text()
}

/// The name of the release dyno that printed this.
async fn who_printed(app: &App<'_>, words: &str) -> String {
    let line = app.log_says(words).await;
    line.split_once("app[").unwrap().1.split_once(']').unwrap().0.to_owned()
}

async fn stop(app: &App<'_>, dyno: &str) {
    let answer = app.call("POST", &format!("/dynos/{dyno}/actions/stop"), Some(&json!({}))).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// A command that waits while `HOLD` is set, and says for which release.
const HOLDS: &str = "echo begun with $MARK; test -z \"$HOLD\" || tail -f /dev/null";

#[tokio::test]
async fn relph_24_the_time_limit_is_a_setting_and_ends_a_command_as_any_dyno() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let usual = json!({ "timeout": 3600, "concurrent": false });
    assert_eq!(app.read("/release-phase").await, usual);
    let set = app.call("PATCH", "/release-phase", Some(&json!({ "timeout": 1 }))).await;
    assert_eq!(set.json()["timeout"], 1, "{}", set.text());
    let polite = "trap 'echo it was told' TERM; echo begun; tail -f /dev/null & wait";
    let push = app.push(released_by("two", polite)).await.release_failed();
    push.says("The release command ran longer than 1 seconds and is ended").says("it was told");
    assert_eq!((app.get("/").await.text().as_str(), app.current_version().await), ("one", 3));
    for bad in [json!({ "timeout": 0 }), json!({ "timeout": 86_401 }), json!({ "timeout": "x" })] {
        let answer = app.call("PATCH", "/release-phase", Some(&bad)).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{bad}: {}", answer.text());
    }
    let shown = flow.cli(&["releases:phase", "--timeout", "default", "--concurrent", "on", "-a", "shop"]).await;
    let said = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(said.contains("3600 seconds at most; two may run at once"), "{said}");
}

#[tokio::test]
async fn relph_28_one_that_is_stopped_has_failed_whatever_it_says() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(released_by("one", HOLDS)).await.released("v3");
    let obedient = "trap 'exit 0' TERM; echo two begins with $HOLD; test -z \"$HOLD\" || tail -f /dev/null & wait";
    app.push(released_by("two", obedient)).await.released("v4");
    app.config(json!({ "HOLD": "yes" })).await;
    // Its trap is set when it has said so.
    let name = who_printed(&app, "]: two begins with yes").await;
    stop(&app, &name).await;
    assert_eq!(app.settled(5).await, "failed");
    assert!(output(&app, 5).await.contains("The release command was stopped"));
    assert_eq!(app.current_version().await, 4);
}

#[tokio::test]
async fn relph_29_one_waits_for_the_other_and_says_so_also_when_the_server_is_killed() {
    let mut flow = flow().await;
    {
        let app = flow.app("shop").await;
        app.push(released_by("one", HOLDS)).await.released("v3");
        app.config(json!({ "HOLD": "yes", "MARK": "four" })).await;
        who_printed(&app, "]: begun with four").await;
        app.config(json!({ "HOLD": null, "MARK": "five" })).await;
        app.log_says("The release command of v5 waits for that of v4").await;
        assert_eq!(app.read("/releases/5").await["status"], "pending");
    }
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    let (four, five) = (app.read("/releases/4").await, app.read("/releases/5").await);
    assert_eq!((&four["status"], &five["status"]), (&json!("pending"), &json!("pending")));
    let name = who_printed(&app, "]: begun with four").await;
    stop(&app, &name).await;
    assert_eq!((app.settled(4).await.as_str(), app.settled(5).await.as_str()), ("failed", "succeeded"));
    let said = output(&app, 5).await;
    assert!(said.contains("waits for that of v4") && said.contains("begun with five"), "{said}");
    assert_eq!(app.current_version().await, 5);
}

#[tokio::test]
async fn relph_28_29_a_release_is_aborted_while_its_command_waits_or_runs() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(released_by("one", HOLDS)).await.released("v3");
    app.config(json!({ "HOLD": "yes", "MARK": "four" })).await;
    who_printed(&app, "]: begun with four").await;
    for (mark, version) in [("five", 5), ("six", 6)] {
        app.config(json!({ "HOLD": null, "MARK": mark })).await;
        app.log_says(&format!("The release command of v{version} waits for that of v4")).await;
    }
    let aborted = app.call("POST", "/releases/5/actions/abort", None).await;
    assert_eq!((aborted.status.as_u16(), &aborted.json()["status"]), (200, &json!("failed")), "{}", aborted.text());
    assert!(output(&app, 5).await.contains("The release command did not run: the release was aborted"));
    app.log_says("Release v5 aborted by user admin@localhost").await;
    let cli = flow.cli(&["releases:abort", "v4", "-a", "shop"]).await;
    assert!(cli.status.success(), "{cli:?}");
    assert_eq!((app.settled(4).await.as_str(), app.settled(6).await.as_str()), ("failed", "succeeded"));
    assert!(output(&app, 4).await.contains("The release command was stopped"));
    let said = output(&app, 6).await;
    assert!(said.contains("begun with six"), "{said}");
    let late = app.call("POST", "/releases/4/actions/abort", None).await;
    assert!(late.status == 409 && late.text().contains("v4 is not pending"), "{}", late.text());
}

#[tokio::test]
async fn relph_29_an_app_may_let_two_run_at_once() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let set = app.call("PATCH", "/release-phase", Some(&json!({ "concurrent": true }))).await;
    assert_eq!(set.json()["concurrent"], true, "{}", set.text());
    app.push(released_by("one", HOLDS)).await.released("v3");
    app.config(json!({ "HOLD": "yes", "MARK": "four" })).await;
    let name = who_printed(&app, "]: begun with four").await;
    app.config(json!({ "HOLD": null })).await;
    assert_eq!(app.settled(5).await, "succeeded");
    assert_eq!((app.read("/releases/4").await["status"].as_str(), app.current_version().await), (Some("pending"), 5));
    stop(&app, &name).await;
    assert_eq!((app.settled(4).await.as_str(), app.current_version().await), ("failed", 5));
}

#[tokio::test]
async fn relph_4_its_size_is_that_of_its_formation_entry_which_its_first_run_makes() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(released_by("one", "false")).await.release_failed();
    let entry = app.read("/formation/release").await;
    assert_eq!((&entry["quantity"], &entry["size"]), (&json!(0), &json!("Standard-1X")), "relph_2, relph_43: {entry}");
    let sized = app.call("PATCH", "/formation/release", Some(&json!({ "size": "standard-2x" }))).await;
    assert_eq!(sized.status, 200, "{}", sized.text());
    app.push(released_by("one", "cat /sys/fs/cgroup/memory.max")).await.released("v4").says("1073741824");
    let scaled = app.call("PATCH", "/formation/release", Some(&json!({ "quantity": 1 }))).await;
    assert_eq!(scaled.status, 422, "relph_2: {}", scaled.text());
}

#[tokio::test]
async fn relph_10_25_26_27_it_has_the_new_releases_code_and_config_and_leaves_no_files() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let set = app.call("PATCH", "/features/runtime-dyno-metadata", Some(&json!({ "enabled": true }))).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let tells = "echo $(cat answer.txt) for $HEROKU_RELEASE_VERSION in $DYNO with $COLOUR $FROM_PROFILE port=$PORT.; echo x > left";
    let source = |text: &str| released_by(text, tells).with(".profile.d/one.sh", "export FROM_PROFILE=profiled\n");
    app.config(json!({ "COLOUR": "red" })).await;
    let push = app.push(source("one")).await.released("v4").says("one for v4 in release.");
    push.says("with red profiled port=.");
    let name = app.run("ls left || echo nothing is left").await;
    app.log_says(&format!("app[{name}]: nothing is left")).await;
    app.config(json!({ "COLOUR": "blue" })).await;
    assert_eq!(app.settled(5).await, "succeeded");
    app.push(source("two")).await.released("v6").says("two for v6").says("with blue");
    let back = app.call("POST", "/releases", Some(&json!({ "release": "4" }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    assert_eq!(app.settled(7).await, "succeeded");
    let said = output(&app, 7).await;
    assert!(said.contains("one for v7 in release.") && said.contains("with red"), "{said}");
}

async fn read(flow: &Flow, url: &Value, headers: &[(&str, &str)]) -> Answer {
    flow.raw("GET", path_of(url), headers, Bytes::new()).await
}

#[tokio::test]
async fn relph_41_output_goes_on_where_a_client_was_cut_off_also_while_it_grows() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(released_by("one", "echo first; test -z \"$HOLD\" || { echo held; tail -f /dev/null; }; echo last"))
        .await
        .released("v3");
    let done = app.read("/releases/3").await["output_stream_url"].clone();
    let whole = read(&flow, &done, &[]).await;
    assert_eq!((whole.text().as_str(), whole.header("accept-ranges")), ("first\nlast\n", "bytes"));
    let rest = read(&flow, &done, &[("range", "bytes=6-")]).await;
    assert_eq!((rest.status.as_u16(), rest.text().as_str()), (206, "last\n"));
    assert_eq!(rest.header("content-range"), "bytes 6-10/11");
    assert_eq!(read(&flow, &done, &[("range", "bytes=2-3")]).await.text(), "rs");
    assert_eq!(read(&flow, &done, &[("range", "bytes=-3")]).await.text(), "st\n");
    let beyond = read(&flow, &done, &[("range", "bytes=11-")]).await;
    assert_eq!(beyond.status, 416, "{}", beyond.text());
    let events = [("accept", "text/event-stream"), ("last-event-id", "6")];
    assert_eq!(read(&flow, &done, &events).await.text(), "id: 11\ndata: last\n\n");
    // What grows is followed from there to its end.
    app.config(json!({ "HOLD": "yes" })).await;
    let growing = app.read("/releases/4").await["output_stream_url"].clone();
    let name = who_printed(&app, "]: held").await;
    let mut tail = flow.follow_with(&growing, &[("range", "bytes=6-")]).await;
    assert_eq!(tail.status, 206);
    assert!(tail.headers["content-range"].to_str().unwrap().ends_with("/*"), "{:?}", tail.headers);
    stop(&app, &name).await;
    tail.until("The release command was stopped").await;
}

#[tokio::test]
async fn relph_43_46a_a_retry_is_a_new_release_and_clients_are_warned() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let none = flow.cli(&["releases:retry", "-a", "shop"]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(!none.status.success() && said.contains("App must have a release-phase command"), "{said}");
    let plain = app.call("PATCH", "/config-vars", Some(&json!({ "A": "1" }))).await;
    assert_eq!(plain.header("warning-message"), "");
    let push = app.push(released_by("two", "test -n \"$READY\" || { echo not ready; exit 1; }")).await.release_failed();
    push.says("Release command declared: this new release will not be available until the command succeeds.");
    let ready = app.call("PATCH", "/config-vars", Some(&json!({ "READY": "yes" }))).await;
    // The code that runs has no release command; that of v5 has.
    assert_eq!((ready.status.as_u16(), ready.header("warning-message")), (200, ""));
    let slug = app.read("/releases/5").await["slug"]["id"].clone();
    let again = app.call("POST", "/releases", Some(&json!({ "slug": slug, "description": "Again" }))).await;
    assert!(again.header("warning-message").starts_with("Release command declared"), "{:?}", again.headers);
    assert_eq!(app.settled(7).await, "succeeded");
    let retried = flow.cli(&["releases:retry", "-a", "shop"]).await;
    let said = String::from_utf8_lossy(&retried.stderr).into_owned();
    assert!(retried.status.success() && said.contains("v8"), "{said}");
    assert_eq!(app.read("/releases/8").await["description"], "Retry of v7: Again");
    assert_eq!(app.current_version().await, 8);
}
