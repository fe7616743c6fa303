//! `kill -9` of serve between the turn of a release command and its start: the command runs once, with that server or the next.

use crate::flow;
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::{App, Flow, Source, within};

/// Waits while `HOLD` is set; says for which release it runs, and in which dyno.
const PROCFILE: &str =
    "web: python3 server.py\nrelease: echo begun with $MARK in $DYNO.; test -z \"$HOLD\" || tail -f /dev/null\n";

/// When the server is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So many milliseconds after the command before it is decided: then it is its turn.
    Turn(u64),
    /// As soon as its dyno has a folder: it is being started.
    Folder,
}

/// The dynos that have a folder.
fn folders(flow: &Flow) -> BTreeSet<String> {
    let entries = std::fs::read_dir(flow.dir().join("scratch")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a release command printed or prints, to its end, which comes when the release is decided.
async fn output(app: &App<'_>, version: i64) -> String {
    let release = app.read(&format!("/releases/{version}")).await;
    app.flow().read_address(&release["output_stream_url"]).await.text()
}

/// One release whose command holds, and one whose command waits for it; the versions of both, and the dyno that holds.
async fn held(app: &App<'_>, number: usize) -> (i64, i64, String) {
    app.config(json!({ "HOLD": "yes", "MARK": format!("held-{number}") })).await;
    let holding = app.latest_release().await["version"].as_i64().unwrap();
    let line = app.log_says(&format!("]: begun with held-{number}")).await;
    let dyno = line.split_once("app[").unwrap().1.split_once(']').unwrap().0.to_owned();
    app.config(json!({ "HOLD": null, "MARK": format!("next-{number}") })).await;
    let waiting = app.latest_release().await["version"].as_i64().unwrap();
    app.log_says(&format!("The release command of v{waiting} waits for that of v{holding}")).await;
    (holding, waiting, dyno)
}

/// Gives the turn to the command that waits.
async fn reach(app: &App<'_>, moment: Moment, (holding, dyno): (i64, &str)) {
    let known = folders(app.flow());
    let stopped = app.call("POST", &format!("/dynos/{dyno}/actions/stop"), Some(&json!({}))).await;
    assert_eq!(stopped.status, 202, "{}", stopped.text());
    assert!(output(app, holding).await.contains("The release command was stopped"));
    match moment {
        Moment::Turn(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Moment::Folder => {
            let there = async {
                while folders(app.flow()).is_subset(&known) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            within("the folder of a dyno", there).await;
        }
    }
}

#[tokio::test]
async fn relph_29_a_server_killed_between_a_commands_turn_and_its_start_leaves_one_run_of_it() {
    let mut flow = flow().await;
    flow.app("shop").await.push(Source::answering("one").with("Procfile", PROCFILE)).await.released("v3");
    // The moments are those of a fixed series, so that a failure comes again.
    let mut dice: u64 = 0x5eed_0029;
    let mut throw = |most: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % most
    };
    let mut moments = vec![Moment::Turn(0), Moment::Folder, Moment::Folder];
    moments.extend((0..4).map(|_| Moment::Turn(throw(60))));
    for (number, moment) in moments.into_iter().enumerate() {
        let (holding, waiting, dyno) = held(&flow.known_app("shop"), number).await;
        reach(&flow.known_app("shop"), moment, (holding, &dyno)).await;
        flow.end_serve(Signal::KILL).await;
        flow.start_serve().await;
        let app = flow.known_app("shop");
        let (first, second) = (app.settled(holding).await, app.settled(waiting).await);
        assert_eq!((first.as_str(), second.as_str()), ("failed", "succeeded"), "{moment:?}: {}", flow.server_log());
        let said = output(&app, waiting).await;
        // A line that was not acknowledged may be told again; a second run would have another dyno.
        let runs: BTreeSet<&str> = said.lines().filter(|line| line.starts_with("begun with")).collect();
        assert!(runs.len() == 1 && said.contains(&format!("begun with next-{number} in ")), "{moment:?}: {said}");
        assert_eq!(app.current_version().await, waiting, "{moment:?}");
    }
    flow.known_app("shop").served("/", "one").await;
}
