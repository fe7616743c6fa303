//! Test runs that are asked for by name, and the commands about them.

use crate::flow;
use crate::push::archive;
use crate::test_runs::{gated, is_untouched, output, run, tested, until};
use serde_json::{Value, json};
use testkit::{path_of, within};

#[tokio::test]
async fn ci_runs_that_are_asked_for_and_who_may_ask() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let slots = flow.post("/sources", &json!({})).await.json();
    let app_json = json!({ "scripts": { "test": "cat greeting" } }).to_string();
    let files = [("Procfile", "web: x"), ("greeting", "hello from an archive"), ("app.json", app_json.as_str())];
    let put = flow.raw("PUT", path_of(&slots["source_blob"]["put_url"]), &[], archive(&files)).await;
    assert!(put.status.is_success());
    let body = |more: Value| {
        let mut body = json!({ "commit_branch": "main", "commit_message": "m", "commit_sha": "c0ffee", "pipeline": pipeline,
            "source_blob_url": slots["source_blob"]["get_url"], "organization": null });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let made = flow.post("/test-runs", &body(json!({ "clear_cache": true }))).await;
    assert_eq!((made.status.as_u16(), &made.json()["number"]), (201, &json!(1)), "{}", made.text());
    let (_, node) = run(&flow, &pipeline, 1).await;
    assert!(output(&flow, &node, "output_stream_url").await.contains("hello from an archive"), "live to its end");
    assert_eq!(until(&flow, &pipeline, 1, "succeeded").await["clear_cache"], true);
    is_untouched(&app).await;
    let refused = [
        (json!({ "source_blob_url": "" }), "source_blob_url is missing"),
        (json!({ "source_blob_url": "file:///etc/passwd" }), "is not an http or https address"),
        (json!({ "debug": true }), "no debug runs"),
        (json!({ "commit_sha": "" }), "commit_sha must be text"),
        (json!({ "commit_branch": "a\nb" }), "commit_branch must be text"),
    ];
    for (more, words) in refused {
        let refused = flow.post("/test-runs", &body(more)).await;
        assert!(refused.status == 422 && refused.text().contains(words), "{words}: {}", refused.text());
    }
    let broken = flow.post("/test-runs", &body(json!({ "source_blob_url": "http://127.0.0.1:9/x" }))).await;
    assert_eq!(broken.status, 201);
    let broken = until(&flow, &pipeline, 2, "errored").await;
    assert!(broken["message"].as_str().unwrap().contains("could not be fetched"), "{broken}");
    // A collaborator of one app sees the pipeline and its runs, and may not run anything with its secrets.
    let viewer = flow.account("viewer@example.org").await;
    let added = json!({ "user": "viewer@example.org" });
    assert_eq!(app.call("POST", "/collaborators", Some(&added)).await.status, 201);
    let path = format!("/test-runs/{}", broken["id"].as_str().unwrap());
    assert_eq!(flow.call_as(&viewer, "GET", &path, None).await.status, 200);
    assert_eq!(flow.call_as(&viewer, "POST", "/test-runs", Some(&body(json!({})))).await.status, 403);
    let cancel = json!({ "status": "cancelled", "message": "" });
    assert_eq!(flow.call_as(&viewer, "PATCH", &path, Some(&cancel)).await.status, 403);
    let stranger = flow.account("stranger@example.org").await;
    for path in [path.clone(), format!("{path}/test-nodes"), format!("{path}/test-cases")] {
        assert_eq!(flow.call_as(&stranger, "GET", &path, None).await.status, 404, "{path}");
    }
    assert_eq!(flow.call_as(&stranger, "POST", "/test-runs", Some(&body(json!({})))).await.status, 404);
}

#[tokio::test]
async fn the_command_line_runs_shows_cancels_and_sets_up_tests() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let folder = app.working_copy();
    let cli = async |words: &[&str], code: i32| {
        let output = within("the command", flow.cli_command(words).current_dir(&folder).output()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words:?}:\n{said}");
        said
    };
    app.commit(tested("echo $GREETING from here; test -n \"$GREETING\"")).await;
    assert!(cli(&["ci", "-p", "shop"], 0).await.contains("shop has no test runs"));
    let red = cli(&["ci:run", "-p", "shop"], 1).await;
    assert!(red.contains("Test run #1 (main ") && red.contains("Test run #1 failed"), "{red}");
    cli(&["ci:config:set", "GREETING=hello", "-p", "shop"], 0).await;
    assert_eq!(cli(&["ci:config:get", "GREETING", "-a", "shop"], 0).await.trim(), "hello");
    let green = cli(&["ci:rerun", "1", "-p", "shop", "--no-cache"], 0).await;
    assert!(green.contains("hello from here") && green.contains("Test run #2 succeeded"), "{green}");
    let listed = cli(&["ci", "-a", "shop"], 0).await;
    assert!(listed.find("#2").unwrap() < listed.find("#1").unwrap() && listed.contains("A change"), "{listed}");
    assert!(cli(&["ci:info", "1", "-p", "shop"], 1).await.contains(" from here"));
    assert!(cli(&["ci:last", "-p", "shop"], 0).await.contains("hello from here"));
    let as_json: Value = serde_json::from_str(&cli(&["ci:last", "-p", "shop", "--json"], 0).await).unwrap();
    assert_eq!((&as_json["test_run"]["number"], &as_json["test_nodes"][0]["exit_code"]), (&json!(2), &json!(0)));
    let over = cli(&["ci:cancel", "2", "-p", "shop"], 1).await;
    assert!(over.contains("over already"), "{over}");
    assert!(cli(&["ci:gate", "off", "--time-limit", "5", "-p", "shop"], 0).await.contains("without a test run"));
    let gate = flow.get(&format!("/pipelines/{pipeline}/test-gate")).await.json();
    assert_eq!(gate, json!({ "enabled": false, "time_limit_s": 300 }));
    cli(&["ci:config:unset", "GREETING", "-p", "shop"], 0).await;
    assert!(cli(&["ci:config", "-p", "shop"], 0).await.contains("no test config vars"));
    cli(&["ci:info", "99", "-p", "shop"], 4).await;
}
