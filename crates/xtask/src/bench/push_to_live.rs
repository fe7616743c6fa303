//! From `git push` of a small change to its answer, minus what the app itself needs to boot.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::app_boot::boot;
use super::clock::now;
use super::figure::median;
use super::server::{Server, commit, git, io};
use super::{Aim, BenchError, Checkout, Figure};

/// A deploy that a person does not wait for.
const AIM_S: f64 = 1.5;
/// An odd number, so that the median is a measured one.
const PUSHES: usize = 7;
const APP: &str = "bench-push";

/// An app with 72 packages from the registry, as people write them.
const FIXTURE: &str = "crates/testkit/fixtures/node-express";

fn index_js(answer: usize) -> String {
    format!(
        "const app = require('express')();\n\
         app.get('/', (request, response) => response.send('{answer}'));\n\
         app.listen(process.env.PORT);\n"
    )
}

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let server = Server::start(checkout)?;
    server.flowline(&["apps:create", APP])?;
    let fixture = |name: &str| {
        let path = checkout.root.join(FIXTURE).join(name);
        std::fs::read_to_string(&path).map_err(io("cannot read the sample app"))
    };
    let (package, lock, procfile) = (fixture("package.json")?, fixture("package-lock.json")?, fixture("Procfile")?);
    let first = index_js(0);
    let files = [
        ("package.json", package.as_str()),
        ("package-lock.json", &lock),
        ("Procfile", &procfile),
        ("index.js", &first),
        (".gitignore", "node_modules\n"),
    ];
    let folder = server.repository(APP, &files)?;
    let begin = now();
    push(&server, &folder, 0)?;
    let first_push = begin.elapsed().as_secs_f64();
    let mut pushes = Vec::new();
    for answer in 1..=PUSHES {
        std::fs::write(folder.join("index.js"), index_js(answer)).map_err(io("cannot write index.js"))?;
        commit(&folder)?;
        pushes.push(push(&server, &folder, answer)?.as_secs_f64());
    }
    // By itself the app needs its packages too.
    let installed = Command::new("npm").args(["ci", "--silent"]).current_dir(&folder).stdin(Stdio::null()).status();
    installed.map_err(|error| BenchError::NotStarted("npm".to_owned(), error))?;
    let mut boots = Vec::new();
    for _ in 0..PUSHES {
        boots.push(boot(&folder)?.as_secs_f64());
    }
    let (push, boot) = (median(pushes), median(boots));
    Ok(vec![
        Figure::new("first_push", first_push, "s"),
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
