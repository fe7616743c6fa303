//! A request goes through, gets its headers and its log line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;

#[tokio::test]
async fn a_request_reaches_the_app_of_its_host() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::hello("hello").await;
    flow.shop(up(&[upstream.addr])).await;
    let response = flow.get("/x?y").await;
    assert_eq!((response.status, response.text()), (200, "hello"));
    let line = flow.log().await;
    let id = value(&line, "request_id");
    assert_eq!(
        line,
        format!(
            "at=info method=GET path=\"/x?y\" host=shop.localhost request_id={id} fwd=\"127.0.0.1\" dyno=web.1 \
             connect={} service={} status=200 bytes={} protocol=http",
            value(&line, "connect"),
            value(&line, "service"),
            value(&line, "bytes"),
        )
    );
    assert!(value(&line, "connect").ends_with("ms") && value(&line, "service").ends_with("ms"), "{line}");
    flow.stop().await;
}

#[tokio::test]
async fn route_3_unknown_and_missing_hosts() {
    let mut flow = Flow::start().await;
    let response = flow.client().await.ask("GET / HTTP/1.1\r\nHost: other.localhost\r\n\r\n").await;
    assert_eq!(response.status, 404);
    assert!(response.text().contains("No such app"));
    for missing in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"]
    {
        assert_eq!(flow.client().await.ask(missing).await.status, 400, "{missing}");
    }
    flow.no_log();
}

#[tokio::test]
async fn route_2_a_wildcard_host_covers_what_nothing_else_does() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::hello("any").await;
    let mut route = shop(up(&[upstream.addr]));
    route.hosts.push("*.shop.test".into());
    flow.link.set(route).await.unwrap();
    for (host, logged) in [
        ("a.shop.test", Some("a.shop.test")),
        ("B.a.shop.test:80", Some("b.a.shop.test")),
        ("shop.localhost", Some("shop.localhost")),
        ("shop.test", None),
        ("ashop.test", None),
    ] {
        let response = flow.client().await.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(response.status, if logged.is_some() { 200 } else { 404 }, "{host}");
        if let Some(logged) = logged {
            assert_eq!(value(&flow.log().await, "host"), logged);
        }
    }
}
