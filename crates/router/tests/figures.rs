//! What the router counts: receipts for deploys, figures for Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::{Route, Web};
use router::link::RouterLink;
use router::{Fared, Router, RouterConfig};
use std::net::SocketAddr;
use std::sync::Arc;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";

#[tokio::test]
async fn a_deploys_receipt_says_what_was_held_and_what_failed() {
    let flow = Flow::start().await;
    flow.shop(Web::Starting).await;
    let before = flow.link.receipt(app_id()).await.unwrap();
    assert_eq!((before.in_flight, before.held_now, before.ended_total), (0, 0, 0));
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut client = flow.client().await;
        client.send(REQUEST).await;
        held.push(client);
    }
    while flow.link.receipt(app_id()).await.unwrap().held_now < 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(flow.link.receipt(app_id()).await.unwrap().in_flight, 5);
    let upstream = Upstream::hello("up").await;
    flow.shop(up(&[upstream.addr])).await;
    for client in &mut held {
        assert_eq!(client.response().await.status, 200);
    }
    flow.shop(up(&[nobody().await])).await;
    assert_eq!(flow.get("/").await.status, 503);
    flow.shop(Web::Maintenance).await;
    assert_eq!(flow.get("/").await.status, 503);
    let after = flow.link.receipt(app_id()).await.unwrap();
    assert_eq!((after.in_flight, after.held_now, after.router_pid), (0, 0, std::process::id()));
    // The owner's maintenance is no failure.
    assert_eq!(after.since(&before), Fared { ended: 7, held: 5, failed: 1 });
    flow.link.remove(app_id()).await.unwrap();
    assert_eq!(flow.link.receipt(app_id()).await.unwrap().ended_total, 0);
}

async fn scrape(addr: SocketAddr) -> String {
    let response = Client::connect(addr).await.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(
        (response.status, response.header("content-type").unwrap().split(';').nth(1)),
        (200, Some(" version=0.0.4"))
    );
    response.text().to_owned()
}

fn figure(text: &str, name: &str) -> Option<u64> {
    let prefix = format!("flowline_router_{name} ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn prometheus_gets_its_figures_and_a_successor_goes_on_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = nobody().await;
    let config = RouterConfig { metrics: Some(metrics), ..config(&dir, limits()) };
    let old = Router::start(&config, Arc::new(TestWorld)).unwrap();
    let (link, _events) = RouterLink::ensure(link_config(&dir)).await.unwrap();
    let upstream = Upstream::hello("hello").await;
    let other =
        Route { app: id(2), name: "other".parse().unwrap(), hosts: vec!["b.localhost".into()], web: Web::NoWeb };
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    link.set(other).await.unwrap();
    let mut client = Client::connect(link.addr()).await;
    for _ in 0..3 {
        client.get("/").await;
    }
    client.ask("GET / HTTP/1.1\r\nHost: b.localhost\r\n\r\n").await;
    client.ask("GET / HTTP/1.1\r\nHost: c.localhost\r\n\r\n").await;
    let text = scrape(metrics).await;
    for (name, value) in [
        ("requests_total{app=\"shop\",status=\"2xx\"}", 3),
        ("requests_total{app=\"other\",status=\"5xx\"}", 1),
        ("failed_total{app=\"other\"}", 1),
        ("failed_total{app=\"shop\"}", 0),
        ("queue{app=\"shop\"}", 0),
        ("request_duration_seconds_bucket{le=\"+Inf\"}", 4),
        ("request_duration_seconds_count", 4),
        ("nobodys_requests_total", 1),
        ("connections", 1),
    ] {
        assert_eq!(figure(&text, name), Some(value), "{name} in {text}");
    }
    assert!(figure(&text, "resident_memory_bytes").unwrap() > 1_000_000);
    // An app that is gone leaves no series behind.
    link.remove(id(2)).await.unwrap();
    assert!(!scrape(metrics).await.contains("other"));
    assert_eq!(Client::connect(metrics).await.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 404);
    let upgrade = RouterConfig { upgrade: true, metrics: None, ..config };
    let new = Router::start(&upgrade, Arc::new(TestWorld)).unwrap();
    drop(client);
    tokio::task::spawn_blocking(move || old.wait().unwrap()).await.unwrap();
    assert_eq!(figure(&scrape(metrics).await, "failed_total{app=\"shop\"}"), Some(0));
    link.stop().await.unwrap();
    tokio::task::spawn_blocking(move || new.wait().unwrap()).await.unwrap();
    assert!(tokio::net::TcpStream::connect(metrics).await.is_err());
}

#[tokio::test]
async fn metrics_are_for_this_machine_only() {
    let dir = tempfile::tempdir().unwrap();
    let open = "0.0.0.0:0".parse().unwrap();
    let error = RouterLink::ensure_with_metrics(process_config(&dir), open).await.unwrap_err().to_string();
    assert!(error.contains("no loopback address"), "{error}");
    let (link, _events) = RouterLink::ensure_with_metrics(process_config(&dir), nobody().await).await.unwrap();
    link.stop().await.unwrap();
}
