//! The test gate beside the plain push: overridden with a reason, builds by API, slugs from elsewhere.

use crate::flow;
use crate::push::archive;
use serde_json::{Value, json};
use testkit::{App, Flow, Source, eventually, path_of, within};

/// A pipeline whose gate is on, with an app in production.
async fn gated(flow: &Flow) -> String {
    flow.app("shop").await;
    let id = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].as_str().unwrap().to_owned();
    let coupling = json!({ "app": "shop", "pipeline": id, "stage": "production" });
    assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    let gate = flow.patch(&format!("/pipelines/{id}/test-gate"), &json!({ "enabled": true })).await;
    assert_eq!(gate.status, 200, "{}", gate.text());
    id
}

fn app_json(test: &str) -> String {
    json!({ "environments": { "test": { "scripts": { "test": test } } } }).to_string()
}

#[tokio::test]
async fn a_push_passes_a_red_gate_with_a_right_and_a_reason_and_both_are_kept() {
    let flow = flow().await;
    let id = gated(&flow).await;
    let app = flow.known_app("shop");
    let red = Source::answering("one").with("app.json", &app_json("exit 1"));
    app.push(red).await.declined("its tests failed").says("git push -o flowline.override=REASON");
    let push = async |options: &[&str]| {
        let (head, url) = ("HEAD:refs/heads/main", app.git_url());
        let words: Vec<&str> = ["push"].iter().chain(options).chain(&[url.as_str(), head]).copied().collect();
        let output = within("git", app.git_command(&words).output()).await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (ok, said) = push(&["-o", "flowline.override= "]).await;
    assert!(!ok && said.contains("an override of the tests needs its reason"), "{said}");
    let (ok, said) = push(&["-o", "flowline.override=the shop is \"down\""]).await;
    assert!(ok && said.contains("Not tested before the build, overridden by admin@localhost"), "{said}");
    assert!(said.contains("Released v3"), "{said}");
    let runs = flow.get(&format!("/pipelines/{id}/test-runs")).await.json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "an override is no run, and no check: {runs}");
    app.log_says("without tests, overridden by user admin@localhost: the shop is \"down\"").await;
    let events = app.read("/audit-events").await.to_string();
    assert!(events.contains("tests overridden") && events.contains("the shop is"), "{events}");
    // A collaborator deploys and does not manage.
    let token = flow.account("bob@example.org").await;
    let deploy = json!({ "user": "bob@example.org" });
    assert_eq!(app.call("POST", "/collaborators", Some(&deploy)).await.status, 201);
    let slot = flow.post("/sources", &json!({})).await.json();
    let body = json!({ "source_blob": { "url": slot["source_blob"]["get_url"] }, "override": "because" });
    let refused = flow.call_as(&token, "POST", "/apps/shop/builds", Some(&body)).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
}

