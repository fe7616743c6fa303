//! Tests before the build: what a push goes through where its pipeline's test gate is on.

use crate::flow;
use crate::schema::Schema;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;
use testkit::{App, Flow, Source, eventually, path_of};

/// Puts an app into a pipeline of its own name whose gate is on.
pub(crate) async fn gated(flow: &Flow, app: &str) -> String {
    let made = flow.post("/pipelines", &json!({ "name": app })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let coupling = json!({ "app": app, "pipeline": id, "stage": "staging" });
    assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    let gate = flow.patch(&format!("/pipelines/{id}/test-gate"), &json!({ "enabled": true })).await;
    assert_eq!(gate.json(), json!({ "enabled": true, "time_limit_s": 3600 }), "{}", gate.text());
    id
}

/// An app that is tested by this command.
pub(crate) fn tested(test: &str) -> Source {
    with_app_json(json!({ "environments": { "test": { "scripts": { "test": test } } } }))
}

fn with_app_json(app: Value) -> Source {
    Source::answering("one").with("app.json", &app.to_string())
}

/// The run of a pipeline with this number, and its one node.
pub(crate) async fn run(flow: &Flow, pipeline: &str, number: u32) -> (Value, Value) {
    let run = flow.get(&format!("/pipelines/{pipeline}/test-runs/{number}")).await;
    assert_eq!(run.status, 200, "{}", run.text());
    let run = run.json();
    let nodes = flow.get(&format!("/test-runs/{}/test-nodes", run["id"].as_str().unwrap())).await.json();
    assert_eq!(nodes.as_array().unwrap().len(), 1, "{nodes}");
    (run, nodes[0].clone())
}

/// Waits until a run is so far.
pub(crate) async fn until(flow: &Flow, pipeline: &str, number: u32, status: &str) -> Value {
    eventually(&format!("run {number} to be {status}"), async || {
        let run = flow.get(&format!("/pipelines/{pipeline}/test-runs/{number}")).await;
        Some(run).filter(|run| run.status == 200).map(|run| run.json()).filter(|run| run["status"] == status)
    })
    .await
}

/// What stands at one of the addresses of a node.
pub(crate) async fn output(flow: &Flow, node: &Value, which: &str) -> String {
    let answer = flow.raw("GET", path_of(&node[which]), &[], bytes::Bytes::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

pub(crate) async fn is_untouched(app: &App<'_>) {
    assert_eq!(app.read("/builds").await, json!([]), "nothing is built");
    assert_eq!(app.latest_release().await["version"], 2);
}

#[tokio::test]
async fn ci_a_green_push_is_tested_live_then_built_and_kept_with_its_number() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let tap = "echo tested $HEROKU_TEST_RUN_NUMBER; printf '1..2\\nok 1 - adds\\nok 2 # SKIP later\\n'";
    let push = app.push(tested(tap)).await.released("v3");
    let at = |words: &str| push.said.find(words).unwrap_or_else(|| panic!("`{words}` is missing:\n{}", push.said));
    let order = [
        "-----> Test run #1 of the pipeline shop, before the build",
        "tested 1",
        "-----> Test run #1 succeeded",
        "Building source:",
        "Released v3",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{}", push.said);
    assert_eq!(app.get("/").await.text(), "one");
    let (run, node) = run(&flow, &pipeline, 1).await;
    schema.check("test-run", &run);
    schema.check("test-node", &node);
    assert_eq!((&run["status"], &run["commit_sha"]), (&json!("succeeded"), &json!(push.commit)));
    assert_eq!((&run["commit_branch"], &run["commit_message"]), (&json!("main"), &json!("A change")));
    assert_eq!((&node["status"], &node["exit_code"]), (&json!("succeeded"), &json!(0)));
    let setup = output(&flow, &node, "setup_stream_url").await;
    assert!(setup.contains("-----> Preparing the tests") && !setup.contains("tested 1"), "ci_6: {setup}");
    let tests = output(&flow, &node, "output_stream_url").await;
    assert!(tests.contains("tested 1\n") && tests.ends_with("-----> Test run #1 succeeded\n"), "ci_6: {tests}");
    let cases = flow.get(&format!("/test-runs/{}/test-cases", run["id"].as_str().unwrap())).await.json();
    schema.check_all("test-case", &cases, 2);
    assert_eq!((&cases[0]["description"], &cases[0]["passed"]), (&json!("adds"), &json!(true)));
    assert_eq!(cases[1]["directive"], "SKIP later");
    // Other branches are neither tested nor built.
    assert!(app.push_to(tested("exit 1"), "feature").await.ok);
    app.push(tested("true")).await.released("v4");
    let authorization = format!("Bearer {}", flow.token);
    let headers = [("authorization", authorization.as_str()), ("range", "number ..; order=desc,max=1")];
    let last = flow.raw("GET", &format!("/pipelines/{pipeline}/test-runs"), &headers, bytes::Bytes::new()).await.json();
    assert_eq!((last.as_array().unwrap().len(), &last[0]["number"]), (1, &json!(2)), "ci_2");
    schema.check_all("test-run", &flow.get(&format!("/pipelines/{pipeline}/test-runs")).await.json(), 2);
    let by_id = flow.get(&format!("/test-runs/{}", run["id"].as_str().unwrap())).await.json();
    assert_eq!(by_id, run);
}

#[tokio::test]
async fn ci_a_red_push_is_declined_and_nothing_is_built_of_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let push = app.push(tested("echo expected 1, got 2; exit 3")).await;
    let push = push.declined("Push rejected: its tests failed. Nothing was built, and what runs goes on.");
    let push = push.says("expected 1, got 2").says("Test run #1 failed: the tests ended with status 3.");
    let push = push.says("Make them pass and push again.").says("flowline ci:info 1 -p shop");
    assert!(!push.says("pre-receive hook declined").said.contains("Building source"));
    is_untouched(&app).await;
    let (run, node) = run(&flow, &pipeline, 1).await;
    assert_eq!((&run["status"], &run["message"]), (&json!("failed"), &Value::Null));
    assert_eq!((&node["exit_code"], &node["error_status"]), (&json!(3), &Value::Null));
    app.log_says("app[api]: Test run #1 failed").await;
    app.push(tested("true")).await.released("v3");
    app.push(tested("kill -9 $$")).await.declined("the tests ended with status 137");
    assert_eq!((app.get("/").await.text().as_str(), app.current_version().await), ("one", 3), "what ran goes on");
    // Off again: the same commit is built.
    let off = flow.patch(&format!("/pipelines/{pipeline}/test-gate"), &json!({ "enabled": false })).await;
    assert_eq!(off.status, 200);
    app.push_head("main").await.released("v4");
}

#[tokio::test]
async fn ci_1_what_breaks_before_the_tests_is_errored_and_told_apart_from_failed_tests() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let test = |more: Value| {
        let mut test = json!({ "scripts": { "test": "echo never tested" } });
        test.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "environments": { "test": test } })
    };
    let setup = test(json!({ "scripts": { "test": "echo never tested", "test-setup": "echo no database; exit 4" } }));
    let required = test(json!({ "env": { "API_KEY": { "description": "of the payment service" } } }));
    let missing = "config var API_KEY is required";
    let cases = [
        (with_app_json(setup), "test-setup ended with status 4", "building", json!(4)),
        (with_app_json(required), missing, "creating", Value::Null),
        (Source::answering("one"), "the app names no tests", "building", Value::Null),
        (tested("true").with("app.json", "{ not json"), "app.json is not valid JSON", "creating", Value::Null),
        (tested("true").with("package.json", "{ no"), "failed to compile Node.js app", "building", json!(1)),
        (
            with_app_json(test(json!({ "buildpacks": [{ "url": "x/y" }] }))),
            "no buildpack `x/y`",
            "building",
            Value::Null,
        ),
    ];
    for (number, (source, why, during, exit_code)) in (1..).zip(cases) {
        let push = app.push(source.with("n", &number.to_string())).await;
        let push = push.declined("Push rejected: its tests could not be run.").says(why);
        let push = push.says(&format!("Test run #{number} errored before its tests came to an end"));
        assert!(!push.said.contains("never tested\n"), "{}", push.said);
        let (run, node) = run(&flow, &pipeline, number).await;
        assert_eq!((&run["status"], &node["status"]), (&json!("errored"), &json!("errored")), "{why}");
        assert_eq!((&node["error_status"], &node["exit_code"]), (&json!(during), &exit_code), "{why}");
        assert!(run["message"].as_str().unwrap().contains(why), "{run}");
    }
    is_untouched(&app).await;
    // What was missing is set: the same commit is tested.
    let vars = json!({ "API_KEY": "k" });
    assert_eq!(flow.patch(&format!("/pipelines/{pipeline}/stage/test/config-vars"), &vars).await.status, 200);
    let again = test(json!({ "env": { "API_KEY": { "description": "of the payment service" } } }));
    app.push(with_app_json(again)).await.released("v3").says("never tested");
}

