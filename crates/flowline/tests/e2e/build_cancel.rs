//! Builds that wait or run are cancelled (BLD-2): nothing of them goes on, and everybody who watches is told why.

use crate::flow;
use crate::push::archive;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use testkit::{App, Flow, Source, Start, eventually, path_of, within};

/// A build of it says `by hand` and does not end.
fn hanging() -> Source {
    let package = json!({ "name": "slow", "scripts": { "build": "echo by hand; sleep 100000" } });
    Source::answering("never").with("package.json", &package.to_string())
}

/// Waits until the newest build of an app is pending and has said this.
pub(crate) async fn until(app: &App<'_>, words: &str) -> Value {
    let said = async || {
        let builds = app.read("/builds").await;
        let build = builds.as_array().unwrap().last().filter(|build| build["status"] == "pending")?;
        let output = app.flow().dir().join("outputs").join(format!("build-{}", build["id"].as_str().unwrap()));
        std::fs::read_to_string(output).unwrap_or_default().contains(words).then(|| build.clone())
    };
    eventually(words, said).await
}

fn path(build: &Value) -> String {
    format!("/builds/{}", build["id"].as_str().unwrap())
}

#[tokio::test]
async fn bld_2_a_build_that_runs_is_cancelled_by_who_may_deploy_and_its_push_says_so() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let (viewer, stranger) = (flow.account("viewer@example.org").await, flow.account("stranger@example.org").await);
    assert_eq!(flow.post("/teams", &json!({ "name": "acme" })).await.status, 201);
    let member = json!({ "email": "viewer@example.org", "role": "viewer" });
    assert_eq!(flow.post("/teams/acme/members", &member).await.status, 201);
    let moved = flow.patch("/teams/apps/shop", &json!({ "owner": "acme" })).await;
    assert_eq!(moved.status, 200, "{}", moved.text());
    let (before, releases) = (flow.processes().len(), app.read("/releases").await);
    let (push, build) = tokio::join!(app.push(hanging()), async {
        let build = until(&app, "by hand").await;
        let whole = format!("/apps/shop{}", path(&build));
        assert_eq!(flow.call_as(&viewer, "DELETE", &whole, None).await.status, 403);
        assert_eq!(flow.call_as(&stranger, "DELETE", &whole, None).await.status, 404);
        let cancelled = app.call("DELETE", &path(&build), None).await;
        assert_eq!(cancelled.status, 200, "{}", cancelled.text());
        crate::schema::Schema::read().check("build", &cancelled.json());
        build
    });
    push.declined("Push rejected: the build was cancelled by admin@localhost.");
    let over = app.read(&path(&build)).await;
    assert_eq!((&over["status"], &over["release"], &over["slug"]), (&json!("failed"), &Value::Null, &Value::Null));
    let said = flow.read_address(&build["output_stream_url"]).await.text();
    assert!(said.contains("by hand") && said.contains("the build was cancelled by admin@localhost"), "{said}");
    assert!(!said.contains("failed to compile"), "the pack is not to blame: {said}");
    assert_eq!(app.read("/releases").await, releases);
    testkit::until("the build's processes to be gone", async || flow.processes().len() <= before).await;
    let again = app.call("DELETE", &path(&build), None).await;
    assert!(again.status == 409 && again.text().contains("over already: it failed"), "{}", again.text());
    let audit = app.read("/audit-events").await.to_string();
    assert!(audit.contains("DELETE /apps/{app}/builds/{build}"), "{audit}");
    app.log_says("Build cancelled by user admin@localhost").await;
    app.push(Source::answering("one")).await.released("v3");
}

