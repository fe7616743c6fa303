//! Bodies both ways, connections kept on both sides, methods and versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let flow = Flow::with(limits()).await;
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let upstream = Upstream::start(move |mut client, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            while client.request().await.is_some() {
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    for _ in 0..50 {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    let response = client.ask("GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let flow = Flow::start().await;
    let upstream = Upstream::mirror().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    let requests: String = (0..5).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")).collect();
    client.send(requests).await;
    for n in 0..5 {
        assert!(client.response().await.text().starts_with(&format!("GET /{n} ")));
    }
}

#[tokio::test]
async fn chunked_bodies_pass_both_ways() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::start(|mut client, _| async move {
        while let Some((head, body)) = client.request().await {
            assert_eq!(headers(&head, "transfer-encoding"), ["chunked"]);
            assert_eq!(header(&head, "content-length"), None);
            client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            client.send(format!("{:x}\r\n{}\r\n", body.len(), String::from_utf8(body).unwrap())).await;
            client.send("3;ext=1\r\nend\r\n0\r\nX-Trailer: 1\r\n\r\n").await;
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    for method in ["POST", "GET"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
        client.send("5\r\nhello\r\n").await;
        client.send("1\r\n \r\n0\r\n\r\n").await;
        let response = client.response().await;
        assert_eq!((response.status, response.text()), (200, "hello end"));
        assert_eq!(response.header("transfer-encoding"), Some("chunked"));
        assert_eq!(value(&flow.log().await, "status"), "200");
    }
}

#[tokio::test]
async fn a_megabyte_passes_both_ways() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::mirror().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    let body: Vec<u8> = (0..1_048_576_u32).map(|n| (n % 251) as u8).collect();
    for _ in 0..3 {
        client.send(format!("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        let response = client.ask(&body).await;
        assert!(response.body.ends_with(&body));
        let bytes: usize = value(&flow.log().await, "bytes").parse().unwrap();
        let exact = response.head.len() + response.body.len();
        // The head that the client sees has a date and our own lines besides.
        assert!(bytes <= exact && bytes + 200 > exact, "{bytes} of {exact}");
    }
}

#[tokio::test]
async fn a_slow_client_gets_all_of_it() {
    let flow = Flow::start().await;
    let upstream = Upstream::saying(
        [b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec(), vec![b'x'; 3_000_000]].concat(),
    );
    flow.shop(up(&[upstream.await.addr])).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let head = client.head().await.unwrap();
    assert_eq!(header(&head, "content-length"), Some("3000000"));
    for _ in 0..300 {
        tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
        assert!(client.exactly(10_000).await.iter().all(|&byte| byte == b'x'));
    }
}

#[tokio::test]
async fn route_39_answers_without_a_body() {
    let flow = Flow::start().await;
    let upstream = Upstream::start(|mut client, _| async move {
        while let Some((head, _)) = client.request().await {
            let response = match head.split(' ').nth(1).unwrap() {
                "/204" => "HTTP/1.1 204 No Content\r\nX: 204\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n",
                "/early" => {
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                }
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX: head\r\n\r\n",
            };
            client.send(response).await;
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    client.send("HEAD / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let response = client.response_to("HEAD").await;
    assert_eq!((response.header("content-length"), response.header("x")), (Some("1234"), Some("head")));
    let response = client.get("/204").await;
    assert_eq!((response.status, response.header("x"), response.header("content-length")), (204, Some("204"), None));
    let response = client.get("/304").await;
    assert_eq!((response.status, response.header("etag")), (304, Some("\"e\"")));
    assert_eq!(client.get("/early").await.status, 200);
}

#[tokio::test]
async fn route_33_http_1_0_gets_its_own_form() {
    let flow = Flow::start().await;
    let upstream =
        Upstream::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    let response = client.ask("GET / HTTP/1.0\r\nHost: shop.localhost\r\n\r\n").await;
    assert!(response.head.starts_with("HTTP/1.0 200 OK\r\n"), "{}", response.head);
    assert_eq!((response.header("transfer-encoding"), response.text()), (None, "hello"));
}

#[tokio::test]
async fn an_upstream_of_http_1_0_is_understood() {
    let flow = Flow::start().await;
    let upstream = Upstream::start(|mut client, _| async move {
        client.request().await;
        client.send("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    for _ in 0..2 {
        let response = client.get("/").await;
        assert!(response.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", response.head);
        assert_eq!((response.header("transfer-encoding"), response.text()), (Some("chunked"), "until the end"));
    }
}

#[tokio::test]
async fn route_33_connect_is_refused() {
    let flow = Flow::start().await;
    let response = flow.client().await.ask("CONNECT shop.localhost:443 HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    assert_eq!(response.status, 405);
}