#[tokio::test]
async fn ci_3_the_test_environment_has_its_layers_and_nothing_of_the_apps_own() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    app.config(json!({ "PRODUCTION_KEY": "of-the-app", "SHARED": "of-the-app" })).await;
    let vars = json!({ "PIPELINE_KEY": "of-the-pipeline", "SHARED": "of-the-pipeline", "CI": "no" });
    assert_eq!(flow.patch(&format!("/pipelines/{pipeline}/stage/test/config-vars"), &vars).await.status, 200);
    let print = "env | sort; ls -a /app; test ! -e .git";
    let source = with_app_json(json!({
        "env": { "BASE": "base", "SHARED": "base", "OVER": "base", "SECRET": { "generator": "secret" } },
        "environments": { "test": {
            "env": { "OVER": "test", "SHARED": "test" },
            "scripts": { "test-setup": "echo setup sees $SHARED; touch made-by-setup", "test": print },
            "addons": ["heroku-postgresql:in-dyno"],
            "formation": { "test": { "quantity": 2 } },
        } },
    }));
    let source = source.with("Procfile", "web: python3 server.py\nrelease: env | grep _KEY\n");
    let push = app.push(source.with(".profile", "export PROFILED=yes\n")).await.released("v4");
    let (run, node) = run(&flow, &pipeline, 1).await;
    let tests = output(&flow, &node, "output_stream_url").await;
    let lines: Vec<&str> = tests.lines().collect();
    let sha = format!("HEROKU_TEST_RUN_COMMIT_VERSION={}", push.commit);
    let id = format!("HEROKU_TEST_RUN_ID={}", run["id"].as_str().unwrap());
    let expected = [
        "BASE=base",
        "CI=true",
        "CI_NODE_INDEX=0",
        "CI_NODE_TOTAL=1",
        "HEROKU_TEST_RUN_BRANCH=main",
        &sha,
        &id,
        "HEROKU_TEST_RUN_NUMBER=1",
        "HOME=/app",
        "OVER=test",
        "PIPELINE_KEY=of-the-pipeline",
        "PROFILED=yes",
        "SHARED=of-the-pipeline",
        "made-by-setup",
    ];
    for line in expected {
        assert!(lines.contains(&line), "`{line}` is missing:\n{tests}");
    }
    let secret = lines.iter().find_map(|line| line.strip_prefix("SECRET=")).unwrap();
    assert_eq!(secret.len(), 64, "appjson_3");
    assert!(!tests.contains("of-the-app") && !tests.contains("PRODUCTION_KEY"), "{tests}");
    assert!(!tests.contains("GIT_DIR") && !tests.contains("QUARANTINE"), "{tests}");
    let setup = output(&flow, &node, "setup_stream_url").await;
    assert!(setup.contains("setup sees of-the-pipeline") && !setup.contains("of-the-app"), "{setup}");
    let warning = run["warning_message"].as_str().unwrap();
    assert!(warning.contains("heroku-postgresql:in-dyno") && warning.contains("2 test nodes"), "{warning}");
    // And the other way: what is set for tests comes into no build, release command or dyno.
    let built = &push.said[push.said.find("Building source:").unwrap()..];
    assert!(built.contains("PRODUCTION_KEY=of-the-app") && !built.contains("of-the-pipeline"), "{built}");
    app.settled(4).await;
    assert_eq!(app.get("/env/PIPELINE_KEY").await.text(), "");
    assert_eq!(app.get("/env/CI").await.text(), "");
}

