//! Where a setup ends on the way, and says why.

use super::{begin, over, source, uploaded};
use crate::flow;
use serde_json::{Value, json};
use testkit::{Flow, Source};

/// The end of a setup that fails.
async fn failed(flow: &Flow, source: &Source, more: Value) -> Value {
    let id = begin(flow, source, more).await;
    let setup = over(flow, &id).await;
    assert_eq!(setup["status"], "failed", "{setup:#}");
    setup
}

fn why(setup: &Value) -> &str {
    setup["failure_message"].as_str().unwrap()
}

#[tokio::test]
async fn appjson_2_a_manifest_with_errors_tells_all_of_them_and_builds_nothing() {
    let flow = flow().await;
    let about = json!({
        "env": { "FOO": { "description": "needed" }, "BAR": "1" },
        "addons": ["heroku-postgresql:essential-0"], "stack": "cobol-60",
        "formation": { "web": { "quantity": 1, "size": "enormous" } },
    });
    let setup = failed(&flow, &source(&about), json!({})).await;
    assert_eq!(why(&setup), "invalid app.json");
    let errors: Vec<&str> = setup["manifest_errors"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
    assert_eq!(errors.len(), 4, "{errors:#?}");
    assert!(errors.contains(&"config var FOO is required"), "{errors:#?}");
    assert!(errors.iter().any(|error| error.starts_with("add-on heroku-postgresql:essential-0 is not available")));
    assert_eq!(setup["build"], Value::Null);
    // appjson_9: the app is left as far as it came.
    let app = flow.known_app("shop");
    assert_eq!((app.read("/config-vars").await, app.read("/builds").await), (json!({}), json!([])));
}

#[tokio::test]
async fn appjson_6_a_postdeploy_command_that_fails_fails_the_setup_and_its_output_stays() {
    let flow = flow().await;
    let about = json!({ "scripts": { "postdeploy": "echo seeding; echo no such table >&2; exit 7" } });
    let setup = failed(&flow, &source(&about), json!({})).await;
    assert_eq!(why(&setup), "scripts.postdeploy exited with status 7");
    assert_eq!(setup["postdeploy"]["exit_code"], 7);
    let output = setup["postdeploy"]["output"].as_str().unwrap();
    assert!(output.contains("seeding\n") && output.contains("no such table\n"), "{output}");
    assert_eq!(setup["build"]["status"], "succeeded");
    let app = flow.known_app("shop");
    app.served("/", "one").await;
    assert!(app.logs().await.contains("Process exited with status 7"));
    assert!(flow.files("outputs").iter().all(|file| !file.to_string_lossy().contains("setup-")));
}

#[tokio::test]
async fn a_release_command_that_fails_and_a_type_that_is_not_there_end_it() {
    let flow = flow().await;
    let broken = source(&json!({ "scripts": { "postdeploy": "echo never" } }))
        .with("Procfile", "web: python3 server.py\nrelease: exit 3\n");
    let setup = failed(&flow, &broken, json!({})).await;
    assert!(why(&setup).contains("release command") && why(&setup).contains("failed"), "{setup:#}");
    assert_eq!(setup["postdeploy"], Value::Null, "appjson_6: only after the release phase succeeded");
    assert_eq!(flow.delete("/apps/shop").await.status, 200);
    let about = json!({ "formation": { "clock": { "quantity": 1 } } });
    let setup = failed(&flow, &source(&about), json!({})).await;
    assert!(setup["manifest_errors"][0].as_str().unwrap().contains("clock"), "{setup:#}");
}

#[tokio::test]
async fn sources_that_cannot_be_used_say_so() {
    let flow = flow().await;
    for (source, words) in [
        (Source::answering("one"), "app.json not found"),
        (Source::answering("one").with("app.json", "{ not json"), "invalid app.json"),
        (Source::answering("one").with("app.json", "[]"), "invalid app.json"),
        (Source::empty().with("app.json", "{}").with("README.md", "x"), "the build failed"),
    ] {
        let setup = failed(&flow, &source, json!({})).await;
        assert!(why(&setup).contains(words), "{words}: {setup:#}");
        assert_eq!(flow.delete("/apps/shop").await.status, 200);
    }
    let url = uploaded(&flow, &source(&json!({}))).await;
    let zero = "SHA256:0000000000000000000000000000000000000000000000000000000000000000";
    for (blob, words) in [
        (json!({ "url": url, "checksum": zero }), "its checksum is"),
        (json!({ "url": "http://127.0.0.1:9/source.tgz" }), "could not be reached"),
    ] {
        let setup = failed(&flow, &Source::empty(), json!({ "source_blob": blob })).await;
        assert!(why(&setup).contains(words), "{words}: {setup:#}");
        assert_eq!(flow.delete("/apps/shop").await.status, 200);
    }
}

#[tokio::test]
async fn what_cannot_begin_is_refused_and_makes_no_app() {
    let flow = flow().await;
    flow.app("taken").await;
    let line = flow.post("/pipelines", &json!({ "name": "line" })).await.json()["id"].take();
    let url = "http://127.0.0.1:9/x.tgz";
    for (body, words) in [
        (json!({}), "source_blob"),
        (json!({ "source_blob": {} }), "url"),
        (json!({ "source_blob": { "url": "" } }), "source_blob.url is missing"),
        (json!({ "source_blob": { "url": "file:///etc/passwd" } }), "not an http or https address"),
        (json!({ "source_blob": { "url": url }, "app": { "name": "taken" } }), "already taken"),
        (json!({ "source_blob": { "url": url }, "app": { "name": "A b" } }), "not valid"),
        (json!({ "source_blob": { "url": url }, "app": { "stack": "cobol-60" } }), "cobol-60"),
        (json!({ "source_blob": { "url": url }, "app": { "space": "outer" } }), "no space"),
        (json!({ "source_blob": { "url": url }, "overrides": { "env": { "a-b": "1" } } }), "overrides.env"),
        (json!({ "source_blob": { "url": url }, "overrides": { "env": { "A": 1 } } }), "overrides.env.A"),
        (json!({ "source_blob": { "url": url }, "overrides": { "buildpacks": ["x"] } }), "buildpacks"),
        (json!({ "source_blob": { "url": url }, "pipeline_coupling": "x" }), "pipeline_coupling"),
        (json!({ "source_blob": { "url": url }, "pipeline_coupling": { "pipeline": line } }), "stage"),
        (json!({ "source_blob": { "url": url }, "pipeline_coupling": { "pipeline": line, "stage": "moon" } }), "moon"),
    ] {
        let answer = flow.post("/app-setups", &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
    }
    let place = json!({ "pipeline": line, "stage": "staging" });
    let body = json!({ "source_blob": { "url": url }, "pipeline_coupling": place });
    let stranger = flow.account("stranger@example.org").await;
    let answer = flow.call_as(&stranger, "POST", "/app-setups", Some(&body)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["resource"]), (404, &json!("pipeline")), "somebody else's");
    assert_eq!(flow.call_as(&stranger, "GET", "/apps", None).await.json(), json!([]));
    assert_eq!(flow.get("/apps").await.json().as_array().unwrap().len(), 1);
    assert_eq!(flow.get("/app-setups/nothing").await.status, 404);
}
