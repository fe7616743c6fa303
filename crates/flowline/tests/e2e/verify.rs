//! Verify: the check of a release on the running server, what it says, and what follows.

use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;
use testkit::{App, Flow, Source, within};

/// Asks the app over the router, as its visitors do.
const ASKS: &str = "curl -fsS -o /dev/null $FLOWLINE_VERIFY_URL/";

fn verified_by(text: &str, command: &str) -> Source {
    Source::answering(text).with("Procfile", &format!("web: python3 server.py\nverify: {command}\n"))
}

/// Waits until a check is over: its output ends when it is decided.
async fn over(app: &App<'_>, number: i64) -> Value {
    let path = format!("/verifications/{number}");
    let url = app.read(&path).await["output_stream_url"].clone();
    assert_eq!(app.flow().read_address(&url).await.status, 200);
    app.read(&path).await
}

/// Waits until the command of a check runs and has printed this.
async fn prints(app: &App<'_>, words: &str) -> String {
    let line = app.log_says(words).await;
    let name = line.split_once("app[").unwrap().1.split_once(']').unwrap().0;
    name.to_owned()
}

async fn policy(app: &App<'_>, policy: &str) {
    let set = app.call("PATCH", "/verify", Some(&json!({ "policy": policy }))).await;
    assert_eq!((set.status.as_u16(), &set.json()["policy"]), (200, &json!(policy)), "{}", set.text());
}

/// `status` of every dyno of this type.
async fn dynos_of(app: &App<'_>, process_type: &str) -> usize {
    let dynos = app.read("/dynos").await;
    dynos.as_array().unwrap().iter().filter(|dyno| dyno["type"] == process_type).count()
}

#[tokio::test]
async fn verify_a_release_that_passes_on_the_running_server_gets_its_green_light() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.config(json!({ "COLOUR": "red" })).await;
    let tells = "echo $FLOWLINE_VERIFY_URL $FLOWLINE_RELEASE_VERSION $FLOWLINE_STAGE $FLOWLINE_APP $COLOUR; \
                 echo commit=$FLOWLINE_COMMIT; cat answer.txt; echo; curl -fsS $FLOWLINE_VERIFY_URL/env/COLOUR; echo";
    let push = app.push(verified_by("one", tells)).await.released("v4");
    let url = format!("http://shop.localhost:{} v4 production shop red", flow.apps.port());
    let commit = format!("commit={}", push.commit);
    let push = push.says("Verifying deploy... done.").says("Running verify command...").says(&url).says(&commit);
    push.says("Waiting for green light.... green.").says("1 request reached the app");
    let check = app.read("/verifications/1").await;
    assert_eq!((&check["status"], &check["requests"]), (&json!("green"), &json!(1)), "{check}");
    assert_eq!((&check["release"]["version"], &check["policy"]), (&json!(4), &json!("alarm")));
    app.log_says("Verify of v4: green: it passed").await;
    let printed = flow.read_address(&check["output_stream_url"]).await.text();
    assert!(printed.contains("one\nred\n"), "{printed}");
    // The type is there and is never scaled.
    let scaled = app.call("PATCH", "/formation/verify", Some(&json!({ "quantity": 1 }))).await;
    assert_eq!(scaled.status, 422, "{}", scaled.text());
    // What changes what runs is checked again.
    app.config(json!({ "COLOUR": "blue" })).await;
    assert_eq!((&over(&app, 2).await["status"], dynos_of(&app, "verify").await), (&json!("green"), 0));
}

#[tokio::test]
async fn verify_that_passes_without_testing_anything_is_a_warning_and_no_green_light() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let push = app.push(verified_by("one", "echo all is well")).await.released("v3");
    push.says("Waiting for green light.... untested.").says("no request reached the app");
    let check = app.read("/verifications/1").await;
    assert_eq!((&check["status"], &check["requests"]), (&json!("untested"), &json!(0)), "{check}");
}

