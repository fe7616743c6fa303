//! Promotions: the same slug to other apps, each settling by itself; what is refused; what is left behind.

use crate::flow;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{Answer, App, Flow, Source, eventually};

/// Apps at their stages, the first one with code.
async fn line(flow: &Flow, apps: &[(&str, &str)], source: Source) -> String {
    let pipeline = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].clone();
    for (app, stage) in apps {
        flow.app(app).await;
        let coupling = json!({ "app": app, "pipeline": pipeline, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    flow.known_app(apps[0].0).push(source).await.released("v3");
    pipeline.as_str().unwrap().to_owned()
}

const STAGES: &[(&str, &str)] = &[("shop-staging", "staging"), ("shop", "production")];

fn body(pipeline: &str, from: &str, to: &[&str]) -> Value {
    let targets: Vec<Value> = to.iter().map(|app| json!({ "app": { "id": app } })).collect();
    json!({ "pipeline": { "id": pipeline }, "source": { "app": { "id": from } }, "targets": targets })
}

async fn promote(flow: &Flow, body: &Value) -> Value {
    let answer = flow.post("/pipeline-promotions", body).await;
    assert_eq!(answer.status, 201, "{body}: {}", answer.text());
    answer.json()
}

/// The targets of a promotion once it is completed, in the order that was asked for.
async fn completed(flow: &Flow, promotion: &Value) -> Vec<Value> {
    let told = flow.read_address(&promotion["event_stream_url"]).await.text();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(last["status"], "completed", "{told}");
    last["targets"].as_array().unwrap().clone()
}

async fn receipt(flow: &Flow, promotion: &Value) -> Value {
    flow.get(&format!("/pipeline-promotions/{}/receipt", promotion["id"].as_str().unwrap())).await.json()
}

fn refused(answer: &Answer, status: u16, words: &str) {
    assert!(answer.status == status && answer.text().contains(words), "{}: {}", answer.status, answer.text());
}

async fn release_of(app: &App<'_>, target: &Value) -> Value {
    app.read(&format!("/releases/{}", target["release"]["id"].as_str().unwrap())).await
}

#[tokio::test]
async fn pipe_30_and_42_the_same_slug_with_the_targets_own_config() {
    let flow = flow().await;
    let printing = "web: python3 server.py\nrelease: echo \"the color is $COLOR\"\n";
    let id = line(&flow, STAGES, Source::answering("one").with("Procfile", printing)).await;
    let (staging, shop) = (flow.known_app("shop-staging"), flow.known_app("shop"));
    staging.config(json!({ "COLOR": "green" })).await;
    shop.config(json!({ "COLOR": "red" })).await;
    staging.settled(4).await;
    let promotion = promote(&flow, &body(&id, "shop-staging", &["shop"])).await;
    assert_eq!(promotion["pipeline"]["id"], json!(id));
    let source = staging.read("/releases/4").await;
    assert_eq!(promotion["source"]["release"]["id"], source["id"], "pipe_32: the current one");
    let targets = completed(&flow, &promotion).await;
    assert_eq!((&targets[0]["status"], &targets[0]["error_message"]), (&json!("succeeded"), &Value::Null));
    let release = release_of(&shop, &targets[0]).await;
    assert_eq!(release["slug"]["id"], source["slug"]["id"], "nothing is rebuilt");
    let commit = staging.read(&format!("/slugs/{}", source["slug"]["id"].as_str().unwrap())).await["commit"].clone();
    assert_eq!(release["description"], format!("Promote shop-staging v4 {}", &commit.as_str().unwrap()[..8]));
    assert_eq!(shop.read("/config-vars").await, json!({ "COLOR": "red" }));
    let printed = flow.read_address(&release["output_stream_url"]).await.text();
    assert!(printed.contains("the color is red"), "pipe_36: {printed}");
    shop.served("/", "one").await;
    // PIPE-44: its repository has nothing of it. PIPE-43: the same once more is a release of its own.
    assert_eq!(shop.read("/builds").await, json!([]));
    let again = completed(&flow, &promote(&flow, &body(&id, "shop-staging", &["shop"])).await).await;
    assert_eq!(release_of(&shop, &again[0]).await["version"], 5);
}

#[tokio::test]
async fn pipe_33_to_36_one_target_that_fails_leaves_the_others_promoted() {
    let flow = flow().await;
    let apps = [("shop-staging", "staging"), ("shop", "production"), ("stall", "production")];
    let choosy = "web: python3 server.py\nrelease: echo checking; test -z \"$BROKEN\"\n";
    let id = line(&flow, &apps, Source::answering("one").with("Procfile", choosy)).await;
    let (shop, stall) = (flow.known_app("shop"), flow.known_app("stall"));
    completed(&flow, &promote(&flow, &body(&id, "shop-staging", &["shop", "stall"])).await).await;
    stall.served("/", "one").await;
    flow.known_app("shop-staging").push(Source::answering("two").with("Procfile", choosy)).await.released("v4");
    stall.call("PATCH", "/config-vars", Some(&json!({ "BROKEN": "yes" }))).await;
    stall.settled(4).await;
    let output = flow.cli(&["pipelines:promote", "-a", "shop-staging"]).await;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "pipe_35: {said}");
    for words in ["shop: checking", "stall: checking", "Promotion to some apps failed", "v5 failed"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    let promotion = flow.get(&format!("/pipelines/{id}/promotions")).await.json()[1].clone();
    let targets = completed(&flow, &promotion).await;
    let by = |app: &Value| targets.iter().find(|target| target["app"]["id"] == app["id"]).unwrap().clone();
    let good = by(&shop.read("").await);
    let bad = by(&stall.read("").await);
    assert_eq!((&good["status"], &bad["status"]), (&json!("succeeded"), &json!("failed")));
    assert!(bad["error_message"].as_str().unwrap().contains("v5 failed; the release before it stays live"), "{bad}");
    assert_eq!(release_of(&stall, &bad).await["status"], "failed", "the ledger agrees");
    shop.served("/", "two").await;
    assert_eq!(stall.get("/").await.text(), "one");
    let info = flow.cli(&["promotions:info", promotion["id"].as_str().unwrap()]).await;
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    for words in ["shop-staging v4", "admin@localhost", "succeeded", "failed", "completed"] {
        assert!(info.contains(words), "`{words}` is not in: {info}");
    }
    // Once more with the cause gone.
    stall.config(json!({ "BROKEN": null })).await;
    stall.settled(6).await;
    let output = flow.cli(&["pipelines:promote", "-a", "shop-staging", "--to", "stall"]).await;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("Promotion successful"), "{said}");
    stall.served("/", "two").await;
}

#[tokio::test]
async fn pipe_32_a_chosen_old_release() {
    let flow = flow().await;
    let id = line(&flow, STAGES, Source::answering("one")).await;
    let (staging, shop) = (flow.known_app("shop-staging"), flow.known_app("shop"));
    staging.push(Source::answering("two")).await.released("v4");
    let old = staging.read("/releases/3").await;
    let mut wanted = body(&id, "shop-staging", &["shop"]);
    wanted["source"]["release"] = json!({ "id": old["id"] });
    let promotion = promote(&flow, &wanted).await;
    let targets = completed(&flow, &promotion).await;
    let release = release_of(&shop, &targets[0]).await;
    assert_eq!(release["slug"]["id"], old["slug"]["id"]);
    assert!(release["description"].as_str().unwrap().starts_with("Promote shop-staging v3 "), "{release}");
    shop.served("/", "one").await;
    let cli = flow.cli(&["pipelines:promote", "-a", "shop-staging", "--release", "v4"]).await;
    assert!(cli.status.success(), "{}", String::from_utf8_lossy(&cli.stderr));
    shop.served("/", "two").await;
    wanted["source"]["release"] = json!({ "id": "v99" });
    refused(&flow.post("/pipeline-promotions", &wanted).await, 404, "Couldn't find that release");
    // One of another app.
    wanted["source"]["release"] = json!({ "id": release["id"] });
    refused(&flow.post("/pipeline-promotions", &wanted).await, 404, "Couldn't find that release");
}

#[tokio::test]
async fn pipe_37_and_41_what_cannot_be_promoted_says_why() {
    let flow = flow().await;
    let apps = [("shop-staging", "staging"), ("shop", "production"), ("empty", "staging")];
    let id = line(&flow, &apps, Source::answering("one")).await;
    flow.app("outside").await;
    let other = flow.post("/pipelines", &json!({ "name": "other" })).await.json()["id"].as_str().unwrap().to_owned();
    let tried = async |body: Value| flow.post("/pipeline-promotions", &body).await;
    let itself = "Cannot promote from an app to itself: shop-staging. Specify a different target app.";
    refused(&tried(body(&id, "shop-staging", &["shop-staging"])).await, 422, itself);
    refused(&tried(body(&id, "shop-staging", &["shop", "shop-staging"])).await, 422, itself);
    refused(&tried(body(&id, "shop-staging", &["outside"])).await, 422, "outside is not in the pipeline shop");
    refused(&tried(body(&id, "outside", &["shop"])).await, 422, "outside is not in the pipeline shop");
    refused(&tried(body(&other, "shop-staging", &["shop"])).await, 422, "shop-staging is not in the pipeline other");
    refused(&tried(body(&id, "shop-staging", &[])).await, 422, "targets");
    refused(&tried(body(&id, "shop-staging", &["nothing"])).await, 404, "Couldn't find that app");
    refused(&tried(body("nothing", "shop-staging", &["shop"])).await, 404, "Couldn't find that pipeline");
    refused(&tried(body(&id, "empty", &["shop"])).await, 422, "empty has nothing to promote");
    flow.known_app("empty").config(json!({ "A": "1" })).await;
    refused(&tried(body(&id, "empty", &["shop"])).await, 422, "empty has nothing to promote");
    let failing = Source::answering("two").with("Procfile", "web: python3 server.py\nrelease: exit 1\n");
    flow.known_app("shop-staging").push(failing).await.release_failed();
    let mut failed = body(&id, "shop-staging", &["shop"]);
    failed["source"]["release"] = json!({ "id": "v4" });
    refused(&tried(failed).await, 422, "v4 of shop-staging cannot be promoted: its release command failed");
    let many: Vec<&str> = vec!["shop"; 101];
    refused(&tried(body(&id, "shop-staging", &many)).await, 422, "at most 100 apps");
    assert_eq!(flow.known_app("shop").latest_release().await["version"], 2, "nothing of that made a release");
    // What passed before still goes: the same app twice is one target.
    let promotion = promote(&flow, &body(&id, "shop-staging", &["shop", "shop"])).await;
    assert_eq!(completed(&flow, &promotion).await.len(), 1);
}

#[tokio::test]
async fn pipe_40_a_right_that_is_missing_fails_that_target_only() {
    let flow = flow().await;
    let apps = [("shop-staging", "staging"), ("shop", "production"), ("hidden", "production")];
    let id = line(&flow, &apps, Source::answering("one")).await;
    let ada = flow.account("ada@example.org").await;
    for app in ["shop-staging", "shop"] {
        let add = json!({ "user": "ada@example.org" });
        assert_eq!(flow.post(&format!("/apps/{app}/collaborators"), &add).await.status, 201);
    }
    let hidden = flow.get("/apps/hidden").await.json()["id"].as_str().unwrap().to_owned();
    let wanted = body(&id, "shop-staging", &["shop", &hidden]);
    let answer = flow.call_as(&ada, "POST", "/pipeline-promotions", Some(&wanted)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let promotion = answer.json();
    let targets = completed(&flow, &promotion).await;
    assert_eq!((&targets[0]["status"], &targets[1]["status"]), (&json!("succeeded"), &json!("failed")));
    assert_eq!(targets[1]["error_message"], "User does not have access to that app");
    assert_eq!(flow.known_app("hidden").latest_release().await["version"], 2);
    // By its name they know nothing of it; without the source, of nothing at all.
    let named = body(&id, "shop-staging", &["hidden"]);
    refused(&flow.call_as(&ada, "POST", "/pipeline-promotions", Some(&named)).await, 404, "Couldn't find that app");
    let bob = flow.account("bob@example.org").await;
    refused(&flow.call_as(&bob, "POST", "/pipeline-promotions", Some(&wanted)).await, 404, "Couldn't find");
    let path = format!("/pipeline-promotions/{}", promotion["id"].as_str().unwrap());
    for rest in ["", "/promotion-targets", "/receipt"] {
        assert_eq!(flow.call_as(&bob, "GET", &format!("{path}{rest}"), None).await.status, 404, "{rest}");
        assert_eq!(flow.call_as(&ada, "GET", &format!("{path}{rest}"), None).await.status, 200, "{rest}");
    }
}

#[tokio::test]
async fn perm_23_a_build_a_release_and_a_promotion_say_who_made_them() {
    let flow = flow().await;
    let id = line(&flow, STAGES, Source::answering("one")).await;
    let ada = flow.account("ada@example.org").await;
    for app in ["shop-staging", "shop"] {
        let add = json!({ "user": "ada@example.org" });
        assert_eq!(flow.post(&format!("/apps/{app}/collaborators"), &add).await.status, 201);
    }
    let wanted = body(&id, "shop-staging", &["shop"]);
    let promotion = flow.call_as(&ada, "POST", "/pipeline-promotions", Some(&wanted)).await.json();
    let target = completed(&flow, &promotion).await.remove(0);
    assert_eq!(target["status"], "succeeded", "{target}");
    let (staging, shop) = (flow.known_app("shop-staging"), flow.known_app("shop"));
    assert_eq!(staging.read("/builds").await[0]["user"]["email"], "admin@localhost");
    assert_eq!(staging.latest_release().await["user"]["email"], "admin@localhost");
    assert_eq!(release_of(&shop, &target).await["user"]["email"], "ada@example.org");
    let audit = flow.get("/audit-events").await.json();
    let promoted = audit.as_array().unwrap().iter().find(|event| event.to_string().contains("/pipeline-promotions"));
    assert!(promoted.unwrap()["actor"].to_string().contains("ada@example.org"), "{}", promoted.unwrap());
}

/// Its release is there with the answer already (CLI-38).
async fn pending_release(flow: &Flow, promotion: &Value) -> Value {
    let path = format!("/pipeline-promotions/{}/promotion-targets", promotion["id"].as_str().unwrap());
    let target = flow.get(&path).await.json()[0].clone();
    assert!(!target["release"].is_null(), "{target}");
    target
}

/// A pipeline whose staging has passed, and whose code waits for ever in the release phase of any other app.
async fn stuck(flow: &Flow) -> (String, Value) {
    let waits = "web: python3 server.py\nrelease: echo waiting; test -n \"$STAGING\" || exec sleep 600\n";
    let id = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].as_str().unwrap().to_owned();
    for (app, stage) in STAGES {
        flow.app(app).await;
        let coupling = json!({ "app": app, "pipeline": id, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    let staging = flow.known_app("shop-staging");
    staging.config(json!({ "STAGING": "yes" })).await;
    staging.push(Source::answering("one").with("Procfile", waits)).await.released("v4");
    let promotion = promote(flow, &body(&id, "shop-staging", &["shop"])).await;
    (id, promotion)
}

#[tokio::test]
async fn pipe_34_two_at_once_and_a_command_that_is_stopped() {
    let flow = flow().await;
    let (id, promotion) = stuck(&flow).await;
    let target = pending_release(&flow, &promotion).await;
    assert_eq!(target["status"], "pending", "the release is there before it is decided");
    let second = flow.post("/pipeline-promotions", &body(&id, "shop-staging", &["shop"])).await;
    refused(&second, 409, "shop is being promoted to already");
    let shop = flow.known_app("shop");
    shop.log_says("waiting").await;
    let dynos = shop.read("/dynos").await;
    let name = dynos.as_array().unwrap().iter().find(|dyno| dyno["type"] == "release").unwrap()["name"].clone();
    let stopped = shop.call("POST", &format!("/dynos/{}/actions/stop", name.as_str().unwrap()), None).await;
    assert!(stopped.status.is_success(), "{}", stopped.text());
    let targets = completed(&flow, &promotion).await;
    assert_eq!(targets[0]["status"], "failed", "{targets:?}");
    assert_eq!(release_of(&shop, &targets[0]).await["status"], "failed");
}

#[tokio::test]
async fn an_app_that_is_destroyed_meanwhile_ends_its_target_and_the_receipt_stays() {
    let flow = flow().await;
    let (id, promotion) = stuck(&flow).await;
    pending_release(&flow, &promotion).await;
    assert_eq!(flow.delete("/apps/shop").await.status, 200);
    let targets = completed(&flow, &promotion).await;
    assert_eq!(targets[0]["error_message"], "shop was destroyed meanwhile");
    assert_eq!(flow.delete(&format!("/pipelines/{id}")).await.status, 200);
    assert_eq!(flow.delete("/apps/shop-staging").await.status, 200);
    let kept = receipt(&flow, &promotion).await;
    assert_eq!((&kept["from"]["app"]["name"], &kept["to"][0]["app"]["name"]), (&json!("shop-staging"), &json!("shop")));
    assert_eq!((&kept["user"]["email"], &kept["gates"]), (&json!("admin@localhost"), &json!([])));
    assert_eq!(kept["to"][0]["status"], "failed");
}

#[tokio::test]
async fn the_receipt_tells_what_requests_met_and_the_source_may_go() {
    let flow = flow().await;
    let id = line(&flow, STAGES, Source::answering("one")).await;
    let (staging, shop) = (flow.known_app("shop-staging"), flow.known_app("shop"));
    completed(&flow, &promote(&flow, &body(&id, "shop-staging", &["shop"])).await).await;
    shop.served("/", "one").await;
    staging.push(Source::answering("two")).await.released("v4");
    let promotion = promote(&flow, &body(&id, "shop-staging", &["shop"])).await;
    completed(&flow, &promotion).await;
    shop.served("/", "two").await;
    let live = async || {
        let kept = receipt(&flow, &promotion).await["to"][0].clone();
        (!kept["live_after_ms"].is_null()).then_some(kept)
    };
    let to = eventually("the receipt", live).await;
    assert_eq!((&to["release"]["version"], &to["failed"], &to["status"]), (&json!(4), &json!(0), &json!("succeeded")));
    assert!(to["cut_over_ms"].is_number() && to["in_flight"].is_number() && to["held"].is_number(), "{to}");
    // The code that production runs outlives the app that it was built for.
    assert_eq!(flow.delete("/apps/shop-staging").await.status, 200);
    assert_eq!(shop.call("DELETE", "/dynos", None).await.status, 202);
    shop.served("/", "two").await;
    let slug = shop.latest_release().await["slug"]["id"].as_str().unwrap().to_owned();
    assert_eq!(shop.call("GET", &format!("/slugs/{slug}"), None).await.status, 200);
    assert_eq!(receipt(&flow, &promotion).await["from"]["app"]["name"], "shop-staging");
}

#[tokio::test]
async fn a_promotion_is_pushed_as_it_changes() {
    let flow = flow().await;
    let slow = "web: python3 server.py\nrelease: echo begun; sleep 1\n";
    let id = line(&flow, STAGES, Source::answering("one").with("Procfile", slow)).await;
    let promotion = promote(&flow, &body(&id, "shop-staging", &["shop"])).await;
    let path = testkit::path_of(&promotion["event_stream_url"]).to_owned();
    let events = flow.raw("GET", &path, &[("accept", "text/event-stream")], Bytes::new()).await;
    assert_eq!((events.status.as_u16(), events.header("content-type")), (200, "text/event-stream"));
    let events: Vec<Value> = events
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|line| serde_json::from_str(line.trim()).unwrap())
        .collect();
    let last = events.last().unwrap();
    assert_eq!((&last["status"], &last["targets"][0]["status"]), (&json!("completed"), &json!("succeeded")));
    let released = |event: &&Value| event["status"] == "pending" && !event["targets"][0]["release"].is_null();
    assert!(events.iter().any(|event| released(&event)), "the release is told before it is decided: {events:?}");
}
