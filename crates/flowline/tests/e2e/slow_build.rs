//! A build that takes as long as a test wants.

use serde_json::json;
use testkit::{Flow, Source, Start};

/// A build that waits until the test lets it go on, and a Flowline where it can: the build script fetches from the test.
pub(crate) struct SlowBuild {
    gate: std::net::SocketAddr,
    open: tokio::sync::watch::Sender<bool>,
}

/// The server is started with these words.
pub(crate) async fn slow_build(words: &[&str]) -> (SlowBuild, Flow) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let gate = listener.local_addr().unwrap();
    let (open, opened) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let mut opened = opened.clone();
            tokio::spawn(async move {
                // Held open until the gate is: the script reads to the end.
                let _told = opened.wait_for(|open| *open).await.is_ok();
                drop(stream);
            });
        }
    });
    let start = Start::of(env!("CARGO_BIN_EXE_flowline")).with(words).with_host_service(gate);
    (SlowBuild { gate, open }, Flow::start_as(start).await)
}

impl SlowBuild {
    pub(crate) fn source(&self) -> Source {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3; echo through the gate", self.gate.port());
        let package = json!({ "name": "slow", "scripts": { "build": format!("bash -c '{script}'") } });
        Source::answering("slowly built").with("package.json", &package.to_string())
    }

    pub(crate) fn go_on(&self) {
        self.open.send_replace(true);
    }
}