/// Builds an archive by API; the build when it is over, and what it printed.
async fn build(flow: &Flow, test: &str, more: Value) -> (Value, String) {
    let slots = flow.post("/sources", &json!({})).await.json();
    let app_json = app_json(test);
    let files = [("Procfile", "worker: sleep 1000"), ("app.json", app_json.as_str())];
    let put = flow.raw("PUT", path_of(&slots["source_blob"]["put_url"]), &[], archive(&files)).await;
    assert!(put.status.is_success());
    let mut body = json!({ "source_blob": { "url": slots["source_blob"]["get_url"], "version": "c0ffee" } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = flow.post("/apps/shop/builds", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let said = flow.read_address(&made.json()["output_stream_url"]).await.text();
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let over = eventually("the end of the build", async || {
        let build = flow.known_app("shop").read(&format!("/builds/{id}")).await;
        (build["status"] != "pending").then_some(build)
    });
    (over.await, said)
}

#[tokio::test]
async fn a_build_by_api_is_tested_first_and_a_red_one_is_not_built() {
    let flow = flow().await;
    let id = gated(&flow).await;
    let (red, said) = build(&flow, "echo expected 1; exit 3", json!({})).await;
    assert_eq!((&red["status"], &red["slug"]), (&json!("failed"), &Value::Null), "{red}");
    for words in ["Test run #1 of the pipeline shop", "expected 1", "Not built: its tests failed (flowline ci:info 1"] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
    let (green, said) = build(&flow, "echo all is well", json!({})).await;
    assert_eq!(green["status"], "succeeded", "{said}");
    assert!(said.find("all is well").unwrap() < said.find("Procfile declares types").unwrap(), "{said}");
    let (forced, said) = build(&flow, "exit 1", json!({ "override": "in a hurry" })).await;
    assert_eq!(forced["status"], "succeeded", "{said}");
    let runs = flow.get(&format!("/pipelines/{id}/test-runs")).await.json();
    let states: Vec<&str> = runs.as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "succeeded"]);
    flow.known_app("shop").log_says("Build of c0ffee without tests, overridden by user admin@localhost").await;
}

/// A command line in the app's own folder; whether it succeeded, and all that it said.
async fn told(app: &App<'_>, words: &[&str]) -> (bool, String) {
    let mut command = app.flow().cli_command(words);
    let output = within("the command line", command.current_dir(app.working_copy()).output()).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

#[tokio::test]
async fn the_command_line_builds_and_releases_past_the_tests_with_a_reason_that_is_kept() {
    let flow = flow().await;
    let id = gated(&flow).await;
    let app = flow.known_app("shop");
    app.commit(Source::answering("one").with("app.json", &app_json("echo expected 1; exit 3"))).await;
    let (ok, said) = told(&app, &["builds:create", "-a", "shop"]).await;
    assert!(!ok && said.contains("expected 1") && said.contains("Not built: its tests failed"), "{said}");
    let (ok, said) = told(&app, &["builds:create", "-a", "shop", "--override", " "]).await;
    assert!(!ok && said.contains("an override of the tests needs its reason"), "{said}");
    let (ok, said) = told(&app, &["builds:create", "-a", "shop", "--override", "the shop is \"down\""]).await;
    assert!(ok && said.contains("Released v3") && !said.contains("expected 1"), "{said}");
    app.served("/", "one").await;
    let commit = app.git(&["rev-parse", "HEAD"]).await;
    let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
    assert_eq!(app.read("/builds").await[1]["source_blob"]["version"], commit.as_str());
    app.log_says(&format!("Build of {commit} without tests, overridden by user admin@localhost: the shop is")).await;

    let other = flow.app("other").await;
    other.push(Source::answering("two")).await.released("v3");
    let slug = other.read("/releases/3").await["slug"]["id"].as_str().unwrap().to_owned();
    let (ok, said) = told(&app, &["releases:create", &slug, "-a", "shop"]).await;
    assert!(!ok && said.contains("tests what comes to its apps"), "{said}");
    let reason = "moved from the old pipeline";
    let words = ["releases:create", &slug, "-a", "shop", "--description", "Moved", "--override", reason];
    let (ok, said) = told(&app, &words).await;
    assert!(ok && said.contains("done, v4"), "{said}");
    app.served("/", "two").await;
    assert_eq!(app.read("/releases/4").await["description"], "Moved");
    let events = app.read("/audit-events").await.to_string();
    assert!(events.contains("the shop is") && events.contains(reason), "{events}");
    let runs = flow.get(&format!("/pipelines/{id}/test-runs")).await.json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "an override is no run: {runs}");
}

#[tokio::test]
async fn a_slug_from_elsewhere_is_not_released_where_tests_are_asked_for() {
    let flow = flow().await;
    gated(&flow).await;
    let (other, shop) = (flow.app("other").await, flow.known_app("shop"));
    other.push(Source::answering("one")).await.released("v3");
    let slug = other.read("/releases/3").await["slug"]["id"].clone();
    let refused = shop.call("POST", "/releases", Some(&json!({ "slug": slug }))).await;
    assert!(refused.status == 422 && refused.json()["id"] == "untested", "{}", refused.text());
    let reasoned = json!({ "slug": slug, "override": "moved from the old pipeline" });
    assert_eq!(shop.call("POST", "/releases", Some(&reasoned)).await.status, 201);
    shop.served("/", "one").await;
    // What the app had before it may have again.
    let tested = Source::answering("two").with("app.json", &app_json("true"));
    shop.push(tested).await.released("v4");
    assert_eq!(shop.call("POST", "/releases", Some(&json!({ "slug": slug }))).await.status, 201);
}
