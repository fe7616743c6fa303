//! One-off dynos, and the log that tells of them.

use crate::flow;
use serde_json::json;
use testkit::Source;

#[tokio::test]
async fn dyno_50_a_detached_one_off_runs_logs_and_ends() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let name = app.run("cat answer.txt; echo; echo $DYNO; id -u; exit 3").await;
    app.log_says(&format!("app[{name}]: one")).await;
    app.log_says(&format!("app[{name}]: {name}")).await;
    app.log_says(&format!("heroku[{name}]: Process exited with status 3")).await;
    app.log_says(&format!("heroku[{name}]: State changed from up to complete")).await;
    let dynos = app.read("/dynos").await;
    assert!(dynos.as_array().unwrap().iter().all(|dyno| dyno["name"] != name.as_str()), "never restarted: {dynos}");
    assert!(!app.logs().await.contains(&format!("app[{name}]: 0\n")), "dyno_26: it must not run as root");
}

#[tokio::test]
async fn dyno_51_the_name_of_a_process_type_stands_for_its_command() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let source = Source::answering("one").with("Procfile", "web: python3 server.py\ntask: echo the task ran\n");
    app.push(source).await.released("v3");
    let name = app.run("task").await;
    app.log_says(&format!("app[{name}]: the task ran")).await;
}

#[tokio::test]
async fn dyno_35_stop_ends_a_one_off() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let name = app.run("echo waiting; cat /dev/zero >/dev/null").await;
    app.log_says(&format!("app[{name}]: waiting")).await;
    let stopped = app.call("POST", &format!("/dynos/{name}/actions/stop"), None).await;
    assert!(stopped.status.is_success(), "{}", stopped.text());
    app.log_says(&format!("heroku[{name}]: Process exited with status 143")).await;
}

#[tokio::test]
async fn dyno_26_what_a_dyno_writes_is_gone_and_seen_by_no_other() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let name = app.run("echo written > new.txt && cat new.txt && rm answer.txt && ls").await;
    app.log_says(&format!("app[{name}]: written")).await;
    app.log_says(&format!("heroku[{name}]: Process exited with status 0")).await;
    let again = app.run("ls new.txt; cat answer.txt; echo").await;
    app.log_says(&format!("app[{again}]: one")).await;
    assert!(app.logs().await.contains("cannot access 'new.txt'"));
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn log_13_lines_are_filtered_by_source_and_dyno() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app.get("/").await;
    app.log_says("heroku[router]: at=info method=GET path=\"/\"").await;
    let lines = |wish: serde_json::Value| {
        let (app, flow) = (&app, &flow);
        async move {
            let session = app.call("POST", "/log-sessions", Some(&wish)).await.json();
            let url = session["logplex_url"].as_str().unwrap().to_owned();
            let path = url.split_once("://").unwrap().1.split_once('/').unwrap().1.to_owned();
            flow.raw("GET", &format!("/{path}"), &[], bytes::Bytes::new()).await.text()
        }
    };
    let router = lines(json!({ "dyno": "router", "source": "heroku", "lines": 10 })).await;
    assert!(router.lines().count() >= 1 && router.lines().all(|line| line.contains("heroku[router]")), "{router}");
    let one = lines(json!({ "lines": 1 })).await;
    assert_eq!(one.lines().count(), 1, "{one}");
    let app_only = lines(json!({ "source": "app", "lines": 100 })).await;
    assert!(app_only.lines().all(|line| line.contains(" app[")) && app_only.contains("Listening on"), "{app_only}");
}
