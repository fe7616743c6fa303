//! From `git push` of a small change to its answer, minus what the app itself needs to boot.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::figure::median;
use super::server::{Server, commit, git, io};
use super::{Aim, BenchError, Checkout, Figure};

/// A deploy that a person does not wait for.
const AIM_S: f64 = 1.5;
/// An odd number, so that the median is a measured one.
const PUSHES: usize = 7;
const APP: &str = "bench-push";

const PACKAGE: &str =
    r#"{"name": "bench", "version": "1.0.0", "private": true, "scripts": {"start": "node server.js"}}"#;
const LOCK: &str = r#"{"name": "bench", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "bench", "version": "1.0.0"}}}"#;
const PROCFILE: &str = "web: node server.js\n";

fn server_js(answer: usize) -> String {
    format!("require('http').createServer((_, answer) => answer.end('{answer}')).listen(process.env.PORT);\n")
}

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let server = Server::start(checkout)?;
    server.flowline(&["apps:create", APP])?;
    let first = server_js(0);
    let files = [("package.json", PACKAGE), ("package-lock.json", LOCK), ("Procfile", PROCFILE), ("server.js", &first)];
    let folder = server.repository(APP, &files)?;
    push(&server, &folder, 0)?;
    let mut pushes = Vec::new();
    for answer in 1..=PUSHES {
        std::fs::write(folder.join("server.js"), server_js(answer)).map_err(io("cannot write server.js"))?;
        commit(&folder)?;
        pushes.push(push(&server, &folder, answer)?.as_secs_f64());
    }
    let mut boots = Vec::new();
    for _ in 0..PUSHES {
        boots.push(boot(&folder)?.as_secs_f64());
    }
    let (push, boot) = (median(pushes), median(boots));
    Ok(vec![
        Figure::new("push_to_answer", push, "s"),
        Figure::new("app_boot", boot, "s"),
        Figure::new("push_to_live", push - boot, "s").aiming_at(Aim::Value(AIM_S)),
    ])
}

/// Pushes, and asks until the new code answers.
fn push(server: &Server, folder: &Path, answer: usize) -> Result<Duration, BenchError> {
    let begin = now();
    git(folder, &["push", "--quiet", "flowline", "main"])?;
    while server.get(APP)? != answer.to_string() {
        std::thread::yield_now();
    }
    Ok(begin.elapsed())
}

/// The app by itself, from its start until it accepts a connection.
fn boot(folder: &Path) -> Result<Duration, BenchError> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.map_err(io("no free port"))?;
    let begin = now();
    let mut command = Command::new("node");
    command.arg("server.js").current_dir(folder).env("PORT", address.port().to_string()).stdin(Stdio::null());
    let mut app = command.spawn().map_err(|error| BenchError::NotStarted("node".to_owned(), error))?;
    while TcpStream::connect(address).is_err() && matches!(app.try_wait(), Ok(None)) {
        std::thread::yield_now();
    }
    let taken = begin.elapsed();
    app.kill().and_then(|()| app.wait()).map_err(io("cannot stop the app"))?;
    Ok(taken)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and has no runtime whose time could be paused"
)]
fn now() -> Instant {
    Instant::now()
}
