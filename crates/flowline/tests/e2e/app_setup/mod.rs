//! App setups: an app made of a source and its app.json, in one go (APPJSON-*).

mod command_line;
mod failures;
mod restart;

use crate::flow;
use crate::schema::Schema;
use serde_json::{Value, json};
use testkit::{Flow, Source, eventually};

/// An app with a worker and this app.json.
fn source(app_json: &Value) -> Source {
    let procfile = "web: python3 server.py\nworker: echo ready; exec tail -f /dev/null\n";
    Source::answering("one").with("Procfile", procfile).with("app.json", &app_json.to_string())
}

/// Uploads a source; its address.
async fn uploaded(flow: &Flow, source: &Source) -> Value {
    let slot = flow.post("/sources", &json!({})).await.json()["source_blob"].take();
    assert_eq!(flow.upload(&slot["put_url"], source.archive()).await.status, 200);
    slot["get_url"].clone()
}

/// Begins the setup of `shop`; its id.
async fn begin(flow: &Flow, source: &Source, more: Value) -> String {
    let mut body = json!({ "source_blob": { "url": uploaded(flow, source).await }, "app": { "name": "shop" } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = flow.post("/app-setups", &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let setup = answer.json();
    Schema::read().check("app-setup", &setup);
    assert_eq!((&setup["status"], &setup["app"]["name"]), (&json!("pending"), &json!("shop")));
    setup["id"].as_str().unwrap().to_owned()
}

/// The setup once it is over.
async fn over(flow: &Flow, id: &str) -> Value {
    let over = async || {
        let answer = flow.get(&format!("/app-setups/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Some(answer.json()).filter(|setup| setup["status"] != "pending")
    };
    let setup = eventually("the end of the setup", over).await;
    Schema::read().check("app-setup", &setup);
    setup
}

#[tokio::test]
async fn appjson_9_config_build_release_formation_and_postdeploy_in_their_order() {
    let flow = flow().await;
    let about = json!({
        "name": "Shop", "success_url": "/welcome",
        "env": {
            "GREETING": "hello", "MAIL": { "description": "who gets mail", "required": true },
            "KEY": { "generator": "secret" }, "OWN_KEY": { "generator": "secret" },
            "MAYBE": { "required": false }, "COUNT": { "value": "3" },
        },
        "formation": { "web": { "quantity": 1, "size": "standard-2x" }, "worker": { "quantity": 2 } },
        "scripts": { "postdeploy": { "command": "echo $SEED $MAIL $DYNO; echo to stderr >&2", "env": { "SEED": "42" } } },
    });
    let source = source(&about)
        .with("Procfile", "web: python3 server.py\nworker: exec tail -f /dev/null\nrelease: echo migrated for $MAIL\n");
    let overrides = json!({ "env": { "MAIL": "me@example.org", "OWN_KEY": "mine", "MORE": "x" } });
    let id = begin(&flow, &source, json!({ "overrides": overrides })).await;
    let setup = over(&flow, &id).await;
    assert_eq!(setup["status"], "succeeded", "{setup:#}");
    assert_eq!((&setup["failure_message"], &setup["manifest_errors"]), (&Value::Null, &json!([])));
    let app = flow.known_app("shop");
    let web_url = app.read("").await["web_url"].as_str().unwrap().to_owned();
    assert_eq!(setup["resolved_success_url"], format!("{web_url}welcome"));
    // appjson_6: its output, with its own environment and the app's config.
    let output = setup["postdeploy"]["output"].as_str().unwrap();
    assert!(output.starts_with("42 me@example.org postdeploy.") && output.contains("to stderr\n"), "{output}");
    assert_eq!(setup["postdeploy"]["exit_code"], 0);
    // appjson_2, appjson_3.
    let config = app.read("/config-vars").await;
    let key = config["KEY"].as_str().unwrap();
    assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    let known = json!({
        "GREETING": "hello", "MAIL": "me@example.org", "KEY": key, "OWN_KEY": "mine", "COUNT": "3", "MORE": "x",
    });
    assert_eq!(config, known);
    let formation = app.read("/formation").await;
    let of = |name: &str| {
        let entry = formation.as_array().unwrap().iter().find(|entry| entry["type"] == name).unwrap();
        (entry["quantity"].as_i64().unwrap(), entry["size"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("web"), (1, "Standard-2X".to_owned()));
    assert_eq!(of("worker"), (2, "Standard-1X".to_owned()));
    let build = app.read(&format!("/builds/{}", setup["build"]["id"].as_str().unwrap())).await;
    assert_eq!((&build["status"], &setup["build"]["status"]), (&json!("succeeded"), &json!("succeeded")));
    app.served("/env/GREETING", "hello").await;
    // appjson_6: after the release phase.
    let log = app.logs().await;
    let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words}:\n{log}"));
    assert!(at("migrated for me@example.org") < at("heroku[postdeploy."), "{log}");
    // appjson_6: once per app, never on later deploys.
    app.push(source.with("answer.txt", "two")).await.says("Verifying deploy");
    app.served("/", "two").await;
    let log = app.logs().await;
    assert_eq!(
        log.matches("Starting process with command `echo $SEED").count(),
        2,
        "said by api and dyno, once: {log}"
    );
}

#[tokio::test]
async fn appjson_8_a_wrapped_archive_of_an_address_with_checksum_version_and_buildpacks() {
    let flow = flow().await;
    let inner = crate::push::archive(&[
        ("shop-0123abc/app.json", r#"{"buildpacks":[{"url":"heroku/nothing-like-it"}]}"#),
        ("shop-0123abc/Procfile", "web: python3 -m http.server $PORT"),
        ("shop-0123abc/index.html", "wrapped"),
    ]);
    let slot = flow.post("/sources", &json!({})).await.json()["source_blob"].take();
    assert_eq!(flow.upload(&slot["put_url"], inner.clone()).await.status, 200);
    let checksum = crate::slugs::checksum(&flow, &inner).await;
    let blob = json!({ "url": slot["get_url"], "checksum": checksum, "version": "v1.3.0" });
    let overrides = json!({ "buildpacks": [{ "url": "heroku/procfile" }] });
    let body = json!({ "source_blob": blob, "overrides": overrides, "app": { "region": "eu", "stack": "heroku-24" } });
    let begun = flow.post("/app-setups", &body).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let setup = over(&flow, begun.json()["id"].as_str().unwrap()).await;
    assert_eq!(setup["status"], "succeeded", "{setup:#}");
    assert_eq!((&setup["postdeploy"], &setup["resolved_success_url"]), (&Value::Null, &Value::Null));
    let app = flow.known_app(setup["app"]["name"].as_str().unwrap());
    assert_eq!(app.read("").await["region"]["name"], "eu");
    let packs = app.read("/buildpack-installations").await;
    assert_eq!((packs[0]["buildpack"]["url"].as_str(), packs.as_array().unwrap().len()), (Some("heroku/procfile"), 1));
    assert_eq!(app.latest_release().await["description"], "Deploy v1.3.0");
    app.served("/", "wrapped").await;
}

#[tokio::test]
async fn a_setup_is_seen_by_who_sees_its_app_and_makes_a_teams_app_too() {
    let flow = flow().await;
    let id = begin(&flow, &source(&json!({})), json!({})).await;
    assert_eq!(over(&flow, &id).await["status"], "succeeded");
    let helper = flow.account("helper@example.org").await;
    let path = format!("/app-setups/{id}");
    let hidden = flow.call_as(&helper, "GET", &path, None).await;
    let nothing = flow.call_as(&helper, "GET", "/app-setups/01234567-89ab-cdef-0123-456789abcdef", None).await;
    assert_eq!((hidden.status.as_u16(), &hidden.body), (404, &nothing.body));
    let added = flow.post("/apps/shop/collaborators", &json!({ "user": "helper@example.org" })).await;
    assert_eq!(added.status, 201, "{}", added.text());
    assert_eq!(flow.call_as(&helper, "GET", &path, None).await.status, 200);
    assert_eq!(flow.post("/teams", &json!({ "name": "acme" })).await.status, 201);
    let blob = json!({ "url": uploaded(&flow, &source(&json!({}))).await });
    let body = json!({ "source_blob": blob, "app": { "name": "teamwork", "organization": "acme", "locked": true } });
    let theirs = flow.call_as(&helper, "POST", "/app-setups", Some(&body)).await;
    assert_eq!(theirs.status, 404, "not in that team: {}", theirs.text());
    let begun = flow.post("/app-setups", &body).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let app = flow.get("/teams/apps/teamwork").await.json();
    assert_eq!((&app["team"]["name"], &app["locked"]), (&json!("acme"), &json!(true)));
    assert_eq!(over(&flow, begun.json()["id"].as_str().unwrap()).await["status"], "succeeded");
    assert_eq!(flow.delete("/apps/shop").await.status, 200);
    assert_eq!(flow.get(&path).await.status, 404, "it goes with its app");
}

#[tokio::test]
async fn a_setup_puts_its_app_into_a_pipeline_at_once() {
    let flow = flow().await;
    let line = flow.post("/pipelines", &json!({ "name": "line" })).await.json()["id"].take();
    // As `pipelines:setup` sends it; an object with an id means the same.
    let coupling = json!({ "pipeline": line, "stage": "staging" });
    let id = begin(&flow, &source(&json!({})), json!({ "pipeline_coupling": coupling })).await;
    let found = flow.get("/apps/shop/pipeline-couplings").await.json();
    assert_eq!((&found["pipeline"]["id"], &found["stage"]), (&line, &json!("staging")), "{found:#}");
    assert_eq!(over(&flow, &id).await["status"], "succeeded");
    let coupling = json!({ "pipeline": { "id": line }, "stage": "production" });
    let blob = json!({ "url": "http://127.0.0.1:9/x.tgz" });
    let body = json!({ "source_blob": blob, "app": { "name": "live" }, "pipeline_coupling": coupling });
    assert_eq!(flow.post("/app-setups", &body).await.status, 202);
    let line = line.as_str().unwrap();
    let all = flow.get(&format!("/pipelines/{line}/pipeline-couplings")).await.json();
    let mut stages: Vec<&str> = all.as_array().unwrap().iter().filter_map(|one| one["stage"].as_str()).collect();
    stages.sort_unstable();
    assert_eq!(stages, ["production", "staging"]);
}
