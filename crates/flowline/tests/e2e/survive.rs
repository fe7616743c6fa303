//! What dies must not take the rest with it.

use crate::flow;
use rustix::process::Signal;
use testkit::{Load, Source};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_answer_and_log_while_serve_is_away_and_nothing_is_started_twice() {
    for signal in [Signal::TERM, Signal::KILL] {
        let mut flow = flow().await;
        let (id, host) = {
            let app = flow.app("shop").await;
            app.push(Source::answering("one")).await.released("v3");
            (app.read("/dynos").await[0]["id"].clone(), app.host())
        };
        let load = Load::start(&flow, &host, 100);
        flow.end_serve(signal).await;
        assert_eq!(flow.known_app("shop").get("/").await.text(), "one", "{signal:?}");
        flow.start_serve().await;
        let app = flow.known_app("shop");
        let dynos = app.read("/dynos").await;
        assert_eq!((dynos.as_array().unwrap().len(), &dynos[0]["id"]), (1, &id), "{signal:?}: {dynos}");
        assert_eq!(app.get("/").await.text(), "one");
        let outcome = load.stop().await;
        assert_eq!(outcome.failed, 0, "{signal:?}: {:?}", outcome.failures);
        app.push(Source::answering("two")).await.released("v4");
        assert_eq!(app.get("/").await.text(), "two");
    }
}

#[tokio::test]
async fn lines_that_a_dyno_prints_while_serve_is_away_are_logged_later() {
    let mut flow = flow().await;
    {
        let app = flow.app("shop").await;
        let source = Source::answering("one").with(
            "Procfile",
            "web: python3 server.py\nworker: echo ready; n=0; while read -t 0.1 line < <(sleep 0.1; echo tick); do n=$((n+1)); echo tick $n; done\n",
        );
        app.push(source).await.released("v3");
        app.scale("worker", 1).await;
        app.log_says("app[worker.1]: ready").await;
    }
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    app.run("true").await;
    assert!(app.logs().await.contains("app[worker.1]: ready"));
}

#[tokio::test]
async fn a_stopped_flowline_comes_back_as_it_was_left() {
    let mut flow = flow().await;
    {
        let app = flow.app("shop").await;
        app.config(serde_json::json!({ "KEPT": "yes" })).await;
        app.push(Source::answering("one")).await.released("v4");
        app.scale("web", 2).await;
    }
    flow.end_serve(Signal::INT).await;
    assert!(flow.visit("shop.localhost", "GET", "/", &[], bytes::Bytes::new()).await.is_err(), "the router ended too");
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(app.get("/").await.text(), "one", "held until a dyno is up");
    assert_eq!(app.get("/env/KEPT").await.text(), "yes");
    assert_eq!(app.current_version().await, 4);
    app.log_says("heroku[web.2]: State changed from starting to up").await;
}
