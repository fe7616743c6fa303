//! Releases, rollback and builds.

use crate::payload::{build, release};
use crate::support::{Reply, Server};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

fn ledger() -> Value {
    let mut current = release(10, "succeeded", "Set A config vars");
    current["current"] = json!(true);
    json!([
        release(12, "pending", "Deploy 0123abcd"),
        release(11, "failed", "Deploy fedc3210"),
        current,
        release(9, "succeeded", "Deploy 00000000")
    ])
}

async fn server() -> Server {
    let streamed = AtomicBool::new(false);
    Server::start(move |seen, url| {
        let with_output = |version, status: &str| {
            let mut release = release(version, status, "Rollback to v9");
            release["output_stream_url"] = json!(format!("{url}/streams/release"));
            release
        };
        match seen.line.as_str() {
            "GET /apps/shop/releases"
                if seen.header("range").is_some_and(|range| range.contains("max=1;") || range.ends_with("max=1")) =>
            {
                Reply::json(206, &json!([release(12, "succeeded", "Deploy 0123abcd")]))
            }
            "GET /apps/shop/releases" => {
                Reply::json(206, &ledger()).with("next-range", "version ..8; max=4, order=desc")
            }
            "GET /apps/new/releases" => Reply::json(200, &json!([])),
            "GET /apps/shop/releases/9" => Reply::json(200, &release(9, "succeeded", "Deploy 00000000")),
            "GET /apps/shop/releases/01234567-89ab-cdef-0123-000000000012/config-vars" => {
                Reply::json(200, &json!({ "A": "1" }))
            }
            "GET /apps/shop/releases/01234567-89ab-cdef-0123-000000000012/receipt" => {
                let counted = json!({ "requests": 214, "in_flight": 3, "held": 0, "failed": 0, "cut_over_ms": 0.412 });
                Reply::json(200, &counted)
            }
            "POST /apps/shop/releases" => Reply::json(201, &with_output(13, "pending")),
            "GET /apps/shop/releases/01234567-89ab-cdef-0123-000000000013" => {
                let status = if streamed.load(Ordering::Relaxed) { "failed" } else { "pending" };
                Reply::json(200, &with_output(13, status))
            }
            "GET /streams/release" => {
                streamed.store(true, Ordering::Relaxed);
                Reply::text("text/plain", "migrating\nno such table")
            }
            "GET /apps/shop/builds" => Reply::json(200, &json!([build(1, "failed", url), build(2, "succeeded", url)])),
            "GET /apps/shop/builds/01234567-89ab-cdef-0123-000000000001" => Reply::json(200, &build(1, "failed", url)),
            "GET /streams/build-2" => Reply::text("text/plain", "-----> Node.js app detected\n"),
            other => Reply::error(404, "not_found", other),
        }
    })
    .await
}

#[tokio::test]
async fn relph_44_the_ledger_is_marked() {
    let server = server().await;
    let ran = server.run(&["releases", "-a", "shop", "-n", "4"]).await;
    let at = "2026/01/02 03:04:02 +0000 (~ 3s ago)";
    let expected = format!(
        "=== ⬢ shop Releases - Current: v10\n\n\
         v12  Deploy 0123abcd (release command executing)  ada@example.com  {at}\n\
         v11  Deploy fedc3210 (release command failed)     ada@example.com  {at}\n\
         v10  Set A config vars                            ada@example.com  {at}\n\
         v9   Deploy 00000000                              ada@example.com  {at}\n"
    );
    assert_eq!(ran.out, expected);
    assert_eq!(server.seen()[0].header("range"), Some("version ..; max=4, order=desc"));
    assert_eq!(server.seen().len(), 1, "one page is enough");
    assert_eq!(server.run(&["releases", "-a", "shop", "--json"]).await.json(), ledger());
    assert_eq!(server.run(&["releases", "-a", "new"]).await.out, "⬢ new has no releases.\n");
}

#[tokio::test]
async fn one_release_is_shown_with_its_config() {
    let ran = server().await.run(&["releases:info", "-a", "shop"]).await;
    assert!(ran.out.starts_with("=== Release v12\n\nBy:      ada@example.com\nChange:  Deploy 0123abcd\n"), "{ran:?}");
    let receipt = "Receipt: 214 requests: 3 in flight at the switch, 0 held, 0 failed; cut over in 0.412 ms\n";
    assert!(ran.out.contains(receipt), "{ran:?}");
    assert!(ran.out.ends_with("\n=== v12 Config vars\n\nA:  1\n"), "{ran:?}");
}

#[tokio::test]
async fn relph_42_a_release_without_output() {
    let ran = server().await.run(&["releases:output", "v9", "-a", "shop"]).await;
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("Release v9 has no release output available."), "{ran:?}");
}

#[tokio::test]
async fn relph_22_a_rollback_whose_command_fails_is_a_failure() {
    let server = server().await;
    let ran = server.run(&["rollback", "v9", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "migrating\nno such table"));
    assert!(ran.err.starts_with("Rolling back ⬢ shop to v9... done, v13\n"), "{ran:?}");
    assert!(ran.err.contains("The release command of v13 failed"), "{ran:?}");
    assert_eq!(server.seen()[1].body, json!({ "release": "01234567-89ab-cdef-0123-000000000009" }));
}

#[tokio::test]
async fn rls_7_rollback_goes_to_the_second_newest_that_may() {
    let server = server().await;
    let ran = server.run(&["rollback", "-a", "shop"]).await;
    assert!(ran.err.starts_with("Rolling back ⬢ shop to v9... done, v13\n"), "{ran:?}");
}

#[tokio::test]
async fn bld_1_builds() {
    let server = server().await;
    let ran = server.run(&["builds", "-a", "shop"]).await;
    let rows: Vec<&str> = ran.out.lines().skip(2).collect();
    assert!(
        rows[0].starts_with("01234567-89ab-cdef-0123-000000000002  succeeded  01234567  ada@example.com  "),
        "{ran:?}"
    );
    assert!(rows[1].contains("failed"), "{ran:?}");
    assert_eq!(server.run(&["builds:output", "-a", "shop"]).await.out, "-----> Node.js app detected\n");
    let shown = server.run(&["builds:info", "01234567-89ab-cdef-0123-000000000001", "-a", "shop"]).await;
    assert!(shown.out.contains("Status:  failed\n"), "{shown:?}");
    let json = server.run(&["builds:output", "-a", "shop", "--json"]).await.json();
    assert_eq!(json["output"], "-----> Node.js app detected\n");
}