#[tokio::test]
async fn verify_that_fails_raises_the_alarm_and_the_release_stays() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let failing = format!("{ASKS} && echo price is wrong && exit 3");
    let push = app.push(verified_by("one", &failing)).await.released("v3").says("price is wrong");
    push.says("Waiting for green light.... red.").says("v3 has no green light: the command exited with status 3.");
    assert_eq!(app.get("/").await.text(), "one");
    assert_eq!((app.current_version().await, app.read("/verifications/1").await["status"].clone()), (3, json!("red")));
    app.log_says("Verify of v3: red: the command exited with status 3").await;
    let events = app.read("/webhook-events").await.to_string();
    assert!(events.contains("api:verification"), "{events}");
    // Its app says so itself: nothing is promoted without a green light.
    let listed = String::from_utf8(flow.cli(&["verify", "-a", "shop"]).await.stdout).unwrap();
    assert!(listed.contains("red") && listed.contains("status 3"), "{listed}");
}

#[tokio::test]
async fn verify_policy_rollback_goes_back_to_the_last_green_release_at_once_and_never_takes_turns() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    policy(&app, "rollback").await;
    // Nothing was green before: it stays, and says so.
    let red = format!("{ASKS}; false");
    let push = app.push(verified_by("zero", &red)).await.released("v3");
    push.says("There is no release with a green light to go back to");
    app.config(json!({ "COLOUR": "red" })).await;
    over(&app, 2).await;
    // It asks what makes later ones red: the second time it is red itself.
    let once = format!("{ASKS} && test \"$(curl -fsS $FLOWLINE_VERIFY_URL/env/FRAGILE)\" != yes && ! test -e broken");
    app.push(verified_by("one", &once)).await.released("v5").says("green light.... green.");
    let push = app.push(verified_by("two", &once).with("broken", "")).await.released("v6");
    push.says("green light.... red.").says("Rollback to v5: verify of v6 was red: v7 is live.");
    app.served("/", "one").await;
    let check = app.read("/verifications/4").await;
    assert_eq!((&check["rolled_back_by"], &check["policy"]), (&json!(7), &json!("rollback")), "{check}");
    app.log_says("Verify of v6 was red: rolled back to v5, the last release with a green light").await;
    assert_eq!(over(&app, 5).await["status"], "green", "the way back is checked like any release");
    assert_eq!(app.read("/releases/7").await["description"], "Rollback to v5: verify of v6 was red");
    assert_eq!(app.current_version().await, 7);
}

#[tokio::test]
async fn verify_a_way_back_that_is_red_itself_is_told_and_left() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    policy(&app, "rollback").await;
    // Green once, red from then on.
    let fickle = "curl -fsS $FLOWLINE_VERIFY_URL/ && test $FLOWLINE_RELEASE_VERSION = v3";
    app.push(verified_by("one", fickle)).await.released("v3").says("green light.... green.");
    app.push(verified_by("two", fickle)).await.released("v4").says("v5 is live");
    assert_eq!(over(&app, 3).await["status"], "red");
    app.log_says("Verify of v5: red").await;
    let releases = app.read("/releases").await;
    assert_eq!(releases.as_array().unwrap().len(), 5, "no third way back: {releases}");
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn verify_that_never_ends_is_ended_at_its_limit() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let set = app.call("PATCH", "/verify", Some(&json!({ "timeout": 1 }))).await;
    assert_eq!(set.json()["timeout"], 1, "{}", set.text());
    let push = app.push(verified_by("one", &format!("{ASKS}; tail -f /dev/null"))).await.released("v3");
    push.says("ran longer than 1 seconds").says("green light.... red.");
    for bad in [json!({ "timeout": 0 }), json!({ "timeout": 999_999 }), json!({ "policy": "rollbak" })] {
        let answer = app.call("PATCH", "/verify", Some(&bad)).await;
        assert_eq!(answer.status, 422, "{bad}: {}", answer.text());
    }
    let back = app.call("PATCH", "/verify", Some(&json!({ "timeout": null }))).await.json();
    assert_eq!((&back["timeout"], &back["own"]["timeout"]), (&json!(600), &Value::Null));
}

