//! `kill -9` of serve in each step of a promotion: it goes on, or ends with a reason, and never disagrees with the ledger.

use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Flow, Source, within};

/// Where the server is killed.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many milliseconds after it was sent, answered or not.
    Asking(u64),
    /// As soon as the promotion is acknowledged.
    Asked,
    /// When the first target is settled: others' release commands run.
    Settled,
    /// When all are.
    Completed,
    /// So many milliseconds after it was asked for.
    After(u64),
}

const APPS: [&str; 4] = ["shop-staging", "quick", "slow", "broken"];

/// Its release command does what the app's config says: nothing more, wait a little, fail.
const PROCFILE: &str = "web: python3 server.py\nrelease: echo begun; sleep ${WAIT:-0}; exit ${CODE:-0}\n";

async fn open(flow: &Flow) -> String {
    let id = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].as_str().unwrap().to_owned();
    for app in APPS {
        flow.app(app).await;
        let stage = if app == "shop-staging" { "staging" } else { "production" };
        let coupling = json!({ "app": app, "pipeline": id, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    flow.known_app("slow").config(json!({ "WAIT": "1" })).await;
    flow.known_app("broken").config(json!({ "CODE": "3" })).await;
    flow.known_app("shop-staging").push(Source::answering("one").with("Procfile", PROCFILE)).await.released("v3");
    id
}

/// Waits until the step is reached; one that is over already is reached too.
async fn reach(flow: &Flow, promotion: &Value, step: Step) {
    let mut events = flow.follow(&promotion["event_stream_url"], "text/plain").await;
    let wanted = match step {
        Step::Asking(_) | Step::Asked => 0,
        Step::After(millis) => {
            // However far it has come by then: that is the point.
            return tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        Step::Settled => 1,
        Step::Completed => APPS.len() - 1,
    };
    let reached = async {
        let mut settled = 0;
        while settled < wanted {
            let now: Value = serde_json::from_str(&events.line().await.unwrap()).unwrap();
            settled = now["targets"].as_array().unwrap().iter().filter(|one| one["status"] != "pending").count();
        }
    };
    within(&format!("{step:?}"), reached).await;
}

/// Every target is settled, and the ledger tells the same of it; how each ended, in the order that was asked for.
async fn agree(flow: &Flow, promotion: &Value, what: &str) -> Vec<String> {
    let told = flow.read_address(&promotion["event_stream_url"]).await.text();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(last["status"], "completed", "{what}: {told}");
    let mut ends = Vec::new();
    for target in last["targets"].as_array().unwrap() {
        let app = target["app"]["id"].as_str().unwrap();
        let (status, why) = (target["status"].as_str().unwrap(), &target["error_message"]);
        match target["release"]["id"].as_str() {
            Some(release) => {
                let release = flow.get(&format!("/apps/{app}/releases/{release}")).await.json();
                assert_eq!(release["status"], status, "{what}: {target} {release}");
                assert_eq!(status == "failed", why.is_string(), "{what}: {target}");
            }
            None => assert!(status == "failed" && why.is_string(), "{what}: {target}"),
        }
        ends.push(status.to_owned());
    }
    ends
}

/// Asks for a promotion, and kills the server in the given step; all promotions that there are then.
async fn killed(flow: &mut Flow, pipeline: &str, wanted: &Value, step: Step) -> Vec<Value> {
    if let Step::Asking(millis) = step {
        let kill = async {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            flow.replace_serve(None).await
        };
        let asked = flow.attempt("POST", "/pipeline-promotions", Some(wanted));
        // Whether it was answered is the point of it.
        let (_answer, _took) = tokio::join!(asked, kill);
    } else {
        let answer = flow.post("/pipeline-promotions", wanted).await;
        assert_eq!(answer.status, 201, "{step:?}: {}", answer.text());
        reach(flow, &answer.json(), step).await;
        flow.end_serve(Signal::KILL).await;
        flow.start_serve().await;
    }
    let all = flow.get(&format!("/pipelines/{pipeline}/promotions")).await.json();
    all.as_array().unwrap().clone()
}

#[tokio::test]
async fn pipe_34_a_killed_server_goes_on_with_a_promotion_in_each_of_its_steps() {
    let mut flow = flow().await;
    let id = open(&flow).await;
    // The moments are those of a fixed series, so that a failure comes again.
    let mut dice: u64 = 0x5eed_0006;
    let mut throw = |most: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % most
    };
    let mut steps = vec![Step::Asked, Step::Settled, Step::Completed];
    steps.extend((0..5).map(|_| Step::Asking(throw(60))));
    steps.extend((0..4).map(|_| Step::After(throw(900))));
    let to: Vec<Value> = APPS[1..].iter().map(|app| json!({ "app": { "id": app } })).collect();
    let wanted = json!({ "pipeline": { "id": id }, "source": { "app": { "id": "shop-staging" } }, "targets": to });
    for step in steps {
        let promotions = killed(&mut flow, &id, &wanted, step).await;
        for promotion in &promotions {
            agree(&flow, promotion, &format!("{step:?}")).await;
        }
        for app in &APPS[1..] {
            let releases = flow.known_app(app).read("/releases").await;
            let promoted = |one: &&Value| one["description"].as_str().unwrap().starts_with("Promote ");
            let count = releases.as_array().unwrap().iter().filter(promoted).count();
            assert_eq!(count, promotions.len(), "{step:?}: one release of {app} for each promotion");
        }
    }
    // What was passed is live; what failed is not, and nothing is left open.
    let last = flow.post("/pipeline-promotions", &wanted).await;
    assert_eq!(last.status, 201, "{}", last.text());
    assert_eq!(agree(&flow, &last.json(), "the last one").await, ["succeeded", "succeeded", "failed"]);
    for app in ["quick", "slow"] {
        flow.known_app(app).served("/", "one").await;
    }
}
