//! The figures of the ledger against the test's own record: what was deployed, how long it took, what failed, when it was mended.

use crate::flow;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use testkit::{App, Source, eventually, within};

/// What the test knows of one deployment: bounds of its lead time, in milliseconds.
struct Known {
    version: i64,
    least_ms: u64,
    most_ms: u64,
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap()
}

/// Commits with this subject, as if so long ago; the commit's time, to the second.
#[allow(clippy::disallowed_methods, reason = "git's clock is the machine's")]
async fn commit(app: &App<'_>, source: Source, subject: &str, ago_s: u64) -> SystemTime {
    app.commit(source).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let at = now - ago_s;
    let mut amend = app.git_command(&["commit", "-q", "--amend", "--allow-empty", "-m", subject]);
    amend.env("GIT_COMMITTER_DATE", format!("@{at} +0000"));
    assert!(amend.output().await.unwrap().status.success());
    SystemTime::UNIX_EPOCH + Duration::from_secs(at)
}

/// The deployments of an app, once there are so many.
async fn deployments(app: &App<'_>, count: usize) -> Vec<Value> {
    let there = async || {
        let all = app.read("/deployments").await.as_array().unwrap().clone();
        (all.len() >= count).then_some(all)
    };
    eventually("the deployment", there).await
}

/// Pushes and sees it live.
async fn deploy(app: &App<'_>, source: Source, subject: &str, ago_s: u64, version: i64) -> Known {
    let before = app.read("/deployments").await.as_array().unwrap().len();
    let committed = commit(app, source, subject, ago_s).await;
    let least_ms = ms(committed.elapsed().unwrap());
    app.push_head("main").await.released(&format!("v{version}"));
    let all = deployments(app, before + 1).await;
    assert_eq!(all.last().unwrap()["release"]["version"], version);
    Known { version, least_ms, most_ms: ms(committed.elapsed().unwrap()) }
}

/// By nearest rank.
fn half(mut of: Vec<u64>) -> u64 {
    of.sort_unstable();
    of[of.len().div_ceil(2) - 1]
}

#[tokio::test]
async fn the_figures_tell_what_the_test_knows() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let empty = app.read("/deployments/metrics").await;
    assert_eq!((&empty["deployments"], &empty["change_failure_rate"]), (&json!(0), &Value::Null));
    let mut known = vec![deploy(&app, Source::answering("1"), "Basket", 3600, 3).await];
    let bad = Source::answering("2").with("app.json", "{");
    app.push(bad).await.declined("app.json");
    known.push(deploy(&app, Source::answering("3"), "Payment", 600, 4).await);
    let back = app.call("POST", "/releases", Some(&json!({ "release": "3" }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    app.config(json!({ "KEY": "value" })).await;
    known.push(deploy(&app, Source::answering("4"), "Search", 60, 7).await);
    let phase = "web: python3 server.py\nrelease: sleep 0.2\n";
    let mending = Source::answering("5").with("Procfile", phase);
    known.push(deploy(&app, mending, "Hotfix: search", 5, 8).await);
    app.push(Source::answering("6").with("Procfile", "web: python3 server.py\nrelease: exit 1\n"))
        .await
        .release_failed();

    let all = deployments(&app, 4).await;
    for (one, known) in all.iter().zip(&known) {
        let lead = one["lead_ms"].as_u64().unwrap();
        assert_eq!(one["release"]["version"], known.version);
        assert!((known.least_ms..=known.most_ms).contains(&lead), "{lead}: {} to {}", known.least_ms, known.most_ms);
        let steps = one["steps"].as_array().unwrap();
        let of = |step: &Value| step["wait_ms"].as_u64().unwrap() + step["work_ms"].as_u64().unwrap();
        let sum: u64 = steps.iter().map(of).sum();
        assert!(lead.abs_diff(sum) <= 10, "the steps are the lead time but for cut milliseconds: {lead} {steps:?}");
        let words: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(words, ["push", "build", "promote", "release", "start"]);
    }
    let took = |step: usize, what: &str| all[3]["steps"][step][what].as_u64().unwrap();
    assert!(took(3, "work_ms") >= 200, "its release command: {}", all[3]);
    assert!(took(0, "wait_ms") >= 5000, "it was pushed five seconds after the commit: {}", all[3]);
    let failures: Vec<&Value> = all.iter().map(|one| &one["failure"]).collect();
    assert_eq!(failures, [&Value::Null, &json!("rollback"), &json!("hotfix"), &Value::Null]);

    let figures = app.read("/deployments/metrics").await;
    assert_eq!((&figures["deployments"], &figures["failures"]), (&json!(4), &json!(2)));
    assert_eq!(figures["failures_by_reason"], json!({ "verify": 0, "rollback": 1, "hotfix": 1 }));
    assert_eq!((&figures["change_failure_rate"], &figures["unrestored"]), (&json!(0.5), &json!(0)));
    let p50 = figures["lead_time"]["p50_ms"].as_u64().unwrap();
    let (least, most) = (known.iter().map(|one| one.least_ms), known.iter().map(|one| one.most_ms));
    assert!((half(least.collect())..=half(most.collect())).contains(&p50), "{p50}");
    let restored: Vec<u64> = all.iter().filter_map(|one| one["restored_ms"].as_u64()).collect();
    assert_eq!(figures["time_to_restore"]["max_ms"], json!(restored.iter().max().unwrap()));
    assert_eq!(figures["time_to_restore"]["count"], 2);

    let strict = app.read("/deployments/metrics?hotfix_within_s=0").await;
    assert_eq!(strict["failures_by_reason"], json!({ "verify": 0, "rollback": 1, "hotfix": 0 }));
    let past = app.read("/deployments/metrics?from=2020-01-01&to=2020-03-01&every=week").await;
    assert_eq!((past["parts"].as_array().unwrap().len(), &past["deployments"]), (9, &json!(0)));
    by_command_line(&app, &figures).await;
}

async fn by_command_line(app: &App<'_>, figures: &Value) {
    let flow = app.flow();
    let said = flow.cli(&["pipelines:metrics", "-a", "shop", "--every", "week"]).await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for words in ["4 (", "50 % (2 of 4: 1 hotfix, 1 rollback)", "Time to restore", "start", "From"] {
        assert!(said.contains(words), "`{words}` is not in:\n{said}");
    }
    let csv = flow.cli(&["pipelines:metrics", "-a", "shop", "--csv"]).await;
    let csv = String::from_utf8_lossy(&csv.stdout).into_owned();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines.len(), lines[0].len()), (2, lines[1].len()), "{csv}");
    let cell = |name: &str| lines[1][lines[0].iter().position(|head| *head == name).unwrap()];
    assert_eq!((cell("deployments"), cell("failed_hotfix"), cell("change_failure_rate")), ("4", "1", "0.5000"));
    assert_eq!(cell("lead_p50_ms"), figures["lead_time"]["p50_ms"].to_string());
}