#[tokio::test]
async fn ci_9_more_output_than_is_kept_is_cut_and_the_verdict_stays() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    // 24 MB in lines of 8,000 bytes: half as much again as is kept.
    let loud = "head -c 24000000 /dev/zero | tr '\\0' x | fold -w 8000; echo; echo at the very end; exit 5";
    let push = app.push(tested(loud)).await.declined("the tests ended with status 5");
    assert!(push.said.len() < 20_000_000, "{} bytes were shown", push.said.len());
    let (_, node) = run(&flow, &pipeline, 1).await;
    let tests = output(&flow, &node, "output_stream_url").await;
    assert!(tests.len() < 17_000_000, "{} bytes are kept", tests.len());
    let about = format!("{} bytes are kept, ending in {}", tests.len(), &tests[tests.len().saturating_sub(300)..]);
    assert!(tests.contains("the rest is not kept") && !tests.contains("\nat the very end"), "{about}");
    assert!(tests.ends_with("Test run #1 failed: the tests ended with status 5.\n"));
}

#[tokio::test]
async fn ci_a_hanging_run_can_be_cancelled_and_a_second_push_waits_for_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let before = flow.processes().len();
    app.commit(tested("echo hanging; sleep 100000")).await;
    let (push, ()) = tokio::join!(app.push_head("main"), async {
        let run = until(&flow, &pipeline, 1, "running").await;
        let second = app.git_push(&["HEAD:refs/heads/master"]).await;
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(said.contains("a push to shop is being tested already") && !second.status.success(), "{said}");
        let path = format!("/test-runs/{}", run["id"].as_str().unwrap());
        let wrong = flow.patch(&path, &json!({ "status": "succeeded", "message": "" })).await;
        assert!(wrong.status == 422 && wrong.text().contains("`succeeded` cannot be asked for"), "{}", wrong.text());
        let stranger = flow.account("stranger@example.org").await;
        let cancel = json!({ "status": "cancelled", "message": "it hangs" });
        assert_eq!(flow.call_as(&stranger, "PATCH", &path, Some(&cancel)).await.status, 404);
        let cancelled = flow.patch(&path, &cancel).await;
        assert_eq!((cancelled.status.as_u16(), &cancelled.json()["status"]), (200, &json!("cancelled")));
        let again = flow.patch(&path, &cancel).await;
        assert!(again.status == 409 && again.text().contains("over already"), "{}", again.text());
    });
    push.declined("Push rejected: its test run was cancelled.").says("by admin@localhost: it hangs");
    is_untouched(&app).await;
    let (run, node) = run(&flow, &pipeline, 1).await;
    assert_eq!((&run["status"], &node["exit_code"]), (&json!("cancelled"), &Value::Null));
    testkit::until("the processes of the run to be gone", async || flow.processes().len() <= before).await;
    app.push(tested("true")).await.released("v3");
}

