//! Config vars.

use crate::payload::release;
use crate::support::{Reply, Server};
use serde_json::json;

async fn server(status: &'static str) -> Server {
    Server::start(move |seen, _| match seen.line.as_str() {
        "GET /apps/shop/config-vars" => Reply::json(200, &json!({ "A": "1", "LONG_NAME": "x y" })),
        "GET /apps/empty/config-vars" => Reply::json(200, &json!({})),
        "PATCH /apps/shop/config-vars" => Reply::json(200, &json!({ "A": "b=c", "B": "", "LONG_NAME": "x y" })),
        "GET /apps/shop/releases" => Reply::json(206, &json!([release(10, status, "Set A config vars")])),
        other => Reply::error(404, "not_found", other),
    })
    .await
}

#[tokio::test]
async fn conf_1_vars_are_listed() {
    let server = server("succeeded").await;
    let ran = server.run(&["config", "-a", "shop"]).await;
    assert_eq!(ran.out, "=== ⬢ shop Config Vars\n\nA:          1\nLONG_NAME:  x y\n");
    assert_eq!(server.run(&["config", "-a", "shop", "-s"]).await.out, "A=1\nLONG_NAME='x y'\n");
    assert_eq!(server.run(&["config", "-a", "shop", "--json"]).await.json(), json!({ "A": "1", "LONG_NAME": "x y" }));
    assert_eq!(server.run(&["config", "-a", "empty"]).await.out, "⬢ empty has no config vars.\n");
}

#[tokio::test]
async fn a_var_that_is_not_set_is_not_found() {
    let server = server("succeeded").await;
    let ran = server.run(&["config:get", "A", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "1\n"));
    let ran = server.run(&["config:get", "A", "B", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (4, "1\n\n"));
    assert!(ran.err.contains("B is not set on shop."), "{ran:?}");
}

#[tokio::test]
async fn conf_8_setting_says_the_release() {
    let server = server("succeeded").await;
    let ran = server.run(&["config:set", "A=b=c", "B=", "-a", "shop"]).await;
    assert_eq!(ran.code, 0);
    assert_eq!(ran.err, "Setting A, B and restarting ⬢ shop... done, v10\n");
    assert_eq!(ran.out, "A:  b=c\nB:\n");
    let seen = server.seen();
    assert_eq!(seen[0].body, json!({ "A": "b=c", "B": "" }));
    assert_eq!(seen[1].header("range"), Some("version ..; order=desc,max=1"));
    let ran = server.run(&["config:unset", "A", "-a", "shop"]).await;
    assert_eq!((ran.err.as_str(), ran.out.as_str()), ("Unsetting A and restarting ⬢ shop... done, v10\n", ""));
    assert_eq!(server.seen()[2].body, json!({ "A": null }));
}

#[tokio::test]
async fn conf_8_a_pair_needs_its_sign() {
    let server = server("succeeded").await;
    let ran = server.run(&["config:set", "GOOD=1", "X", "-a", "shop"]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with(" ▸    X is invalid. Must be in the format FOO=bar.\n"), "{ran:?}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn relph_21_a_pending_release_is_announced() {
    let server = server("pending").await;
    let ran = server.run(&["config:set", "A=1", "-a", "shop"]).await;
    assert!(ran.err.contains("v10 is not current until it succeeds"), "{ran:?}");
}