#[tokio::test]
async fn a_promotion_counts_for_its_pipeline_with_its_way_through_staging() {
    let flow = flow().await;
    let (staging, live) = (flow.app("shop-staging").await, flow.app("shop").await);
    let pipeline = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].take();
    for (app, stage) in [("shop-staging", "staging"), ("shop", "production")] {
        let coupling = json!({ "app": app, "pipeline": pipeline, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    let committed = commit(&staging, Source::answering("1"), "Basket", 60).await;
    let least = ms(committed.elapsed().unwrap());
    staging.push_head("main").await.released("v3");
    let path = format!("/pipelines/{}/deployments", pipeline.as_str().unwrap());
    assert_eq!(flow.get(&path).await.json(), json!([]), "staging is not production");
    let asked = ms(committed.elapsed().unwrap());
    let apps = json!([{ "app": { "id": live.read("").await["id"] } }]);
    let wish = json!({ "pipeline": { "id": pipeline }, "source": { "app": { "id": staging.read("").await["id"] } }, "targets": apps });
    let promoted = flow.post("/pipeline-promotions", &wish).await;
    assert_eq!(promoted.status, 201, "{}", promoted.text());
    let one = deployments(&live, 1).await.remove(0);
    let most = ms(committed.elapsed().unwrap());
    assert_eq!(flow.get(&path).await.json(), json!([one]));
    assert_eq!((&one["cause"], &one["release"]["version"]), (&json!("promotion"), &json!(3)));
    let lead = one["lead_ms"].as_u64().unwrap();
    assert!((asked..=most).contains(&lead), "{asked} <= {lead} <= {most}");
    let wait = |step: usize| one["steps"][step]["wait_ms"].as_u64().unwrap();
    assert!((least..=asked).contains(&wait(0)), "from commit to push: {one}");
    assert!(wait(2) > 0 && wait(2) <= most - least, "on staging until somebody promoted it: {one}");
    let figures = flow.get(&format!("{path}/metrics")).await.json();
    assert_eq!((&figures["deployments"], &figures["lead_time"]["max_ms"]), (&json!(1), &one["lead_ms"]));
    let said = flow.cli(&["pipelines:metrics", "shop", "--json"]).await;
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["lead_time"], figures["lead_time"]);
}

/// A step of a deployment: how long it waited and worked, in milliseconds.
fn took(one: &Value, word: &str) -> (u64, u64) {
    let step = one["steps"].as_array().unwrap().iter().find(|step| step["step"] == word);
    let step = step.unwrap_or_else(|| panic!("no step {word}: {one}"));
    (step["wait_ms"].as_u64().unwrap(), step["work_ms"].as_u64().unwrap())
}

fn steps(one: &Value) -> Vec<&str> {
    one["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn tests_before_the_build_are_a_step_of_their_own_and_stay_one_without_their_pipeline() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].as_str().unwrap().to_owned();
    let coupling = json!({ "app": "shop", "pipeline": pipeline, "stage": "production" });
    let coupled = flow.post("/pipeline-couplings", &coupling).await;
    assert_eq!(coupled.status, 201, "{}", coupled.text());
    let gate = flow.patch(&format!("/pipelines/{pipeline}/test-gate"), &json!({ "enabled": true })).await;
    assert_eq!(gate.status, 200, "{}", gate.text());
    let app_json = json!({ "environments": { "test": { "scripts": { "test": "sleep 2" } } } }).to_string();
    let source = |text: &str| Source::answering(text).with("app.json", &app_json);
    let tested = deploy(&app, source("1"), "Basket", 60, 3).await;
    let all = deployments(&app, 1).await;
    assert_eq!(steps(&all[0]), ["push", "test", "build", "promote", "release", "start"]);
    let lead = all[0]["lead_ms"].as_u64().unwrap();
    let sum: u64 = steps(&all[0]).iter().map(|word| took(&all[0], word)).map(|(wait, work)| wait + work).sum();
    assert!((tested.least_ms..=tested.most_ms).contains(&lead) && lead.abs_diff(sum) <= 12, "{lead}: {}", all[0]);
    let ((push, _), (waited, worked)) = (took(&all[0], "push"), took(&all[0], "test"));
    assert!(push >= tested.least_ms && push + 2000 <= tested.most_ms, "the tests are not in the push: {}", all[0]);
    assert!(worked >= 2000 && push + waited + worked <= tested.most_ms, "{}", all[0]);

    // Whoever passes the gate has no tests that could take time.
    commit(&app, source("2"), "Payment", 60).await;
    let (head, url) = ("HEAD:refs/heads/main", app.git_url());
    let push = app.git_command(&["push", "-o", "flowline.override=in a hurry", &url, head]).output();
    let pushed = within("git", push).await.unwrap();
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let all = deployments(&app, 2).await;
    assert_eq!(steps(&all[1]), ["push", "build", "promote", "release", "start"]);
    let figures = flow.get(&format!("/pipelines/{pipeline}/deployments/metrics")).await.json();
    let of_tests = figures["steps"].as_array().unwrap().iter().find(|step| step["step"] == "test").unwrap();
    assert_eq!((&of_tests["work"]["count"], &of_tests["work"]["max_ms"]), (&json!(1), &json!(worked)), "{figures}");
    let said = flow.cli(&["pipelines:metrics", "shop"]).await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.lines().any(|line| line.starts_with("test ")), "{said}");
    let csv = flow.cli(&["pipelines:metrics", "shop", "--csv"]).await;
    let csv = String::from_utf8_lossy(&csv.stdout).into_owned();
    let cell = |name: &str| {
        let at = csv.lines().next().unwrap().split(',').position(|head| head == name).unwrap();
        csv.lines().nth(1).unwrap().split(',').nth(at).unwrap().to_owned()
    };
    assert_eq!((cell("test_wait_p50_ms"), cell("test_work_p50_ms")), (waited.to_string(), worked.to_string()));

    // Its runs go with a pipeline; what the ledger tells of the past stays.
    let coupling = coupled.json()["id"].as_str().unwrap().to_owned();
    for path in [format!("/pipeline-couplings/{coupling}"), format!("/pipelines/{pipeline}")] {
        let gone = flow.delete(&path).await;
        assert_eq!(gone.status, 200, "{}", gone.text());
    }
    assert_eq!(deployments(&app, 2).await, all);
}

#[tokio::test]
async fn periods_that_cannot_be_are_refused() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for (query, words) in [
        ("from=yesterday", "from must be a day"),
        ("from=2026-02-01&to=2026-01-01", "from must lie before to"),
        ("from=2020-01-01&to=2026-01-01", "two years"),
        ("from=2024-01-01&to=2025-12-01&every=day", "400 parts"),
        ("every=hour", "day or week"),
        ("hotfix_within_s=-1", "number of seconds"),
        ("format=xml", "json or csv"),
    ] {
        let answer = app.call("GET", &format!("/deployments/metrics?{query}"), None).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{query}");
        assert!(answer.text().contains(words), "{query}: {}", answer.text());
    }
}
