//! App features.

use crate::support::{Reply, Server};
use serde_json::json;

async fn server() -> Server {
    let feature =
        |name: &str, enabled: bool| json!({ "name": name, "description": "What it does", "enabled": enabled });
    Server::start(move |seen, _| match seen.line.as_str() {
        "GET /apps/shop/features" => Reply::json(200, &json!([feature("short", true), feature("longer-one", false)])),
        "PATCH /apps/shop/features/short" => Reply::json(200, &feature("short", seen.body["enabled"] == true)),
        other => Reply::error(404, "not_found", other),
    })
    .await
}

#[tokio::test]
async fn features_are_listed_with_a_mark() {
    let server = server().await;
    let listed = "=== App Features ⬢ shop\n\n[+] short       What it does\n[ ] longer-one  What it does\n";
    for name in ["features", "labs"] {
        assert_eq!(server.run(&[name, "-a", "shop"]).await.out, listed);
    }
    assert_eq!(server.run(&["features", "-a", "shop", "--json"]).await.json()[0]["name"], "short");
}

#[tokio::test]
async fn features_are_switched() {
    let server = server().await;
    for (words, said, enabled) in [
        ("features:enable", "Enabling short for ⬢ shop... done\n", true),
        ("labs:enable", "Enabling short for ⬢ shop... done\n", true),
        ("features:disable", "Disabling short for ⬢ shop... done\n", false),
        ("labs:disable", "Disabling short for ⬢ shop... done\n", false),
    ] {
        let ran = server.run(&[words, "short", "-a", "shop"]).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, said), "{ran:?}");
        assert_eq!(server.seen().last().unwrap().body, json!({ "enabled": enabled }));
    }
    assert_eq!(server.run(&["labs:enable", "no-such", "-a", "shop"]).await.code, 4);
}
