//! What the router adds to a head and takes away (sections 9.4 and 9.5 of the behaviour rules).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;

/// What the upstream saw of a request with these further header lines.
async fn seen(flow: &Flow, lines: &str) -> String {
    let request = format!("GET /p?q HTTP/1.1\r\nHost: shop.localhost:7780\r\n{lines}\r\n");
    let response = flow.client().await.ask(request).await;
    assert_eq!(response.status, 200, "{}", response.head);
    response.text().to_owned()
}

async fn mirrored() -> Flow {
    let flow = Flow::start().await;
    let upstream = Upstream::mirror().await;
    flow.shop(up(&[upstream.addr])).await;
    flow
}

#[tokio::test]
async fn section_9_5_every_header_is_added() {
    let flow = mirrored().await;
    let head = seen(&flow, "").await;
    assert!(head.starts_with("GET /p?q HTTP/1.1\r\n"), "{head}");
    let expected = [
        ("host", "shop.localhost:7780"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", &flow.addr.port().to_string()),
        ("x-request-start", "1767323045678"),
        ("via", "1.1 flowline"),
    ];
    for (name, value) in expected {
        assert_eq!(headers(&head, name), [value], "{name} in {head}");
    }
    let id = header(&head, "x-request-id").unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
    let response = flow.get("/").await;
    assert_eq!((response.header("via"), response.header("server")), (Some("1.1 flowline"), Some("Flowline")));
}

#[tokio::test]
async fn section_9_5_client_values_are_appended_or_replaced() {
    let mut flow = mirrored().await;
    let head = seen(
        &flow,
        "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nVia: 1.0 fred\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Port: 1\r\nX-Request-Start: 1\r\n",
    )
    .await;
    assert_eq!(headers(&head, "x-forwarded-for"), ["9.9.9.9, 8.8.8.8, 127.0.0.1"]);
    assert_eq!(headers(&head, "via"), ["1.0 fred, 1.1 flowline"]);
    assert_eq!(headers(&head, "x-forwarded-proto"), ["http"]);
    assert_eq!(headers(&head, "x-forwarded-port"), [flow.addr.port().to_string()]);
    assert_eq!(headers(&head, "x-request-start"), ["1767323045678"]);
    assert_eq!(value(&flow.log().await, "fwd"), "\"9.9.9.9, 8.8.8.8, 127.0.0.1\"");
}

#[tokio::test]
async fn section_9_5_request_ids_are_kept_when_sane() {
    let mut flow = mirrored().await;
    let good = "abcdefghij-0123456789+/=";
    let head = seen(&flow, &format!("X-Request-Id: {good}\r\n")).await;
    assert_eq!(headers(&head, "x-request-id"), [good]);
    assert_eq!(value(&flow.log().await, "request_id"), good);
    let long = "a".repeat(201);
    for bad in ["short", "with space in it, and quite long", "underscore_is_not_in_the_set", &long] {
        let head = seen(&flow, &format!("X-Request-Id: {bad}\r\n")).await;
        let ids = headers(&head, "x-request-id");
        assert_eq!((ids.len(), ids[0].len()), (1, 36), "{bad}: {ids:?}");
    }
}

#[tokio::test]
async fn route_36_hop_by_hop_headers_end_here() {
    let flow = mirrored().await;
    let head = seen(
        &flow,
        "Connection: keep-alive, X-Secret, host, x-forwarded-for\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
         X-Forwarded-For: 9.9.9.9\r\nX-Kept: 1\r\n",
    )
    .await;
    for gone in
        ["connection", "x-secret", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings"]
    {
        assert_eq!(header(&head, gone), None, "{gone} in {head}");
    }
    assert_eq!(header(&head, "host"), Some("shop.localhost:7780"));
    assert_eq!(header(&head, "x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(header(&head, "x-kept"), Some("1"));
}

#[tokio::test]
async fn route_36_hop_by_hop_headers_of_a_response_end_here() {
    let flow = Flow::start().await;
    let upstream = Upstream::saying(
        "HTTP/1.1 200 Fine\r\nContent-Length: 0\r\nConnection: keep-alive, X-Inner\r\nX-Inner: 1\r\nKeep-Alive: \
         timeout=5\r\nServer: app\r\nVia: 1.1 inner\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
    )
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let response = flow.get("/").await;
    assert!(response.head.starts_with("HTTP/1.1 200 Fine\r\n"), "{}", response.head);
    for gone in ["connection", "x-inner", "keep-alive"] {
        assert_eq!(response.header(gone), None, "{gone} in {}", response.head);
    }
    assert_eq!((response.header("server"), response.header("via")), (Some("app"), Some("1.1 inner, 1.1 flowline")));
    assert_eq!(headers(&response.head, "set-cookie"), ["a=1", "b=2"]);
}

#[tokio::test]
async fn an_absolute_target_is_passed_on_as_a_path() {
    let flow = mirrored().await;
    let request = "GET http://shop.localhost/deep?x=1 HTTP/1.1\r\nHost: Shop.localhost\r\n\r\n";
    let head = flow.client().await.ask(request).await.text().to_owned();
    assert!(head.starts_with("GET /deep?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(headers(&head, "host"), ["Shop.localhost"]);
}

#[tokio::test]
async fn route_30_limits_of_lines_and_names() {
    let mut flow = mirrored().await;
    let long = |count| "a".repeat(count);
    for (request, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n", long(8100)), 200),
        (format!("GET /{} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n", long(8200)), 400),
        (format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: {}\r\n\r\n", long(8100)), 200),
        (format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: {}\r\n\r\n", long(8200)), 400),
        (format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\nX{}: 1\r\n\r\n", long(1000)), 400),
    ] {
        let response = flow.client().await.ask(&request).await;
        assert_eq!(response.status, status, "{:.60}", request);
        let line = flow.log().await;
        assert!(
            line.starts_with("at=error code=H26 desc=\"Request Error\" cause=\"bad header\"") == (status == 400),
            "{line}"
        );
    }
    let many = "X: 1\r\n".repeat(999);
    let response = flow.client().await.ask(format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\n{many}\r\n")).await;
    assert_eq!((response.status, headers(response.text(), "x").len()), (200, 999));
    let many = "X: 1\r\n".repeat(2000);
    let response = flow.client().await.ask(format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\n{many}\r\n")).await;
    assert!((400..500).contains(&response.status), "{}", response.head);
}

#[tokio::test]
async fn route_34_expectations() {
    let mut flow = mirrored().await;
    let mut client = flow.client().await;
    client.send("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    let response = client.ask("body").await;
    assert!(response.text().ends_with("body") && !response.text().contains("expect"), "{}", response.text());
    flow.log().await;
    let other = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 0\r\nExpect: tea\r\n\r\n";
    assert_eq!(flow.client().await.ask(other).await.status, 417);
    let line = flow.log().await;
    let start = "at=error code=H26 desc=\"Request Error\" cause=\"unsupported expect header value\" method=POST";
    assert!(line.starts_with(start) && value(&line, "status") == "417", "{line}");
}
