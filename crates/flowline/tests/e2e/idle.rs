//! Idle apps: frozen, then stopped; the next request wakes them and is held meanwhile.

use crate::flow;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{App, Client, Source, request};
use tokio::net::UnixStream;

fn with_worker(text: &str) -> Source {
    Source::answering(text).with("Procfile", "web: python3 server.py\nworker: echo ready; exec tail -f /dev/null\n")
}

async fn sleep_now(app: &App<'_>, stop: bool) -> Value {
    let answer = app.call("POST", "/actions/sleep", Some(&json!({ "stop": stop }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// `(name, id, state)` of each dyno.
async fn dynos(app: &App<'_>) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = app.read("/dynos").await;
    all.as_array().unwrap().iter().map(|d| (text(&d["name"]), text(&d["id"]), text(&d["state"]))).collect()
}

#[tokio::test]
async fn dyno_80_a_frozen_app_is_woken_by_a_request_and_its_worker_sleeps_with_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(with_worker("one")).await.released("v3");
    app.scale("worker", 1).await;
    app.log_says("app[worker.1]: ready").await;
    let before = dynos(&app).await;
    assert_eq!(sleep_now(&app, false).await["asleep"], "frozen");
    let frozen = dynos(&app).await;
    assert!(frozen.iter().all(|(_, _, state)| state == "idle"), "{frozen:?}");
    app.log_says("heroku[web.1]: State changed from up to idle").await;
    app.log_says("heroku[worker.1]: Idling").await;
    assert_eq!(app.get("/").await.text(), "one", "held, and answered by the thawed dyno");
    assert_eq!(app.read("/sleep").await["asleep"], Value::Null);
    app.log_says("heroku[worker.1]: State changed from idle to up").await;
    assert_eq!(dynos(&app).await, before, "the same dynos run on");
}

#[tokio::test]
async fn a_stopped_app_uses_no_process_and_boots_for_the_next_request() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(with_worker("one")).await.released("v3");
    app.scale("worker", 1).await;
    assert_eq!(sleep_now(&app, true).await["asleep"], "stopped");
    app.has_dynos(0).await;
    assert_eq!(app.get("/").await.text(), "one", "held until a dyno was up");
    app.log_says("heroku[web.1]: State changed from up to down").await;
    app.has_dynos(2).await;
    let again = app.call("POST", "/actions/sleep", Some(&json!({}))).await;
    assert_eq!(again.json()["asleep"], "frozen", "{}", again.text());
    assert_eq!(sleep_now(&app, true).await["asleep"], "stopped", "from frozen to stopped");
    app.has_dynos(0).await;
}

#[tokio::test]
async fn without_a_request_it_falls_asleep_by_itself_and_an_open_connection_keeps_it_awake() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let set = app.call("PATCH", "/sleep", Some(&json!({ "sleep_after": 1.0 / 60.0 }))).await;
    assert_eq!(set.status, 200, "{}", set.text());
    app.log_says("heroku[web.1]: Idling").await;
    assert_eq!(app.get("/").await.text(), "one");
    let clock = flow.app("clock").await;
    clock.push(Source::answering("tick")).await.released("v3");
    // Held open by a dyno that takes its time: the app is in use, however long the request lasts.
    let ((), held) = tokio::join!(in_use(&app, &clock), app.get("/hold"));
    assert_eq!(held.text(), "one");
    let off = app.call("PATCH", "/sleep", Some(&json!({ "sleep_after": null }))).await.json();
    assert_eq!(off["sleep_after"], Value::Null);
}

/// While a request is held, the app does not fall asleep, neither by itself nor when it is told to.
async fn in_use(app: &App<'_>, clock: &App<'_>) {
    app.log_says("app[web.1]: Holding a request").await;
    let idled = async || app.logs().await.matches("heroku[web.1]: State changed from up to idle").count();
    let before = idled().await;
    let busy = app.call("POST", "/actions/sleep", Some(&json!({}))).await;
    assert_eq!(busy.status, 409, "{}", busy.text());
    // Four times as long as it would take by itself.
    assert_eq!(clock.get("/after/4").await.text(), "tick");
    assert_eq!(idled().await, before, "not while a request was open");
    assert_eq!(app.get("/let-go").await.text(), "one");
}

#[tokio::test]
async fn sleep_outlives_the_server_frozen_or_stopped() {
    let mut flow = flow().await;
    for name in ["frozen", "stopped"] {
        let app = flow.app(name).await;
        app.push(Source::answering(name)).await.released("v3");
        sleep_now(&app, name == "stopped").await;
    }
    flow.known_app("stopped").has_dynos(0).await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    for name in ["frozen", "stopped"] {
        let app = flow.known_app(name);
        assert_eq!(app.read("/sleep").await["asleep"], name, "{}", app.logs().await);
        assert_eq!(app.get("/").await.text(), name, "woken by the new server");
    }
    // A request that comes while there is no server is held until one is back.
    sleep_now(&flow.known_app("frozen"), false).await;
    flow.end_serve(Signal::KILL).await;
    let mut visitor = Client::connect(flow.apps).await.unwrap();
    let visit =
        tokio::spawn(async move { visitor.send(request("GET", "/", "frozen.localhost", &[], Bytes::new())).await });
    flow.start_serve().await;
    assert_eq!(visit.await.unwrap().unwrap().text(), "frozen");
}

/// The server is killed while the dynos of a stopped app still end, or have ended with nobody told: that wakes nobody.
#[tokio::test]
async fn an_app_whose_dynos_were_still_ending_when_the_server_died_sleeps_on() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    let stubborn = "web: python3 server.py\nworker: trap '' TERM; echo ready; exec tail -f /dev/null\n";
    app.push(Source::answering("one").with("Procfile", stubborn)).await.released("v3");
    app.scale("worker", 1).await;
    app.log_says("app[worker.1]: ready").await;
    assert_eq!(sleep_now(&app, true).await["asleep"], "stopped");
    app.log_says("heroku[worker.1]: Stopping all processes with SIGTERM").await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(app.read("/sleep").await["asleep"], "stopped");
    assert_eq!(app.get("/").await.text(), "one", "woken by the new server");
    assert_eq!(app.read("/sleep").await["asleep"], Value::Null);
}