#[tokio::test]
async fn ci_8_a_run_that_takes_too_long_is_ended_without_a_verdict() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let path = format!("/pipelines/{pipeline}/test-gate");
    for wrong in [0, 9, 7201] {
        let refused = flow.patch(&path, &json!({ "time_limit_s": wrong })).await;
        assert!(refused.status == 422 && refused.text().contains("10 to 7200 seconds"), "{}", refused.text());
    }
    let set = flow.patch(&path, &json!({ "time_limit_s": 10 })).await.json();
    assert_eq!(set, json!({ "enabled": true, "time_limit_s": 10 }));
    let push = app.push(tested("sleep 100000")).await.declined("its tests could not be run");
    push.says("The test run took longer than 10 seconds, which is the limit, and is ended.");
    let (run, node) = run(&flow, &pipeline, 1).await;
    assert_eq!((&run["status"], &node["exit_code"]), (&json!("errored"), &Value::Null));
    assert_eq!(run["message"], "it took longer than 10 seconds");
}

#[tokio::test]
async fn ci_a_node_app_is_tested_by_npm_test_in_its_own_environment() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pipeline = gated(&flow, "shop").await;
    let package = json!({ "name": "shop", "scripts": { "test": "node test.js" } });
    let index =
        "require('http').createServer((q, r) => r.end('in ' + process.env.NODE_ENV)).listen(process.env.PORT);\n";
    let node = Source::empty().with("package.json", &package.to_string()).with("index.js", index);
    let node = node.with("Procfile", "web: node index.js\n");
    let test = |sum: u32| {
        format!("console.log('tested in ' + process.env.NODE_ENV); require('assert').strictEqual(1 + 1, {sum});\n")
    };
    let push = app.push(node.clone().with("test.js", &test(3))).await.declined("its tests failed");
    push.says("Running test command `bin/test of heroku/nodejs`...").says("tested in test").says("AssertionError");
    is_untouched(&app).await;
    app.push(node.with("test.js", &test(2))).await.released("v3").says("Test run #2 succeeded");
    assert_eq!(app.get("/").await.text(), "in production");
    assert_eq!(run(&flow, &pipeline, 2).await.1["exit_code"], 0);
}

#[tokio::test]
async fn what_a_pipelines_tests_left_goes_with_the_pipeline() {
    let mut flow = flow().await;
    let pipeline = {
        let app = flow.app("shop").await;
        let pipeline = gated(&flow, "shop").await;
        app.push(tested("true")).await.released("v3");
        pipeline
    };
    let (caches, outputs) = (flow.dir().join("test-cache"), flow.dir().join("outputs"));
    let kept = |folder: &Path, word: &str| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(word)).count()
    };
    assert_eq!((kept(&caches, &pipeline), kept(&outputs, "test-"), kept(&outputs, "build-")), (1, 2, 1));
    assert_eq!(flow.delete(&format!("/pipelines/{pipeline}")).await.status, 200);
    assert_eq!(flow.get(&format!("/pipelines/{pipeline}/test-runs")).await.status, 404);
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    testkit::until("the leavings to be gone", async || kept(&caches, "") + kept(&outputs, "test-") == 0).await;
    assert_eq!(kept(&outputs, "build-"), 1, "what is the app's stays");
    flow.known_app("shop").push(tested("exit 1")).await.released("v4");
}