#[tokio::test]
async fn bld_2_a_build_that_waits_is_cancelled_by_the_command_line_and_the_next_one_has_its_place() {
    let flow = Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--builds-at-once", "1"])).await;
    let (first, second) = (flow.app("first").await, flow.app("second").await);
    let cli = async |words: &[&str], code: i32| {
        let output = within("the command", flow.cli_command(words).output()).await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words:?}:\n{said}");
        said
    };
    let missing = cli(&["builds:cancel", "-a", "first"], 4).await;
    assert!(missing.contains("first has no builds"), "{missing}");
    let (running, waiting, ()) = tokio::join!(first.push(hanging()), second_push(&first, &second), async {
        until(&second, "Waiting: 1 build is ahead").await;
        let said = cli(&["builds:cancel", "-a", "second"], 0).await;
        assert!(said.contains("Cancelling build ") && said.contains("done"), "{said}");
        let build = until(&first, "by hand").await;
        cli(&["builds:cancel", build["id"].as_str().unwrap(), "-a", "first"], 0).await;
    });
    for push in [running, waiting] {
        push.declined("Push rejected: the build was cancelled by admin@localhost.");
    }
    let over = cli(&["builds:cancel", "-a", "second"], 1).await;
    assert!(over.contains("over already"), "{over}");
    second.push(Source::answering("two")).await.released("v3");
    second.served("/", "two").await;
}

/// Once the first one builds.
async fn second_push(first: &App<'_>, second: &App<'_>) -> testkit::Push {
    until(first, "by hand").await;
    second.push(Source::answering("one")).await
}

#[tokio::test]
async fn bld_2_a_build_that_is_tested_first_is_cancelled_with_its_test_run() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let id = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].as_str().unwrap().to_owned();
    let coupling = json!({ "app": "shop", "pipeline": id, "stage": "production" });
    assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    let gate = flow.patch(&format!("/pipelines/{id}/test-gate"), &json!({ "enabled": true })).await;
    assert_eq!(gate.status, 200, "{}", gate.text());
    let slots = flow.post("/sources", &json!({})).await.json();
    let tests =
        json!({ "environments": { "test": { "scripts": { "test": "echo tested; sleep 100000" } } } }).to_string();
    let files = [("Procfile", "worker: sleep 1000"), ("app.json", tests.as_str())];
    let put = flow.raw("PUT", path_of(&slots["source_blob"]["put_url"]), &[], archive(&files)).await;
    assert!(put.status.is_success());
    let body = json!({ "source_blob": { "url": slots["source_blob"]["get_url"], "version": "c0ffee" } });
    assert_eq!(app.call("POST", "/builds", Some(&body)).await.status, 201);
    let build = until(&app, "\ntested").await;
    let cancelled = app.call("DELETE", &path(&build), None).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["status"]), (200, &json!("failed")));
    let said = flow.read_address(&build["output_stream_url"]).await.text();
    assert!(said.contains("Not built: the build was cancelled by admin@localhost."), "{said}");
    let run = flow.get(&format!("/pipelines/{id}/test-runs/1")).await.json();
    assert_eq!(run["status"], "cancelled", "{run:#}");
}

#[tokio::test]
async fn bld_2_a_build_that_was_cancelled_when_the_server_was_killed_stays_so() {
    let mut flow = flow().await;
    flow.app("shop").await;
    flow.known_app("shop").commit(hanging()).await;
    for round in 0..4_u64 {
        let app = flow.known_app("shop");
        let mut push = app.git_command(&["push", &app.git_url(), "HEAD:refs/heads/main"]);
        let push = push.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let build = until(&app, "by hand").await;
        let path = path(&build);
        // At any moment of it, before it and after it.
        let whole = format!("/apps/shop{path}");
        let cancel =
            tokio::time::timeout(Duration::from_millis(round * 15), flow.attempt("DELETE", &whole, None)).await;
        let answered = matches!(&cancel, Ok(Ok(answer)) if answer.status == 200);
        flow.end_serve(Signal::KILL).await;
        let pushed = within("the end of the push", push.wait_with_output()).await.unwrap();
        assert!(!pushed.status.success());
        flow.start_serve().await;
        let over = flow.known_app("shop").read(&path).await;
        assert_eq!((&over["status"], &over["slug"]), (&json!("failed"), &Value::Null), "round {round}");
        let said = flow.read_address(&build["output_stream_url"]).await.text();
        let (cancelled, stopped) =
            (said.contains("build was cancelled by admin@localhost"), said.contains("was stopped"));
        assert!(cancelled || stopped && !answered, "round {round}, answered {answered}: {said}");
    }
    let known = flow.known_app("shop");
    known.push(Source::answering("one")).await.released("v3");
}
