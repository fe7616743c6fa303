//! A deploy drops no request.

use crate::flow;
use serde_json::json;
use testkit::{App, Load, Source};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_a_second_across_ten_deploys_with_none_failed() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("deploy 0")).await.released("v3");
    app.scale("web", 2).await;
    app.log_says("heroku[web.2]: State changed from starting to up").await;
    let load = Load::start(&flow, &app.host(), 200);
    for deploy in 1..=10 {
        let before = load.answered();
        let text = format!("deploy {deploy}");
        app.push(Source::answering(&text))
            .await
            .released(&format!("v{}", deploy + 3))
            .says("Verifying deploy... done.");
        app.served("/", &text).await;
        assert!(load.answered() > before, "nobody visited during deploy {deploy}");
    }
    app.config(json!({ "A": "1" })).await;
    app.served("/env/A", "1").await;
    let mut counted = 0;
    for version in 4..=14 {
        let receipt = app.receipt(version).await;
        let fared = (&receipt["failed"], &receipt["held"]);
        assert!(
            fared == (&json!(0), &json!(0)),
            "v{version}: {receipt}\n{}\n{:?}\n{}",
            flow.server_log(),
            load.failures().await,
            what_befell(&app).await
        );
        counted += receipt["requests"].as_u64().unwrap();
    }
    // Not in each: how many visitors come while a dyno boots is for the machine to say.
    assert!(counted > 0, "the receipts count no request");
    let outcome = load.stop().await;
    assert_eq!(outcome.failed, 0, "of {}: {:?}", outcome.answered, outcome.failures);
    assert!(outcome.answered > 200, "{}", outcome.answered);
    let shown = flow.cli(&["releases:info", "v13", "-a", "shop"]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("0 held, 0 failed; cut over in "), "{shown:?}");
}

/// What the log says of dynos and of requests that failed.
async fn what_befell(app: &App<'_>) -> String {
    let logs = app.logs().await;
    let lines: Vec<_> = logs.lines().filter(|line| !line.contains("at=info")).collect();
    lines.join("\n")
}