#[tokio::test]
async fn verify_is_stopped_by_hand_and_run_again_on_request() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let none = app.call("POST", "/verifications", Some(&json!({}))).await;
    assert_eq!(none.status, 422, "{}", none.text());
    assert!(none.text().contains("declares no verify"));
    let waits = format!("{ASKS}; echo it waits; test -n \"$QUICK\" || tail -f /dev/null");
    app.commit(verified_by("two", &waits)).await;
    let push = app.git_command(&["push", &app.git_url(), "HEAD:refs/heads/main"]).spawn().unwrap();
    let name = prints(&app, "]: it waits").await;
    assert!(name.starts_with("verify."), "{name}");
    let busy = app.call("POST", "/verifications", Some(&json!({}))).await;
    assert_eq!(busy.status, 409, "{}", busy.text());
    let stop = app.call("POST", &format!("/dynos/{name}/actions/stop"), Some(&json!({}))).await;
    assert_eq!(stop.status, 202, "{}", stop.text());
    assert_eq!(over(&app, 1).await["status"], "cancelled");
    assert!(within("the push", push.wait_with_output()).await.unwrap().status.success());
    // Again, stopped by its number this time.
    assert_eq!(app.call("POST", "/verifications", Some(&json!({}))).await.status, 201);
    let stop = app.call("POST", "/verifications/2/actions/stop", Some(&json!({}))).await;
    assert_eq!((stop.status.as_u16(), &stop.json()["status"]), (200, &json!("cancelled")), "{}", stop.text());
    let again = app.call("POST", "/verifications/2/actions/stop", Some(&json!({}))).await;
    assert_eq!(again.status, 409, "{}", again.text());
    over(&app, 2).await;
    assert_eq!(dynos_of(&app, "verify").await, 0);
    app.config(json!({ "QUICK": "yes" })).await;
    assert_eq!(over(&app, 3).await["status"], "green");
    let run = flow.cli(&["verify:run", "-a", "shop"]).await;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success() && said.contains("v5 is green"), "{said}{}", String::from_utf8_lossy(&run.stderr));
}

#[tokio::test]
async fn verify_of_a_release_that_another_one_overtakes_is_cancelled() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let waits = format!("{ASKS}; test -n \"$QUICK\" && exit; echo it waits; tail -f /dev/null");
    app.commit(verified_by("one", &waits)).await;
    let push = app.git_command(&["push", &app.git_url(), "HEAD:refs/heads/main"]).spawn().unwrap();
    prints(&app, "]: it waits").await;
    app.config(json!({ "QUICK": "yes" })).await;
    let first = over(&app, 1).await;
    assert_eq!((&first["status"], &first["message"]), (&json!("cancelled"), &json!("v4 took over")));
    assert_eq!(over(&app, 2).await["status"], "green");
    assert!(within("the push", push.wait_with_output()).await.unwrap().status.success());
}

#[tokio::test]
async fn verify_of_a_release_that_never_comes_to_live_is_red() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    policy(&app, "rollback").await;
    app.push(verified_by("one", ASKS)).await.released("v3").says("green light.... green.");
    let crashing = Source::answering("two").with("Procfile", &format!("web: exit 7\nverify: {ASKS}\n"));
    let push = app.push(crashing).await.released("v4").says("Verifying deploy... failed.");
    push.says("did not come to live").says("Rollback to v3: verify of v4 was red: v5 is live.");
    assert_eq!(over(&app, 3).await["status"], "green");
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn verify_the_stages_own_check_and_settings_come_from_app_json() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let about = json!({ "environments": { "production": {
        "env": { "GREETING": "from app.json", "COLOUR": { "value": "green" } },
        "scripts": { "verify": format!("echo $GREETING $COLOUR; {ASKS}") },
    }, "staging": { "env": { "GREETING": "elsewhere" } } } });
    app.config(json!({ "COLOUR": "red" })).await;
    let source = verified_by("one", "echo of the Procfile; false").with("app.json", &about.to_string());
    app.push(source).await.released("v4").says("from app.json green").says("green light.... green.");
    assert_eq!(app.get("/env/GREETING").await.text(), "", "the running app has the release's own config");
    let wrong =
        verified_by("two", ASKS).with("app.json", r#"{"environments":{"production":{"scripts":{"verify":[]}}}}"#);
    app.push(wrong).await.declined("environments.production.scripts.verify");
}

