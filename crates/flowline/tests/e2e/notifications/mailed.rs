//! By mail: to the author first, only on change, past a mail server that is away and the end of the server.

use super::{broken, failing, flow_with, notices, route};
use rustix::process::Signal;
use serde_json::json;
use testkit::{MailReply, MailTarget, MailTls, Source};

#[tokio::test]
async fn a_broken_build_is_mailed_to_its_author_once_and_once_when_it_is_fixed() {
    let mut target = MailTarget::start(MailTls::None).await;
    let flow = flow_with(&target).await;
    let app = flow.app("shop").await;
    // Whoever wrote the commit, not whoever pushed it.
    flow.account("tester@localhost").await;
    let see = json!({ "user": "tester@localhost" });
    assert_eq!(app.call("POST", "/collaborators", Some(&see)).await.status, 201);
    let push = app.push(failing()).await.declined("Push rejected");
    let mail = target.next().await;
    assert_eq!((mail.to.as_str(), mail.from.as_str()), ("tester@localhost", "flowline@example.org"));
    assert_eq!(mail.header("Subject"), "shop: build broken");
    let text = mail.text();
    let commit = &push.commit[..8];
    for words in [&format!("The build of {commit} failed"), "fatal: no table basket", "Change by: tester@localhost"] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let alarm = app.read("/alarms").await[0].clone();
    assert_eq!((&alarm["kind"], &alarm["state"]), (&json!("build"), &json!("broken")));
    assert_eq!(alarm["first_failing_line"], "fatal: no table basket");
    app.push(broken().with("more", "still")).await.declined("Push rejected");
    assert_eq!(app.read("/alarms").await[0]["failures"], 2);
    app.push(Source::answering("one")).await.released("v3");
    let fixed = target.next().await;
    assert_eq!(fixed.header("Subject"), "shop: build fixed", "still broken is not repeated");
    assert!(fixed.text().contains("failed 2 times"), "{}", fixed.text());
    assert_eq!(fixed.header("References"), mail.header("References"), "one conversation");
    assert_eq!(app.read("/alarms").await, json!([]));
    app.push(Source::answering("two")).await.released("v4");
    let all = notices(&app, "both notices", |all| all.iter().all(|one| one["status"] == "sent")).await;
    let turns: Vec<_> = all.iter().map(|one| one["turn"].as_str().unwrap()).collect();
    assert_eq!(turns, ["broken", "fixed"]);
    assert!(target.unread().is_empty());
}

#[tokio::test]
async fn notices_outlive_kill_9_and_a_mail_server_that_is_away() {
    let target = MailTarget::start(MailTls::None).await.answering([MailReply::Later]);
    let mut flow = flow_with(&target).await;
    let app = flow.app("shop").await;
    route(&app, json!({ "to": ["ops@example.org"], "kinds": ["build"] })).await;
    app.push(broken()).await.declined("Push rejected");
    // One of the two was put off: it is tried again, and goes to the same one with the same id.
    let mut target = target;
    let came = [target.next().await, target.next().await];
    let mut to: Vec<&str> = came.iter().map(|mail| mail.to.as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, ["admin@localhost", "ops@example.org"]);
    let sent = |all: &[serde_json::Value]| all.len() == 2 && all.iter().all(|one| one["status"] == "sent");
    notices(&app, "both are sent", sent).await;
    let ports = target.end().await;
    app.push(Source::answering("one")).await.released("v3");
    let retrying = |all: &[serde_json::Value]| all.len() == 4 && all[2..].iter().all(|one| one["status"] == "retrying");
    let waiting = notices(&app, "attempts in vain", retrying).await;
    assert!(waiting[3]["why"].as_str().unwrap().contains("Connection"), "{waiting:?}");
    flow.end_serve(Signal::KILL).await;
    let mut target = MailTarget::start_at(ports, MailTls::None).await.answering([MailReply::TakeAndCut]);
    flow.start_serve().await;
    // One is taken but not acknowledged: it comes again, and its id says that it is the same.
    let came = [target.next().await, target.next().await, target.next().await];
    assert!(came.iter().all(|mail| mail.header("Subject") == "shop: build fixed"));
    let mut ids: Vec<String> = came.iter().map(|mail| mail.header("Message-ID")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
    let sent = |all: &[serde_json::Value]| all.len() == 4 && all.iter().all(|one| one["status"] == "sent");
    notices(&flow.known_app("shop"), "all are sent", sent).await;
}

#[tokio::test]
async fn a_crash_loop_is_told_with_its_first_line_and_when_it_has_run_for_a_while() {
    let mut target = MailTarget::start(MailTls::None).await;
    let flow = flow_with(&target).await;
    let app = flow.app("shop").await;
    let worker =
        |line: &str| Source::answering("one").with("Procfile", &format!("web: python3 server.py\nclock: {line}\n"));
    app.push(worker("echo starting; echo 'Exception: no database'; echo bye; exit 1")).await.released("v3");
    app.scale("clock", 1).await;
    let mail = target.next().await;
    assert_eq!(mail.header("Subject"), "shop: crash of clock.1 broken");
    assert!(mail.text().contains("Exception: no database"), "{}", mail.text());
    assert!(mail.text().contains("crashes again and again"), "{}", mail.text());
    app.push(worker("sleep 1000")).await.released("v4");
    let mail = target.next().await;
    assert_eq!(mail.header("Subject"), "shop: crash of clock.1 fixed");
    // Scaled away is mended, too.
    app.push(worker("exit 1")).await.released("v5");
    assert_eq!(target.next().await.header("Subject"), "shop: crash of clock.1 broken");
    app.scale("clock", 0).await;
    let mail = target.next().await;
    assert!(mail.text().contains("not wanted any more"), "{}", mail.text());
    assert_eq!(app.read("/alarms").await, json!([]));
}
