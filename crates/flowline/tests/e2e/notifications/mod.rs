//! Alarms: who is told of what breaks and what is mended, by mail, by a signed post, in the log; and what each account finds unread.

mod mailed;
mod of_pipelines;
mod read;
mod routed;

use serde_json::{Value, json};
use testkit::{App, Flow, MailTarget, Source, Start, eventually};

/// A Flowline that hands its mails in at this server, and takes what crashed for mended after a second.
async fn flow_with(target: &MailTarget) -> Flow {
    let url = format!("smtp://{}?tls=none", target.addr);
    let words = ["--smtp-url", &url, "--smtp-from", "flowline@example.org", "--calm-after-s", "1"];
    Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with(&words)).await
}

/// It cannot be built.
fn broken() -> Source {
    Source::answering("broken").with("app.json", "{")
}

/// Its build script fails after one line of it said why.
fn failing() -> Source {
    let package = json!({ "name": "x", "version": "1.0.0", "scripts": { "build": "sh build.sh" } });
    let script = "echo compiling\necho 'fatal: no table basket'\necho done\nexit 1\n";
    Source::answering("broken").with("package.json", &package.to_string()).with("build.sh", script)
}

/// A route; its id and the secret that came with it.
async fn route(app: &App<'_>, body: Value) -> (String, String) {
    let answer = app.call("POST", "/notification-routes", Some(&body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap_or_default().to_owned())
}

/// Waits until the notices of an app, oldest first, are as wanted.
async fn notices(app: &App<'_>, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let there = async || Some(app.read("/notices").await.as_array().unwrap().clone()).filter(|all| wanted(all));
    eventually(what, there).await
}