#[tokio::test]
async fn verify_reports_and_screenshots_are_kept_within_limits_and_shown() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let script = "set -e\ncurl -fsS $FLOWLINE_VERIFY_URL/ > /dev/null\nmkdir -p $FLOWLINE_REPORTS/shots\n\
        echo '<testsuite><testcase classname=\"cart\" name=\"adds\"/><testcase name=\"pays\"><failure/></testcase></testsuite>' > $FLOWLINE_REPORTS/junit.xml\n\
        printf 'ok 1 - opens\\nok 2 - closes # SKIP later\\n' > $FLOWLINE_REPORTS/smoke.tap\n\
        echo picture > $FLOWLINE_REPORTS/shots/home.png\nln -s /etc/passwd $FLOWLINE_REPORTS/link\n\
        truncate -s 11M $FLOWLINE_REPORTS/huge.bin\nexit 1\n";
    let source = verified_by("one", "bash check.sh").with("check.sh", script);
    let push = app.push(source).await.released("v3").says("junit.xml: 2 tests, 1 failed, 0 skipped");
    push.says("smoke.tap: 2 tests, 0 failed, 1 skipped").says("Not kept of the reports: huge.bin");
    let left = app.read("/verifications/1/artifacts").await;
    let names: Vec<&str> = left.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["junit.xml", "shots/home.png", "smoke.tap"], "{left}");
    assert_eq!((&left[0]["tests"]["failed_names"], &left[1]["kind"]), (&json!(["pays"]), &json!("screenshot")));
    let picture = flow.read_address(&left[1]["url"]).await;
    assert_eq!((picture.text().as_str(), picture.header("content-disposition")), ("picture\n", "attachment"));
    let folder = flow.dir().join("saved");
    let saved = flow.cli(&["verify:artifacts", "1", "-a", "shop", "--save", folder.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&saved.stdout).into_owned();
    assert!(said.contains("2 tests, 1 failed, 0 skipped") && said.contains("failed: pays"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.join("shots/home.png")).unwrap(), "picture\n");
    assert!(!Path::new(&folder.join("link")).exists());
    let shown = String::from_utf8(flow.cli(&["verify:info", "-a", "shop"]).await.stdout).unwrap();
    assert!(shown.contains("bash check.sh") && shown.contains("red"), "{shown}");
    let printed = String::from_utf8(flow.cli(&["verify:output", "1", "-a", "shop"]).await.stdout).unwrap();
    assert!(printed.contains("Not kept of the reports: link"), "{printed}");
}

/// A check that asks, says so, and does not end.
async fn waiting(flow: &Flow) {
    let app = flow.app("shop").await;
    let waits = format!("{ASKS} && echo it waits && tail -f /dev/null");
    app.commit(verified_by("one", &waits)).await;
    // The push ends with the server that it talks to.
    let mut push = app.git_command(&["push", &app.git_url(), "HEAD:refs/heads/main"]).spawn().unwrap();
    prints(&app, "]: it waits").await;
    push.kill().await.unwrap();
}

#[tokio::test]
async fn verify_goes_on_when_the_server_is_killed_meanwhile() {
    let mut flow = flow().await;
    waiting(&flow).await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(app.read("/verifications/1").await["status"], "running");
    assert_eq!(dynos_of(&app, "verify").await, 1);
    let stop = app.call("POST", "/verifications/1/actions/stop", Some(&json!({}))).await;
    assert_eq!(stop.status, 200, "{}", stop.text());
    assert_eq!(over(&app, 1).await["status"], "cancelled");
    assert_eq!(dynos_of(&app, "verify").await, 0);
}

#[tokio::test]
async fn verify_that_ends_while_the_server_is_away_is_decided_when_it_is_back() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    policy(&app, "rollback").await;
    app.push(verified_by("one", ASKS)).await.released("v3").says("green light.... green.");
    // Long enough that the server is killed first; it ends by itself.
    let ends = format!("{ASKS} && echo it waits && read -t 2 < <(tail -f /dev/null); exit 9");
    app.commit(verified_by("two", &ends)).await;
    let mut push = app.git_command(&["push", &app.git_url(), "HEAD:refs/heads/main"]).spawn().unwrap();
    prints(&app, "]: it waits").await;
    push.kill().await.unwrap();
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    let check = over(&app, 2).await;
    assert_eq!((&check["status"], &check["rolled_back_by"]), (&json!("red"), &json!(5)), "{check}");
    assert!(check["requests"].as_u64().unwrap() >= 1, "counted from its beginning: {check}");
    app.served("/", "one").await;
    assert_eq!(over(&app, 3).await["status"], "green");
}

