//! `kill -9` of every part at random moments, under a load of visits and changes: docs/decisions/0012-chaos.md.
//!
//! `CHAOS_KILLS` and `CHAOS_SEED` make it longer or repeat the decisions of a run; `make chaos` sets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a long run says how far it is, and its figures")]
#![allow(clippy::disallowed_methods, reason = "tests read the environment of the machine they run on")]

mod agree;
mod changes;
mod dice;
mod kills;
mod machine;
mod summary;
mod visitors;

use changes::{App, Tally};
use kills::Killed;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use summary::Summary;
use testkit::Flow;
use visitors::{Failure, Visitors};

/// Without `CHAOS_KILLS`: so many that a run takes less than a minute.
const FEW_KILLS: u64 = 16;

/// Between two lines that say how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// Requests a second; 300 in all.
const RATES: [(&str, u64); 2] = [("shop", 200), ("blog", 100)];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| value.parse().expect(name))
}

#[test]
fn whatever_is_killed_no_request_and_no_change_is_lost() {
    machine::adopt_orphans();
    let seed = setting("CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let kills = setting("CHAOS_KILLS").unwrap_or(FEW_KILLS);
    println!("chaos: seed {seed}, {kills} kills; the same decisions again: make chaos SEED={seed} KILLS={kills}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(seed, kills));
}

async fn run(seed: u64, kills: u64) {
    let flow = Arc::new(Flow::start(env!("CARGO_BIN_EXE_flowline")).await);
    let apps = [
        App::create(&flow, "shop", false, 2, seed).await,
        App::create(&flow, "blog", false, 1, seed).await,
        App::create(&flow, "jobs", true, 1, seed).await,
    ];
    let visitors = Visitors::start(flow.apps, &RATES);
    let (tally, killed, over) =
        (Arc::new(Tally::default()), Arc::new(Killed::default()), Arc::new(AtomicBool::new(false)));
    let changing: Vec<_> = apps
        .into_iter()
        .map(|app| app.change(Arc::clone(&flow), Arc::clone(&tally), Arc::clone(&killed), Arc::clone(&over)))
        .map(tokio::spawn)
        .collect();
    let killing =
        tokio::spawn(kills::kill_all(Arc::clone(&flow), Arc::clone(&killed), Arc::clone(&visitors.seen), kills, seed));
    while !killing.is_finished() && !changing.iter().any(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(PROGRESS).await;
        println!("chaos: {}", summary::progress(&killed, &tally, &visitors.seen));
    }
    over.store(true, Ordering::Relaxed);
    if changing.iter().any(tokio::task::JoinHandle::is_finished) {
        // A change went wrong; what follows says which.
        killing.abort();
    }
    let mut apps = Vec::new();
    for app in changing {
        apps.push(app.await.unwrap());
    }
    killing.await.unwrap();
    let mut wrong: Vec<String> = apps.iter().flat_map(|app| app.lost.clone()).collect();
    wrong.extend(agree::wait(&flow, &apps, &killed).await);
    let seen = visitors.stop().await;
    let summary = Summary::of(seed, &killed, &tally, &seen, wrong.len());
    println!("{summary}");
    let failed = summary.failed();
    if !wrong.is_empty() || !failed.is_empty() {
        let (server, router) = (flow.server_log(), router_errors(&flow, failed));
        let around: Vec<_> = failed.iter().take(3).map(|failure| killed.around(failure.from)).collect();
        panic!(
            "{wrong:#?}\n{failed:#?}\naround the first: {around:#?}\nstuck: {:#?}\nthe router said:\n{router}\nthe server said:\n{}",
            seen.stuck.lock().unwrap(),
            last_lines(&server)
        );
    }
    end(flow).await;
}

/// After Ctrl-C no process is left.
async fn end(flow: Arc<Flow>) {
    let mut flow = Arc::into_inner(flow).expect("nobody else has it");
    flow.end_serve(rustix::process::Signal::INT).await;
    let gone = async {
        while !machine::processes().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = tokio::time::timeout(testkit::PATIENCE, gone).await;
    assert!(gone.is_ok(), "left after the end: {:?}", machine::processes());
}

/// What the router answered itself and what became of dynos in the seconds in which a request failed, out of the apps' logs as
/// they lie on the disk.
fn router_errors(flow: &Flow, failed: &[Failure]) -> String {
    let near = |line: &str| failed.is_empty() || failed.iter().any(|failure| line.starts_with(&failure.second));
    let logs = flow.files("logs").into_iter().filter_map(|path| std::fs::read(flow.dir().join(path)).ok());
    let text: Vec<String> = logs.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    let lines = text
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| (line.contains("at=error") || line.contains(" heroku[web.")) && near(line));
    lines.take(80).collect::<Vec<_>>().join("\n")
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
