//! Releases: the ledger, the release phase, config, rollback.

use crate::flow;
use serde_json::json;
use testkit::Source;

fn with_release_command(text: &str, command: &str) -> Source {
    Source::answering(text).with("Procfile", &format!("web: python3 server.py\nrelease: {command}\n"))
}

#[tokio::test]
async fn rls_1_a_new_app_has_two_releases_and_no_code() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let releases = app.read("/releases").await;
    let said: Vec<_> =
        releases.as_array().unwrap().iter().map(|release| release["description"].as_str().unwrap()).collect();
    assert_eq!(said, ["Initial release", "Enable Logplex"]);
    assert_eq!(app.get("/").await.status, 502, "route_15: H81, blank app");
    assert_eq!(app.read("/config-vars").await, json!({}), "cli_27");
}

#[tokio::test]
async fn relph_22_a_failing_release_command_leaves_the_current_release_serving() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(with_release_command("one", "echo fine")).await.released("v3").says("fine");
    app.push(with_release_command("two", "echo this went wrong; exit 1"))
        .await
        .release_failed()
        .says("this went wrong");
    assert_eq!(app.get("/").await.text(), "one");
    assert_eq!(app.current_version().await, 3);
    let failed = app.read("/releases/4").await;
    assert_eq!((failed["status"].as_str(), failed["current"].as_bool()), (Some("failed"), Some(false)));
    // relph_45: the ref moved all the same; the version is consumed.
    let refs = app.git(&["ls-remote", &app.git_url(), "refs/heads/main"]).await;
    let head = app.git(&["rev-parse", "HEAD"]).await;
    assert!(String::from_utf8_lossy(&refs.stdout).starts_with(String::from_utf8_lossy(&head.stdout).trim()));
    app.push(with_release_command("three", "true")).await.released("v5");
    assert_eq!(app.get("/").await.text(), "three");
}

#[tokio::test]
async fn relph_23_a_failing_command_on_a_config_change_keeps_dynos_and_their_config() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(with_release_command("one", "test -z \"$BREAK\"")).await.released("v3");
    app.config(json!({ "BREAK": "yes" })).await;
    assert_eq!(app.settled(4).await, "failed");
    assert_eq!(app.get("/env/BREAK").await.text(), "");
    assert_eq!(app.read("/config-vars").await["BREAK"], "yes", "the value stays set");
    app.log_says("Release v4 command failed").await;
}

#[tokio::test]
async fn conf_2_one_change_is_one_release_and_the_dynos_get_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app.config(json!({ "A": "1", "B": "2" })).await;
    assert_eq!(app.latest_release().await["description"], "Set A, B config vars");
    assert_eq!(app.latest_release().await["version"], 4);
    app.config(json!({ "A": "1" })).await;
    assert_eq!(app.latest_release().await["version"], 4, "relph_11: the same values make no release");
    app.served("/env/B", "2").await;
    app.config(json!({ "A": null })).await;
    assert_eq!(app.latest_release().await["description"], "Remove A config vars");
    assert_eq!(app.read("/config-vars").await, json!({ "B": "2" }));
}

#[tokio::test]
async fn rls_6_rollback_restores_code_and_config() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.config(json!({ "COLOUR": "red" })).await;
    app.push(Source::answering("one")).await.released("v4");
    app.config(json!({ "COLOUR": "blue", "NEW": "x" })).await;
    app.push(Source::answering("two")).await.released("v6");
    assert_eq!(app.get("/").await.text(), "two");
    let back = app.call("POST", "/releases", Some(&json!({ "release": "4" }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    assert_eq!(back.json()["description"], "Rollback to v4");
    app.served("/", "one").await;
    assert_eq!(app.get("/env/COLOUR").await.text(), "red");
    assert_eq!(app.read("/config-vars").await, json!({ "COLOUR": "red" }));
    assert_eq!(app.current_version().await, 7);
    let bad = app.call("POST", "/releases", Some(&json!({ "release": "1" }))).await;
    assert_eq!(bad.status, 422, "rls_7: {}", bad.text());
    let missing = app.call("POST", "/releases", Some(&json!({ "release": "99" }))).await;
    assert_eq!((missing.status.as_u16(), missing.json()["id"].as_str()), (404, Some("not_found")));
}

#[tokio::test]
async fn a_release_that_does_not_boot_leaves_the_one_before_serving_and_the_push_says_so() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let crashing = Source::answering("two").with("Procfile", "web: echo cannot start; exit 7\n");
    let push = app.push(crashing).await.released("v4");
    push.says("Verifying deploy... failed.").says("web.1 crashed");
    assert_eq!(app.get("/").await.text(), "one");
    app.log_says("Process exited with status 7").await;
    app.log_says("State changed from starting to crashed").await;
}

#[tokio::test]
async fn a_first_release_that_crashes_answers_h10() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("x").with("Procfile", "web: exit 1\n")).await.says("Verifying deploy... failed.");
    let answer = app.get("/").await;
    assert_eq!(answer.status, 503);
    app.log_says("at=error code=H10 desc=\"App crashed\" method=GET path=\"/\"").await;
}

#[tokio::test]
async fn a_write_only_value_reaches_the_app_and_is_never_shown_again() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.config(json!({ "PASSWORD": "correct horse", "COLOUR": "red" })).await;
    app.push(Source::answering("one")).await.released("v4");
    let hide = json!({ "names": ["PASSWORD"] });
    let hidden = app.call("PATCH", "/config-vars/write-only", Some(&hide)).await;
    assert_eq!(hidden.json()["names"], json!(["PASSWORD"]), "{}", hidden.text());
    let shown = json!({ "PASSWORD": "********", "COLOUR": "red" });
    assert_eq!(app.read("/config-vars").await, shown);
    assert_eq!(app.read("/releases/4/config-vars").await, shown, "older releases too");
    // What a tool reads it writes back: nothing changes, and no release is made.
    let same = app.call("PATCH", "/config-vars", Some(&shown)).await;
    assert_eq!((same.json(), app.latest_release().await["version"].clone()), (shown, json!(4)));
    let name = app.run("echo it is $PASSWORD").await;
    app.log_says(&format!("app[{name}]: it is correct horse")).await;
    app.config(json!({ "PASSWORD": "battery staple" })).await;
    assert_eq!(app.read("/config-vars").await["PASSWORD"], "********");
    let name = app.run("echo it is $PASSWORD").await;
    app.log_says(&format!("app[{name}]: it is battery staple")).await;
    // Removed and set again it is another value, which may be shown.
    app.config(json!({ "PASSWORD": null })).await;
    app.config(json!({ "PASSWORD": "open" })).await;
    assert_eq!(app.read("/config-vars").await["PASSWORD"], "open");
    let bad = app.call("PATCH", "/config-vars/write-only", Some(&json!({ "names": ["A B"] }))).await;
    assert_eq!(bad.status, 422, "{}", bad.text());
}
