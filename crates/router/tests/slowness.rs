//! Clients that take or send less than they could, and connections that wait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use router::Limits;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::time::timeout;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";

/// A client whose kernel takes very little ahead of it.
async fn narrow(addr: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    Client::new(socket.connect(addr).await.unwrap())
}

async fn big(length: usize) -> Upstream {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    Upstream::saying([head, vec![b'x'; length]].concat()).await
}

async fn open(flow: &Flow) -> u64 {
    flow.link.activity().await.unwrap()[&app_id()].in_flight
}

/// Does a response of this length keep its dyno while the client takes nothing?
async fn keeps_the_dyno(flow: &Flow, length: usize) -> (bool, Client) {
    let upstream = big(length).await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = narrow(flow.addr).await;
    client.send(REQUEST).await;
    client.head().await.unwrap();
    let drained = flow.link.drain(vec![dyno(1)], Duration::from_millis(300)).await.unwrap();
    (drained.left > 0, client)
}

#[tokio::test]
async fn route_32_a_slow_client_does_not_keep_a_dyno() {
    let without = Flow::with(Limits { ahead_bytes: 0, ..limits() }).await;
    // What the kernel itself takes ahead of the client differs from machine to machine.
    let mut length = 512 * 1024;
    while !keeps_the_dyno(&without, length).await.0 {
        length += 512 * 1024;
        assert!(length < 64 * 1024 * 1024, "a slow client never keeps a dyno");
    }
    let mut flow = Flow::start().await;
    let (kept, mut client) = keeps_the_dyno(&flow, length).await;
    assert_eq!((kept, open(&flow).await), (false, 1), "{length}");
    flow.no_log();
    assert_eq!(client.exactly(length).await.len(), length);
    let line = flow.log().await;
    assert_eq!((value(&line, "dyno"), value(&line, "status")), ("web.1", "200"));
    client.send(REQUEST).await;
    assert_eq!(client.response().await.body.len(), length);
}

#[tokio::test]
async fn route_32_what_waits_for_a_slow_client_is_bounded() {
    let flow = Flow::start().await;
    let (kept, client) = keeps_the_dyno(&flow, 100_000_000).await;
    assert_eq!((kept, open(&flow).await), (true, 1));
    drop(client);
    assert_eq!(flow.link.drain(vec![dyno(1)], PATIENCE).await.unwrap().left, 0);
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let mut flow = Flow::with(Limits { head: Duration::from_millis(200), ..limits() }).await;
    let upstream = Upstream::hello("hello").await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    // Before its head begins a connection has the time of an idle one.
    assert_eq!(client.get("/").await.text(), "hello");
    timeout(Duration::from_millis(500), std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(client.get("/").await.text(), "hello");
    let dripping = async {
        client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n").await;
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"X: y\r\n").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, dripping).await.unwrap();
    for _ in 0..2 {
        assert_eq!(value(&flow.log().await, "status"), "200");
    }
    flow.no_log();
}

#[tokio::test]
async fn a_body_that_nobody_takes_does_not_end_the_connection_unless_it_is_long() {
    let flow = Flow::start().await;
    flow.shop(model::route::Web::Maintenance).await;
    let mut client = flow.client().await;
    let head = |length: usize| format!("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: {length}\r\n\r\n");
    for _ in 0..2 {
        let response = client.ask(format!("{}{}", head(100_000), "x".repeat(100_000))).await;
        assert_eq!((response.status, response.header("connection")), (503, None));
    }
    let chunked = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(client.ask(chunked).await.status, 503);
    let expecting = head(3).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let response = client.ask(expecting).await;
    assert_eq!((response.status, response.header("connection")), (503, Some("close")));
    let response = flow.client().await.ask(head(10_000_000)).await;
    assert_eq!((response.status, response.header("connection")), (503, Some("close")));
}

#[tokio::test]
async fn a_crowd_that_waits_keeps_no_visitor_out() {
    let flow = Flow::with(Limits { clients: 20, ..limits() }).await;
    let app = Upstream::hello("hello").await;
    flow.shop(up(&[app.addr])).await;
    let mut visitor = flow.client().await;
    let mut crowd = Vec::new();
    for number in 0..200 {
        let mut one = flow.client().await;
        if number % 2 == 0 {
            one.send("GET / HTTP/1.1\r\nHost: sl").await;
        }
        crowd.push(one);
        // Who asks for something is never the one who waits longest.
        if number % 10 == 0 {
            assert_eq!(visitor.get("/").await.text(), "hello", "beside {number}");
        }
    }
    assert_eq!(flow.get("/").await.text(), "hello");
    assert_eq!(visitor.get("/").await.text(), "hello");
    let mut closed = 0;
    for one in &mut crowd[..100] {
        closed += usize::from(one.is_closed().await);
    }
    assert_eq!(closed, 100, "the first ones made room");
    flow.stop().await;
}
