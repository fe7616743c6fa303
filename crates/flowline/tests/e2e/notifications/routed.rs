//! Routes: made, refused, removed; signed posts, the log, time for the author, everything by the command line.

use super::{broken, flow_with, notices, route};
use crate::flow;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::{HookTarget, MailTarget, MailTls, Reply, Source};

#[tokio::test]
async fn a_release_that_fails_is_posted_signed_and_stands_in_the_log() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let mut hook = HookTarget::start().await.answering([Reply::Status(500)]);
    let body = json!({ "to": [hook.url("/alarms")], "kinds": ["release"], "severity": "info" });
    let (_, secret) = route(&app, body).await;
    assert_eq!(secret.len(), 64);
    route(&app, json!({ "to": ["log"] })).await;
    app.push(Source::answering("one")).await.released("v3");
    let phase = |command: &str| {
        Source::answering("two").with("Procfile", &format!("web: python3 server.py\nrelease: {command}\n"))
    };
    app.push(phase("echo 'error: column is missing'; exit 1")).await.release_failed();
    app.log_says("Alarm: shop: release broken: The release command of v4").await;
    app.push(phase("echo fine")).await.released("v5");
    let mut told: Vec<Value> = Vec::new();
    while told.len() < 3 {
        let post = hook.next().await;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = STANDARD.decode(post.header("heroku-webhook-hmac-sha256")).unwrap();
        hmac::verify(&key, &post.body, &signed).expect("the signature is of the raw body");
        for news in post.json()["notices"].as_array().unwrap() {
            if !told.iter().any(|known| known["id"] == news["id"]) {
                told.push(news.clone());
            }
        }
    }
    let turns: Vec<_> = told.iter().map(|one| one["turn"].as_str().unwrap()).collect();
    assert_eq!(turns, ["well", "broken", "fixed"], "in order past an answer 500: {told:?}");
    assert_eq!(told[1]["first_failing_line"], "error: column is missing");
    assert_eq!((&told[1]["severity"], &told[1]["app"]["name"]), (&json!("critical"), &json!("shop")));
    let tried = notices(&app, "all are sent", |all| all.iter().all(|one| one["status"] == "sent")).await;
    assert_eq!(tried.iter().map(|one| one["num_attempts"].as_u64().unwrap()).max(), Some(2));
}

#[tokio::test]
async fn who_is_told_later_hears_nothing_when_the_author_mends_it_in_time() {
    let mut target = MailTarget::start(MailTls::None).await;
    let flow = flow_with(&target).await;
    let app = flow.app("shop").await;
    route(&app, json!({ "to": ["boss@example.org"], "after_s": 3600 })).await;
    let answer = flow.post("/notification-routes", &json!({ "to": ["ops@example.org"], "severity": "critical" })).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    app.push(broken()).await.declined("Push rejected");
    assert_eq!(target.next().await.to, "admin@localhost");
    app.push(Source::answering("one")).await.released("v3");
    assert_eq!(target.next().await.to, "admin@localhost");
    let over = |all: &[Value]| all.len() == 3 && all.iter().all(|one| one["status"] != "pending");
    let all = notices(&app, "the end of all notices", over).await;
    let ends: Vec<_> = all.iter().map(|one| (one["to"].as_str().unwrap(), one["status"].as_str().unwrap())).collect();
    assert!(ends.contains(&("boss@example.org", "withdrawn")), "{ends:?}");
    assert!(target.unread().is_empty(), "a build is not critical");
}

#[tokio::test]
async fn what_is_no_route_is_refused() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for (wrong, words) in [
        (json!({}), "`to`"),
        (json!({ "to": [] }), "write e-mail addresses"),
        (json!({ "to": ["ops"] }), "no e-mail address"),
        (json!({ "to": ["log", "author"] }), "stand alone"),
        (json!({ "to": ["https://x y"] }), "http or https"),
        (json!({ "to": ["log"], "kinds": ["fire"] }), "must be one of build, release"),
        (json!({ "to": ["log"], "severity": "loud" }), "info, warning or critical"),
        (json!({ "to": ["log"], "after_s": 86_401 }), "after_s"),
        (json!({ "to": ["ops@example.org"] }), "no mail server"),
    ] {
        let answer = app.call("POST", "/notification-routes", Some(&wrong)).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{wrong}");
        assert!(answer.text().contains(words), "{wrong}: {}", answer.text());
    }
    for _ in 0..20 {
        route(&app, json!({ "to": ["log"] })).await;
    }
    let one_more = app.call("POST", "/notification-routes", Some(&json!({ "to": ["log"] }))).await;
    assert!(one_more.text().contains("which is the limit"), "{}", one_more.text());
}

#[tokio::test]
async fn notifications_by_the_command_line() {
    let mut target = MailTarget::start(MailTls::None).await;
    let flow = flow_with(&target).await;
    let app = flow.app("shop").await;
    let run = async |words: &[&str]| {
        let output = flow.cli(words).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        said
    };
    assert!(run(&["notifications", "-a", "shop"]).await.contains("Only the author of a change is told"));
    run(&["notifications:add", "--to", "ops@example.org", "--kind", "build,crash", "--severity", "info", "-a", "shop"])
        .await;
    run(&["notifications:add", "--to", "log", "--server"]).await;
    assert!(run(&["notifications", "--server"]).await.contains("log"));
    let listed = run(&["notifications", "-a", "shop"]).await;
    assert!(listed.contains("ops@example.org") && listed.contains("build,crash"), "{listed}");
    let id = app.read("/notification-routes").await[0]["id"].as_str().unwrap().to_owned();
    run(&["notifications:test", &id, "-a", "shop"]).await;
    let mail = target.next().await;
    assert_eq!(
        (mail.to.as_str(), mail.header("Subject").as_str()),
        ("ops@example.org", "shop: a test of notifications")
    );
    assert!(run(&["alarms", "-a", "shop"]).await.contains("is broken."));
    app.push(broken()).await.declined("Push rejected");
    assert!(run(&["alarms", "-a", "shop"]).await.contains("app.json cannot be used"));
    notices(&app, "all are sent", |all| all.iter().all(|one| one["status"] == "sent")).await;
    let sent = run(&["notifications:sent", "-a", "shop"]).await;
    assert!(sent.contains("shop: build broken") && sent.contains("admin@localhost") && sent.contains("log"), "{sent}");
    run(&["notifications:remove", &id, "-a", "shop"]).await;
    assert_eq!(app.read("/notification-routes").await, json!([]));
}
