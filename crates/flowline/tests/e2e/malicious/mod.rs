//! A malicious app: what it tries is stopped, the reason is said where it ran into a limit, and its neighbour, an app that
//! knows nothing of it, answers all the while.

mod bombs;
mod crowd;
mod remains;
mod walls;

use crate::flow;
use serde_json::json;
use testkit::{App, Flow, Load, Source, within};

/// What its programs have in common: they run as one-off dynos and print one line for each try.
const KERNEL: &str = include_str!("kernel.py");
const FILES: &str = include_str!("files.py");
const NETWORK: &str = include_str!("network.py");
const BOMBS: &str = include_str!("bombs.py");

/// How often the neighbour is visited.
const VISITS_PER_SECOND: u64 = 20;

/// A Flowline with a neighbour that is visited all the time, and a malicious app.
struct Street {
    flow: Flow,
    load: Load,
}

impl Street {
    async fn new() -> Self {
        let flow = flow().await;
        let neighbour = flow.app("neighbour").await;
        neighbour.push(Source::answering("fine").with("network.py", NETWORK)).await.released("v3");
        neighbour.served("/", "fine").await;
        let source = Source::answering("hello").with("kernel.py", KERNEL).with("files.py", FILES);
        let source = source.with("network.py", NETWORK).with("bombs.py", BOMBS);
        flow.app("malicious").await.push(source).await.released("v3");
        let load = Load::start(&flow, &neighbour.host(), VISITS_PER_SECOND);
        Self { flow, load }
    }

    fn malicious(&self) -> App<'_> {
        self.flow.known_app("malicious")
    }

    fn neighbour(&self) -> App<'_> {
        self.flow.known_app("neighbour")
    }

    /// The neighbour was answered every time, also after everything that the other one did.
    async fn end(self) {
        let before = self.load.answered();
        let more = async {
            while self.load.answered() < before + VISITS_PER_SECOND {
                tokio::task::yield_now().await;
            }
        };
        within("the neighbour's answers", more).await;
        let outcome = self.load.stop().await;
        assert_eq!(outcome.failed, 0, "the neighbour: {:?}", outcome.failures);
        assert!(outcome.answered > VISITS_PER_SECOND, "{outcome:?}");
    }
}

/// Runs a command in a one-off dyno to its end: its own lines, and how the platform says it ended.
async fn tried(app: &App<'_>, command: &str) -> (Vec<String>, String) {
    let name = app.run(command).await;
    let end = format!("heroku[{name}]: Process exited with status ");
    let mut tail = app.tail(&json!({ "lines": 1500, "tail": true, "dyno": name }), "text/plain").await;
    let lines = tail.until(&end).await;
    let own = format!(" app[{name}]: ");
    let said = lines.iter().filter_map(|line| Some(line.split_once(&own)?.1.to_owned())).collect();
    (said, lines.last().and_then(|line| line.split_once(&end)).map(|(_, status)| status.to_owned()).unwrap())
}
