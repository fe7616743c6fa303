//! What an app's owner may wish of the router: own pages, visitors that stay with their dyno.

use crate::flow;
use serde_json::json;
use testkit::Source;

#[tokio::test]
async fn route_61_own_pages_come_from_the_config_and_route_62_each_in_its_place() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app.config(json!({ "ERROR_PAGE_URL": "https://p.test/error", "MAINTENANCE_PAGE_URL": "https://p.test/later" }))
        .await;
    app.scale("web", 0).await;
    app.served_status("/", 503).await;
    let shown = async || app.get("/").await.text().contains("<iframe src=\"https://p.test/error\"");
    testkit::until("the page of the config var", shown).await;
    assert_eq!(app.call("PATCH", "", Some(&json!({ "maintenance": true }))).await.status, 200);
    assert!(app.get("/").await.text().contains("<iframe src=\"https://p.test/later\""));
    assert_eq!(app.call("PATCH", "", Some(&json!({ "maintenance": false }))).await.status, 200);
    app.config(json!({ "ERROR_PAGE_URL": null })).await;
    let gone = async || !app.get("/").await.text().contains("iframe");
    testkit::until("the end of the page with its config var", gone).await;
}

#[tokio::test]
async fn route_16_session_affinity_is_a_feature() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    assert_eq!(app.get("/").await.header("set-cookie"), "");
    let on = app.call("PATCH", "/features/http-session-affinity", Some(&json!({ "enabled": true }))).await;
    assert_eq!(on.status, 200, "{}", on.text());
    assert!(app.get("/").await.header("set-cookie").starts_with("heroku-session-affinity="));
}
