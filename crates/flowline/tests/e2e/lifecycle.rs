//! What an app goes through over days: features, old code that goes, a disk that fills; and the figures that tell of it.

use crate::flow;
use serde_json::json;
use testkit::Source;

#[tokio::test]
async fn dyno_25_a_dyno_knows_itself_when_the_app_asks_for_it() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let commit = app.push(Source::answering("one")).await.released("v3").commit;
    let feature = "/features/runtime-dyno-metadata";
    assert_eq!(app.read(feature).await["enabled"], false);
    app.run("env | grep -c HEROKU_").await;
    app.log_says(": 0").await;
    let on = app.call("PATCH", feature, Some(&json!({ "enabled": true }))).await;
    assert_eq!((on.status.as_u16(), &on.json()["enabled"]), (200, &json!(true)));
    app.log_says("Enable runtime-dyno-metadata feature by user admin@localhost").await;
    app.run("env | grep ^HEROKU_ | sort").await;
    let (shop, release) = (app.read("").await, app.latest_release().await);
    for line in [
        "HEROKU_APP_DEFAULT_DOMAIN_NAME=shop.localhost".to_owned(),
        format!("HEROKU_APP_ID={}", shop["id"].as_str().unwrap()),
        "HEROKU_APP_NAME=shop".to_owned(),
        "HEROKU_DYNO_ID=".to_owned(),
        format!("HEROKU_RELEASE_CREATED_AT={}", release["created_at"].as_str().unwrap()),
        "HEROKU_RELEASE_VERSION=v3".to_owned(),
        format!("HEROKU_SLUG_COMMIT={commit}"),
        format!("HEROKU_SLUG_DESCRIPTION=Deploy {}", &commit[..8]),
    ] {
        app.log_says(&line).await;
    }
    assert_eq!(app.latest_release().await["version"], 3, "no release is made");
}

#[tokio::test]
async fn features_are_listed_found_by_id_and_kept() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    let all = app.read("/features").await;
    let names: Vec<_> = all.as_array().unwrap().iter().map(|feature| feature["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["http-session-affinity", "log-runtime-metrics", "runtime-dyno-metadata"]);
    let by_id = format!("/features/{}", all[1]["id"].as_str().unwrap());
    app.call("PATCH", &by_id, Some(&json!({ "enabled": true }))).await;
    for (path, body, status) in [
        ("/features/preboot", json!({ "enabled": true }), 404),
        ("/features/log-runtime-metrics", json!({}), 422),
        ("/features/log-runtime-metrics", json!({ "enabled": "yes" }), 422),
    ] {
        assert_eq!(app.call("PATCH", path, Some(&body)).await.status, status, "{path} {body}");
    }
    // `labs:enable -a` asks for the account's feature first, and goes on to the app's when there is none.
    assert_eq!(flow.get("/account/features/log-runtime-metrics").await.status, 404);
    assert_eq!(flow.get("/account/features").await.json(), json!([]));
    flow.end_serve(rustix::process::Signal::KILL).await;
    flow.start_serve().await;
    assert_eq!(flow.known_app("shop").read("/features/log-runtime-metrics").await["enabled"], true);
}

#[tokio::test]
async fn dyno_50_a_limited_life_is_counted_from_the_start_also_by_the_next_server() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let body = json!({ "command": "echo began; cat /dev/zero > /dev/null", "time_to_live": 2, "attach": false });
    assert_eq!(app.call("POST", "/dynos", Some(&body)).await.status, 201);
    app.log_says(": began").await;
    flow.end_serve(rustix::process::Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    app.log_says("Its time to live is over").await;
    app.log_says("State changed from up to complete").await;
}