#[tokio::test]
async fn verify_of_an_app_that_is_destroyed_meanwhile_ends() {
    let flow = flow().await;
    waiting(&flow).await;
    assert_eq!(flow.delete("/apps/shop").await.status, 200);
    testkit::until("the end of its files", async || flow.files("reports").len() + flow.files("scratch").len() == 0)
        .await;
    assert_eq!(flow.get("/apps/shop").await.status, 404);
}

#[tokio::test]
async fn verify_policy_and_limit_are_said_by_the_app_or_by_its_stage_in_the_pipeline() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = flow.post("/pipelines", &json!({ "name": "line" })).await.json()["id"].as_str().unwrap().to_owned();
    let coupling = json!({ "app": "shop", "pipeline": pipeline, "stage": "staging" });
    assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    let path = format!("/pipelines/{pipeline}/stage/staging/verify");
    let set = flow.patch(&path, &json!({ "policy": "hold", "timeout": 60 })).await;
    assert_eq!(set.json(), json!({ "policy": "hold", "timeout": 60 }), "{}", set.text());
    let terms = app.read("/verify").await;
    assert_eq!((&terms["stage"], &terms["policy"], &terms["timeout"]), (&json!("staging"), &json!("hold"), &json!(60)));
    policy(&app, "rollback").await;
    let terms = app.read("/verify").await;
    assert_eq!((&terms["policy"], &terms["timeout"]), (&json!("rollback"), &json!(60)), "its own word goes first");
    let about = json!({ "environments": { "staging": { "scripts": { "verify": format!("echo on $FLOWLINE_STAGE; {ASKS}") } } } });
    let source = Source::answering("one").with("app.json", &about.to_string());
    app.push(source).await.released("v3").says("on staging").says("green light.... green.");
    let wrong = flow.patch(&format!("/pipelines/{pipeline}/stage/stagign/verify"), &json!({ "policy": "hold" })).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    let words = ["verify:set", "--pipeline", &pipeline, "--stage", "staging", "--policy", "alarm"];
    let said = flow.cli(&words).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(flow.get(&path).await.json()["policy"], "alarm");
}

#[tokio::test]
async fn verify_policy_hold_lets_nothing_be_promoted_without_a_green_light() {
    let flow = flow().await;
    let (staging, production) = (flow.app("shop-staging").await, flow.app("shop").await);
    let pipeline = flow.post("/pipelines", &json!({ "name": "line" })).await.json()["id"].as_str().unwrap().to_owned();
    for (app, stage) in [("shop-staging", "staging"), ("shop", "production")] {
        let coupling = json!({ "app": app, "pipeline": pipeline, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    let path = format!("/pipelines/{pipeline}/stage/staging/verify");
    assert_eq!(flow.patch(&path, &json!({ "policy": "hold" })).await.status, 200);
    let promotion = json!({
        "pipeline": { "id": pipeline }, "source": { "app": { "id": "shop-staging" } }, "targets": [{ "app": { "id": "shop" } }],
    });
    let held = async |why: &str| {
        let answer = flow.post("/pipeline-promotions", &promotion).await;
        assert_eq!((answer.status.as_u16(), answer.text().contains(why)), (422, true), "{why}: {}", answer.text());
    };
    staging.push(Source::answering("one")).await.released("v3");
    held("v3 has no green light: nothing verified it").await;
    staging.push(verified_by("two", "false")).await.released("v4");
    held("its verify is red: the command exited with status 1").await;
    staging.push(verified_by("three", ASKS)).await.released("v5").says("green light.... green.");
    let answer = flow.post("/pipeline-promotions", &promotion).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    production.served("/", "three").await;
    production.log_says("Verify of v3: green").await;
}
