//! What there is only so much of: processes, memory, open files, log lines.

use super::{Street, tried};
use rustix::process::Signal;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use testkit::{Flow, Source, within};

/// An order to the platform is carried out within this time whatever an app does. (It is answered within milliseconds; on
/// a machine that compiles beside, a debug build took up to a second.)
const PROMPT: Duration = Duration::from_secs(10);

/// The platform still takes orders, soon.
async fn responsive(flow: &Flow) {
    let answer = tokio::time::timeout(PROMPT, flow.get("/apps")).await.expect("the platform answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_bomb_stays_within_its_dyno_and_can_be_stopped() {
    let street = Street::new().await;
    let app = street.malicious();
    let (said, _) = tried(&app, "python3 bombs.py forks").await;
    let words: Vec<&str> = said.last().unwrap().split(' ').collect();
    let made: u32 = words[1].parse().unwrap();
    assert!((100..256).contains(&made) && words[2] == "EAGAIN", "{said:?}");
    let name = app.run("python3 bombs.py fork_bomb").await;
    app.log_says(&format!("app[{name}]: lit")).await;
    responsive(&street.flow).await;
    let before = street.load.answered();
    testkit::until("the neighbour's answers beside the bomb", async || street.load.answered() >= before + 40).await;
    app.call("POST", &format!("/dynos/{name}/actions/stop"), None).await;
    app.log_says(&format!("heroku[{name}]: Process exited with status")).await;
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r15_a_memory_bomb_ends_its_own_dyno_and_says_so() {
    let street = Street::new().await;
    let app = street.malicious();
    for command in ["memory", "shared_memory"] {
        let (said, status) = tried(&app, &format!("python3 bombs.py {command}")).await;
        // A folder in memory is full before the dyno's memory is used up.
        let ended = if command == "memory" { status == "137" } else { said.iter().any(|line| line.contains("ENOSPC")) };
        assert!(ended, "{command}: {status} {said:?}");
    }
    responsive(&street.flow).await;
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dyno_26_who_fills_tmp_is_ended_with_the_reason_and_what_it_wrote_is_removed() {
    let street = Street::new().await;
    let app = street.malicious();
    let (said, status) = tried(&app, "python3 bombs.py fill_folder /tmp").await;
    assert_eq!(status, "137", "{said:?}");
    assert!(said.iter().any(|line| line == "filled 4"), "up to its quota it may: {said:?}");
    app.log_says("Error: disk quota exceeded: ").await;
    testkit::until("the removal of what it wrote", async || {
        street.flow.files("scratch").iter().all(|file| size(&street, file) < 1 << 30)
    })
    .await;
    responsive(&street.flow).await;
    street.end().await;
}

/// In bytes; nothing for one that is gone meanwhile.
fn size(street: &Street, file: &Path) -> u64 {
    street.flow.dir().join(file).metadata().map_or(0, |file| file.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_sockets_of_a_dyno_have_a_limit_of_their_own() {
    let street = Street::new().await;
    let (said, status) = tried(&street.malicious(), "python3 bombs.py sockets").await;
    assert_eq!((said.len(), status.as_str()), (8, "0"), "{said:?}");
    for line in said {
        let words: Vec<&str> = line.split(' ').collect();
        let held: u32 = words[1].parse().unwrap();
        assert!((1_000..=10_000).contains(&held), "{line}");
        assert_eq!(words[2], "EMFILE", "{line}");
    }
    street.end().await;
}

/// So many lines, numbered from 1.
const FLOOD: u32 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l10_a_million_lines_slow_down_nobody_else_and_cost_no_neighbour_a_line() {
    let street = Street::new().await;
    let (app, neighbour) = (street.malicious(), street.neighbour());
    let name = app.run(&format!("python3 bombs.py flood {FLOOD}")).await;
    let end = format!("heroku[{name}]: Process exited with status");
    let wish = json!({ "lines": 1500, "tail": true, "dyno": name });
    let mut tail = app.tail(&wish, "text/plain").await;
    // Meanwhile.
    let (own, status) = tried(&neighbour, "for n in $(seq 1000); do echo line $n; done").await;
    assert_eq!(own, (1..=1000).map(|n| format!("line {n}")).collect::<Vec<_>>(), "none missing, none out of order");
    assert_eq!(status, "0");
    responsive(&street.flow).await;
    let over = async {
        loop {
            // A reader that falls behind is let go, and may come again.
            match tail.line().await {
                Some(line) if line.contains(&end) => break,
                Some(_) => {}
                None => tail = app.tail(&wish, "text/plain").await,
            }
        }
    };
    within("the end of the flood", over).await;
    let log = app.logs().await;
    // Nothing was dropped unsaid: the last lines are there, or how many are not.
    assert!(log.contains(&format!("flood {FLOOD}")) || log.contains("Error L10"), "{}", log.lines().last().unwrap());
    assert!(log.lines().count() <= 1500);
    let folder =
        street.flow.files("logs").into_iter().map(|file| street.flow.dir().join(file).metadata().unwrap().len());
    let kept: u64 = folder.sum();
    assert!(kept < 40_000_000, "{kept} bytes of logs");
    street.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l10_lines_that_nobody_reads_are_dropped_and_counted() {
    let mut flow = super::flow().await;
    let source = Source::answering("hello")
        .with("bombs.py", super::BOMBS)
        .with("Procfile", "web: python3 bombs.py serve_floods\n");
    flow.app("malicious").await.push(source).await.released("v3");
    flow.end_serve(Signal::KILL).await;
    let path = format!("/{FLOOD}");
    let over = flow.known_app("malicious").get(&path).await;
    assert_eq!(over.text(), "the flood is over");
    flow.start_serve().await;
    let app = flow.known_app("malicious");
    let mut said = app.tail(&json!({ "lines": 1500, "tail": true, "source": "heroku" }), "text/plain").await;
    let line = said.until("Error L10 (output buffer overflow): ").await.pop().unwrap();
    let dropped = line.split_once("overflow): ").unwrap().1.split_once(' ').unwrap().0.parse::<u32>().unwrap();
    app.log_says(&format!("flood {FLOOD}")).await;
    let texts = flow.files("logs").into_iter().map(|file| std::fs::read_to_string(flow.dir().join(file)).unwrap());
    let kept: usize = texts.map(|text| text.matches("]: flood ").count()).sum();
    assert_eq!(dropped + u32::try_from(kept).unwrap(), FLOOD, "each line is either there or counted: {line}");
}
