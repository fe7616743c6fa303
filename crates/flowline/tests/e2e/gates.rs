//! Gates into stages: what is refused, who opens it, what goes on by itself.

use crate::flow;
use serde_json::{Value, json};
use testkit::{Answer, Flow, Source, eventually};

const STAGES: &[(&str, &str)] = &[("shop-staging", "staging"), ("shop", "production")];

/// A pipeline with an app at each stage, the first one with code.
async fn line(flow: &Flow, source: Source) -> String {
    let pipeline = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].clone();
    for (app, stage) in STAGES {
        flow.app(app).await;
        let coupling = json!({ "app": app, "pipeline": pipeline, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    flow.known_app("shop-staging").push(source).await.released("v3");
    pipeline.as_str().unwrap().to_owned()
}

async fn gates(flow: &Flow, id: &str, stage: &str, gates: Value) -> Value {
    let answer = flow.call("PATCH", &format!("/pipelines/{id}/stage/{stage}/gates"), Some(&gates)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn promote(flow: &Flow, id: &str, reason: Option<&str>) -> Answer {
    let mut body = json!({
        "pipeline": { "id": id },
        "source": { "app": { "id": "shop-staging" } },
        "targets": [{ "app": { "id": "shop" } }],
    });
    if let Some(reason) = reason {
        body["override"] = json!(reason);
    }
    flow.post("/pipeline-promotions", &body).await
}

fn shut(answer: &Answer, words: &[&str]) {
    let text = answer.text();
    assert!(answer.status == 422 && answer.json()["id"] == "gates_shut", "{}: {text}", answer.status);
    for words in words {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
}

/// The gates that a promotion passed, once it is completed.
async fn passed(flow: &Flow, promotion: &Answer) -> Vec<String> {
    assert_eq!(promotion.status, 201, "{}", promotion.text());
    let promotion = promotion.json();
    flow.read_address(&promotion["event_stream_url"]).await;
    let path = format!("/pipeline-promotions/{}/receipt", promotion["id"].as_str().unwrap());
    let receipt = flow.get(&path).await.json();
    let gates = receipt["gates"].as_array().unwrap().iter();
    gates.map(|gate| gate.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_lock_says_who_and_why_holds_promotions_and_pushes_and_can_be_overridden_with_a_reason() {
    let flow = flow().await;
    let id = line(&flow, Source::answering("one")).await;
    let locked = flow.cli(&["pipelines:lock", "shop", "production", "--reason", "launch day"]).await;
    assert!(locked.status.success(), "{locked:?}");
    shut(
        &promote(&flow, &id, None).await,
        &["[lock]", "admin@localhost", "launch day", "pipelines:unlock shop production"],
    );
    let twice = flow.cli(&["pipelines:lock", "shop", "production", "--reason", "again"]).await;
    assert!(String::from_utf8_lossy(&twice.stderr).contains("launch day"), "{twice:?}");
    flow.known_app("shop").push(Source::answering("pushed")).await.declined("launch day");
    let board = flow.cli(&["pipelines:gates", "shop"]).await;
    let board = String::from_utf8_lossy(&board.stdout).into_owned();
    for words in ["shop-staging v3 has to wait", "locked by admin@localhost: launch day"] {
        assert!(board.contains(words), "`{words}` is not in: {board}");
    }
    let over = passed(&flow, &promote(&flow, &id, Some("the shop is down")).await).await;
    assert!(over[0].starts_with("lock overridden by admin@localhost (the shop is down)"), "{over:?}");
    assert!(flow.cli(&["pipelines:unlock", "shop", "production"]).await.status.success());
    assert_eq!(passed(&flow, &promote(&flow, &id, None).await).await, Vec::<String>::new());
    flow.known_app("shop").push(Source::answering("pushed")).await.released("v5");
}

#[tokio::test]
async fn required_checks_are_asked_by_name_and_one_that_never_reports_is_told_with_those_that_do() {
    let flow = flow().await;
    let id = line(&flow, Source::answering("one")).await;
    let slug = flow.known_app("shop-staging").read("/releases/3").await["slug"]["id"].clone();
    let path = format!("/slugs/{}", slug.as_str().unwrap());
    let commit = flow.known_app("shop-staging").read(&path).await["commit"].as_str().unwrap().to_owned();
    gates(&flow, &id, "production", json!({ "required_checks": ["ci/build"] })).await;
    shut(
        &promote(&flow, &id, None).await,
        &["`ci/build` has not reported on", "No check ever reported to this pipeline"],
    );
    let report = async |name: &str, state: &str| {
        let words = ["pipelines:checks:report", "shop", &commit, name, state];
        let said = flow.cli(&words).await;
        assert!(said.status.success(), "{said:?}");
    };
    report("ci/biuld", "success").await;
    shut(&promote(&flow, &id, None).await, &["those that did are ci/biuld"]);
    report("ci/build", "failure").await;
    shut(&promote(&flow, &id, None).await, &["`ci/build` reported failure on"]);
    report("ci/build", "success").await;
    let gates = passed(&flow, &promote(&flow, &id, None).await).await;
    assert_eq!(gates, [format!("required_checks: `ci/build` succeeded on {}", &commit[..8])]);
    let bad = json!({ "commit": "main", "name": "x", "state": "success" });
    assert_eq!(flow.post(&format!("/pipelines/{id}/checks"), &bad).await.status, 422);
}

#[tokio::test]
async fn approvals_are_of_others_than_the_author() {
    let flow = flow().await;
    let id = line(&flow, Source::answering("one")).await;
    gates(&flow, &id, "production", json!({ "approvals": 1, "soak": "1s" })).await;
    shut(&promote(&flow, &id, None).await, &["approved by nobody, and needs one more person"]);
    let approvals = format!("/pipelines/{id}/stage/production/approvals");
    let own = flow.post(&approvals, &json!({ "app": "shop-staging" })).await;
    assert!(own.status == 403 && own.text().contains("somebody else has to approve it"), "{}", own.text());
    let token = flow.account("bob@example.org").await;
    let stranger = flow.call_as(&token, "POST", &approvals, Some(&json!({ "app": "shop-staging" }))).await;
    assert_eq!(stranger.status, 404, "{}", stranger.text());
    let team = flow.post("/teams", &json!({ "name": "shopkeepers" })).await.json()["id"].clone();
    let member = json!({ "email": "bob@example.org", "role": "member" });
    assert!(flow.call("PUT", "/teams/shopkeepers/members", Some(&member)).await.status.is_success());
    let owner = json!({ "pipeline": { "id": id }, "new_owner": { "id": team, "type": "team" } });
    assert_eq!(flow.post("/pipeline-transfers", &owner).await.status, 201);
    let yes = flow.call_as(&token, "POST", &approvals, Some(&json!({ "app": "shop-staging" }))).await;
    assert_eq!(yes.status, 201, "{}", yes.text());
    let gates = eventually("time on staging", async || {
        let answer = promote(&flow, &id, None).await;
        if answer.status == 201 {
            return Some(passed(&flow, &answer).await);
        }
        shut(&answer, &["[soak]"]);
        None
    });
    let gates = gates.await;
    assert_eq!(gates[0], "approvals: shop-staging v3 approved by bob@example.org");
    // Another release is another question.
    flow.known_app("shop-staging").push(Source::answering("two")).await.released("v4");
    shut(&promote(&flow, &id, None).await, &["v4 was approved by nobody"]);
}

#[tokio::test]
async fn a_flowline_yml_adds_gates_takes_none_away_and_is_refused_with_line_and_nearest_key() {
    let flow = flow().await;
    let id = line(&flow, Source::answering("one")).await;
    let typo = "stages:\n  production:\n    aprovals: 1\n";
    let staging = flow.known_app("shop-staging");
    staging
        .push(Source::answering("two").with("flowline.yml", typo))
        .await
        .declined("flowline.yml, line 3: `aprovals` is no key here; did you mean `approvals`?");
    gates(&flow, &id, "production", json!({ "required_checks": ["ci"] })).await;
    let lenient = "stages:\n  production:\n    required_checks: []\n    approvals: 2\n    promote: auto\n";
    staging.push(Source::answering("two").with("flowline.yml", lenient)).await.released("v4");
    shut(&promote(&flow, &id, None).await, &["[required_checks]", "[approvals]", "needs 2 more people"]);
}

#[tokio::test]
async fn a_freeze_window_refuses_with_its_end_and_what_is_wrong_in_one_is_said() {
    let flow = flow().await;
    let id = line(&flow, Source::answering("one")).await;
    let path = format!("/pipelines/{id}/stage/production/gates");
    let window = json!({ "freeze": [{ "from": "2000-01-01T00:00", "to": "2999-01-01T00:00", "reason": "holidays" }] });
    let set = gates(&flow, &id, "production", window).await;
    assert_eq!(set["freeze"][0]["time_zone"], "UTC");
    shut(&promote(&flow, &id, None).await, &["[freeze]", "frozen until 2999-01-01T00:00:00Z: holidays"]);
    for (bad, why) in [
        (json!({ "freeze": [{ "days": ["someday"] }] }), "`someday` is no day"),
        (json!({ "freeze": [{ "days": ["mon"], "time_zone": "Mars" }] }), "`Mars` is no time zone"),
        (json!({ "aprovals": 1 }), "did you mean `approvals`"),
        (json!({ "approvals": 9 }), "approvals is 0, 1 or 2"),
    ] {
        let answer = flow.call("PATCH", &path, Some(&bad)).await;
        assert!(answer.status == 422 && answer.text().contains(why), "{bad}: {}", answer.text());
    }
    let gone = gates(&flow, &id, "production", json!({ "freeze": null })).await;
    assert_eq!(gone["freeze"], json!([]));
    assert_eq!(promote(&flow, &id, None).await.status, 201);
}

#[tokio::test]
async fn promote_auto_goes_on_as_soon_as_every_gate_is_open_and_once_only() {
    let mut flow = flow().await;
    let id = line(&flow, Source::answering("one")).await;
    gates(&flow, &id, "production", json!({ "promote": "auto", "required_checks": ["ci"] })).await;
    let commit = flow.known_app("shop-staging").read("/builds").await[0]["source_blob"]["version"].clone();
    let body = json!({ "commit": commit, "name": "ci", "state": "success" });
    assert_eq!(flow.post(&format!("/pipelines/{id}/checks"), &body).await.status, 201);
    flow.known_app("shop").served("/", "one").await;
    let promotions = flow.get(&format!("/pipelines/{id}/promotions")).await.json();
    assert_eq!(promotions.as_array().unwrap().len(), 1, "{promotions}");
    // Somebody went back: it stays so, also for the next server.
    let back = flow.known_app("shop").call("POST", "/releases", Some(&json!({ "release": "v2" }))).await;
    assert!(!back.status.is_server_error());
    flow.end_serve(rustix::process::Signal::KILL).await;
    flow.start_serve().await;
    let path = format!("/pipelines/{id}/stage/production/lock");
    assert_eq!(flow.post(&path, &json!({ "reason": "wakes the promoter" })).await.status, 201);
    assert_eq!(flow.call("DELETE", &path, None).await.status, 200);
    flow.known_app("shop-staging").push(Source::answering("two")).await.released("v4");
    let commit = flow.known_app("shop-staging").read("/builds").await[1]["source_blob"]["version"].clone();
    let body = json!({ "commit": commit, "name": "ci", "state": "success" });
    assert_eq!(flow.post(&format!("/pipelines/{id}/checks"), &body).await.status, 201);
    flow.known_app("shop").served("/", "two").await;
    let promotions = flow.get(&format!("/pipelines/{id}/promotions")).await.json();
    assert_eq!(promotions.as_array().unwrap().len(), 2, "{promotions}");
}
