//! Upgrades: after 101 the router only carries bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::Web;
use router::Limits;
use std::time::Duration;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Switches and echoes.
async fn echo() -> Upstream {
    Upstream::start(|mut client, _| async move {
        let head = client.head().await.unwrap();
        assert_eq!((header(&head, "connection"), header(&head, "upgrade")), (Some("upgrade"), Some("websocket")));
        assert_eq!(header(&head, "sec-websocket-version"), Some("13"));
        client.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst").await;
        loop {
            let word = client.exactly(4).await;
            if word == b"quit" {
                return;
            }
            client.send(word).await;
        }
    })
    .await
}

async fn open(flow: &Flow) -> Client {
    let mut client = flow.client().await;
    client.send(UPGRADE).await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert_eq!((header(&head, "connection"), header(&head, "upgrade")), (Some("upgrade"), Some("websocket")));
    assert_eq!(client.exactly(5).await, b"first");
    client
}

#[tokio::test]
async fn route_37_bytes_pass_both_ways_until_one_side_ends() {
    let mut flow = Flow::start().await;
    let upstream = echo().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = open(&flow).await;
    for word in ["ping", "\0\u{1}\r\n", "pong"] {
        client.send(word).await;
        assert_eq!(client.exactly(4).await, word.as_bytes());
    }
    flow.no_log();
    client.send("quit").await;
    assert!(client.is_closed().await);
    let line = flow.log().await;
    assert!(line.starts_with("at=info method=GET path=\"/chat\" ") && value(&line, "status") == "101", "{line}");
}

#[tokio::test]
async fn a_drain_waits_for_websockets_up_to_its_limit() {
    let flow = Flow::start().await;
    let upstream = echo().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = open(&flow).await;
    flow.shop(Web::NoWeb).await;
    let drained = flow.link.drain(vec![dyno(1)], Duration::from_millis(50)).await.unwrap();
    assert_eq!((drained.in_flight_at_start, drained.left), (1, 1));
    client.send("quit").await;
    let drained = flow.link.drain(vec![dyno(1)], PATIENCE).await.unwrap();
    assert_eq!(drained.left, 0);
}

#[tokio::test]
async fn route_22_silence_ends_a_websocket() {
    let mut flow = Flow::with(Limits { rolling: Duration::from_millis(100), ..limits() }).await;
    let upstream = echo().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = open(&flow).await;
    assert!(client.is_closed().await);
    assert!(flow.log().await.starts_with("at=error code=H15 desc=\"Idle connection\" "));
}

#[tokio::test]
async fn an_upgrade_that_the_app_does_not_want_is_an_ordinary_request() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::hello("no").await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    for _ in 0..2 {
        let response = client.ask(UPGRADE).await;
        assert_eq!((response.status, response.text()), (200, "no"));
        assert_eq!(value(&flow.log().await, "status"), "200");
    }
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_an_error() {
    let mut flow = Flow::start().await;
    let upstream =
        Upstream::saying("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n").await;
    flow.shop(up(&[upstream.addr])).await;
    assert_eq!(flow.get("/").await.status, 503);
    assert_eq!(value(&flow.log().await, "code"), "H17");
}