/// As when the machine is started anew: no process is left, and a sleeping app is not among what is started.
#[tokio::test]
async fn a_frozen_app_sleeps_on_when_all_of_its_processes_are_gone() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    assert_eq!(sleep_now(&app, false).await["asleep"], "frozen");
    let socket = flow.files("run/dynos").into_iter().find(|path| path.ends_with("keeper.sock")).unwrap();
    let keeper = UnixStream::connect(flow.dir().join(socket)).await.unwrap().peer_cred().unwrap().pid().unwrap();
    flow.end_serve(Signal::KILL).await;
    for process in flow.processes().into_iter().chain(Pid::from_raw(keeper)) {
        // It may have ended with another one.
        let _gone = kill_process(process, Signal::KILL).is_err();
    }
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(app.read("/sleep").await["asleep"], "stopped", "{}", app.logs().await);
    app.has_dynos(0).await;
    assert_eq!(app.get("/").await.text(), "one", "woken by a request");
}

#[tokio::test]
async fn a_deploy_a_restart_and_a_new_formation_wake_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    sleep_now(&app, false).await;
    app.push(Source::answering("two")).await.released("v4").says("Verifying deploy... done.");
    assert_eq!(app.read("/sleep").await["asleep"], Value::Null);
    assert_eq!(app.get("/").await.text(), "two");
    sleep_now(&app, true).await;
    app.has_dynos(0).await;
    app.scale("web", 2).await;
    app.has_dynos(2).await;
    app.log_says("heroku[web.2]: State changed from starting to up").await;
    app.get("/").await;
    sleep_now(&app, false).await;
    assert_eq!(app.call("DELETE", "/dynos", None).await.status, 202);
    app.log_says("heroku[web.2]: Unidling").await;
}

#[tokio::test]
async fn what_cannot_sleep_says_why() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let empty = app.call("POST", "/actions/sleep", Some(&json!({}))).await;
    assert_eq!(empty.status, 422);
    assert!(empty.text().contains("no web dyno that is up"), "{}", empty.text());
    for bad in [json!(0), json!(-3), json!(1e9), json!("soon")] {
        let answer = app.call("PATCH", "/sleep", Some(&json!({ "sleep_after": bad }))).await;
        assert!(answer.status == 422 || answer.status == 400, "{bad}: {} {}", answer.status, answer.text());
    }
    let ran = flow.cli(&["sleep:after", "30", "-a", "shop"]).await;
    assert!(String::from_utf8_lossy(&ran.stdout).contains("sleeps after 30 minutes without a request; awake now"));
}
