//! `kill -9` of the server in the middle of a setup: it goes on, or ends with the reason.

use super::{begin, over, source};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::{Flow, Source, Start, within};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// A service of the machine that answers nobody until it is opened.
struct Stop {
    addr: SocketAddr,
    reached: mpsc::Receiver<()>,
    open: watch::Sender<bool>,
}

impl Stop {
    async fn make() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (told, reached) = mpsc::channel(16);
        let (open, gate) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut gate = gate.clone();
                let _test_is_over = told.try_send(()).is_err();
                tokio::spawn(async move {
                    let _test_is_over = gate.wait_for(|open| *open).await.is_err();
                    drop(stream);
                });
            }
        });
        Self { addr, reached, open }
    }

    /// What a command does to be held.
    fn command(&self, after: &str) -> String {
        format!("echo before; exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3; echo {after}", self.addr.port())
    }

    async fn flow(&self) -> Flow {
        Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with_host_service(self.addr)).await
    }

    /// Lets the setup come to this point, and the server die there; the setup's end.
    async fn killed_at(mut self, source: &Source) -> Value {
        let mut flow = self.flow().await;
        let id = begin(&flow, source, json!({})).await;
        within("the setup's way to where it is held", self.reached.recv()).await.unwrap();
        flow.end_serve(Signal::KILL).await;
        flow.start_serve().await;
        self.open.send_replace(true);
        over(&flow, &id).await
    }
}

#[tokio::test]
async fn appjson_6_a_postdeploy_command_outlives_the_server_and_runs_once() {
    let stop = Stop::make().await;
    let about = json!({ "scripts": { "postdeploy": { "command": stop.command("after") } } });
    let setup = stop.killed_at(&source(&about)).await;
    assert_eq!(setup["status"], "succeeded", "{setup:#}");
    assert_eq!(setup["postdeploy"]["exit_code"], 0);
    // A line that was on its way when the server was killed may come twice; what came after it was run once.
    let output = setup["postdeploy"]["output"].as_str().unwrap();
    assert!(["before\nafter\n", "before\nbefore\nafter\n"].contains(&output), "{output}");
}

#[tokio::test]
async fn appjson_9_a_release_phase_outlives_the_server_and_the_rest_follows() {
    let stop = Stop::make().await;
    let about = json!({
        "formation": { "worker": { "quantity": 1 } }, "scripts": { "postdeploy": "echo $SIZE seeded" },
        "env": { "SIZE": "well" }, "success_url": "https://example.com/done",
    });
    let procfile = format!("web: python3 server.py\nworker: cat\nrelease: {}\n", stop.command("migrated"));
    let setup = stop.killed_at(&source(&about).with("Procfile", &procfile)).await;
    assert_eq!(setup["status"], "succeeded", "{setup:#}");
    assert_eq!(setup["postdeploy"]["output"], "well seeded\n");
    assert_eq!(setup["resolved_success_url"], "https://example.com/done");
}

#[tokio::test]
async fn a_setup_whose_build_did_not_outlive_the_server_fails_and_says_why() {
    let stop = Stop::make().await;
    let script = format!("bash -c '{}'", stop.command("built"));
    let package = json!({ "name": "slow", "scripts": { "build": script } });
    let source = source(&json!({ "scripts": { "postdeploy": "echo never" } }));
    let setup = stop.killed_at(&source.with("package.json", &package.to_string())).await;
    assert_eq!(setup["status"], "failed", "{setup:#}");
    assert!(setup["failure_message"].as_str().unwrap().contains("Flowline was stopped during the build"), "{setup:#}");
    assert_eq!((&setup["postdeploy"], &setup["build"]["status"]), (&Value::Null, &json!("failed")));
}

#[tokio::test]
async fn a_setup_whose_source_was_still_being_fetched_fails_and_says_why() {
    let mut stop = Stop::make().await;
    let mut flow = stop.flow().await;
    let blob = json!({ "source_blob": { "url": format!("http://{}/slow.tgz", stop.addr) } });
    let id = begin(&flow, &Source::empty(), blob).await;
    within("the fetch", stop.reached.recv()).await.unwrap();
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let setup = over(&flow, &id).await;
    let why = setup["failure_message"].as_str().unwrap();
    assert_eq!((setup["status"].as_str(), why.contains("before the build began")), (Some("failed"), true), "{setup:#}");
    assert_eq!(flow.delete("/apps/shop").await.status, 200);
}
