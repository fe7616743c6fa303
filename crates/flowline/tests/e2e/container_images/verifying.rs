//! The check on the running server, by an image of the type `verify`.

use super::pushing::{Image, Registry, container, release};
use crate::flow;
use serde_json::json;

#[tokio::test]
async fn verify_an_image_checks_the_release_and_gives_its_green_light() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let asks =
        "busybox wget -q -O - $FLOWLINE_VERIFY_URL/answer.txt && echo \" was the answer to $FLOWLINE_RELEASE_VERSION\"";
    let web = registry.push(&app, "web", &Image::serving("one")).await;
    let check = Image::of("c", json!({ "Cmd": ["/bin/sh", "-c", asks], "Env": ["PATH=/bin"] }));
    let check = registry.push(&app, "verify", &check).await;
    let made = release(&app, &[("web", Some(&web)), ("verify", Some(&check))]).await;
    assert_eq!(made.status, 200, "{}", made.text());
    app.log_says("Verify of v3: green: it passed").await;
    let check = app.read("/verifications/1").await;
    assert_eq!((&check["status"], &check["requests"]), (&json!("green"), &json!(1)), "{check}");
    let printed = flow.read_address(&check["output_stream_url"]).await.text();
    assert!(printed.contains("one was the answer to v3"), "{printed}");
}
