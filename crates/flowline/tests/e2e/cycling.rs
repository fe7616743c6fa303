//! A dyno whose day is over is replaced, one at a time and without a gap (DYNO-33).

use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{App, Flow, Source, Start, eventually, until};

/// A day, the longest that chance may add, and an hour.
const OVER_US: i64 = (24 * 60 + 216 + 60) * 60 * 1_000_000;

/// The server does not run: makes its dynos as much older.
fn age(flow: &Flow) {
    let orders = flow.files("run/dynos").into_iter().filter(|path| path.ends_with("order"));
    for path in orders.map(|path| flow.dir().join(path)) {
        let mut order: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let created = &mut order["spec"]["labels"]["created_at"];
        let at: i64 = created.as_str().unwrap().parse().unwrap();
        *created = json!((at - OVER_US).to_string());
        std::fs::write(&path, order.to_string()).unwrap();
    }
}

/// The ids of the web dynos that are up, in the order of their names.
async fn up(app: &App<'_>) -> Vec<String> {
    let dynos = app.read("/dynos").await;
    let up = dynos.as_array().unwrap().iter().filter(|dyno| dyno["state"] == "up" && dyno["type"] == "web");
    let mut up: Vec<_> = up.map(|dyno| (dyno["name"].to_string(), dyno["id"].as_str().unwrap().to_owned())).collect();
    up.sort();
    up.into_iter().map(|(_, id)| id).collect()
}

async fn all_up(app: &App<'_>, count: usize) -> Vec<String> {
    eventually("dynos that are up", async || Some(up(app).await).filter(|up| up.len() == count)).await
}

#[tokio::test]
async fn dyno_33_a_day_old_dynos_are_replaced_without_a_gap() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app.scale("web", 2).await;
    let before = all_up(&app, 2).await;
    flow.end_serve(Signal::KILL).await;
    age(&flow);
    flow.start_serve().await;
    let app = flow.known_app("shop");
    let replaced = async || {
        let answer = app.get("/").await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "one"));
        let now = up(&app).await;
        now.len() == 2 && now.iter().all(|id| !before.contains(id))
    };
    until("both are fresh", replaced).await;
    for dyno in ["web.1", "web.2"] {
        app.log_says(&format!("heroku[{dyno}]: Cycling")).await;
    }
}

#[tokio::test]
async fn dyno_33_cycling_can_be_switched_off() {
    let mut flow = Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--no-cycling"])).await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let before = all_up(&app, 1).await;
    flow.end_serve(Signal::KILL).await;
    age(&flow);
    flow.start_serve().await;
    let app = flow.known_app("shop");
    // To add a dyno, the server looks at what it has.
    app.scale("web", 2).await;
    assert_eq!(all_up(&app, 2).await.first(), before.first());
    assert!(!app.logs().await.contains("Cycling"));
}
