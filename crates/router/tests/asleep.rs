//! Apps that are asleep: requests wait, the control plane hears of it, and the router says how long nobody asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::Web;
use router::link::{RouterEvent, RouterLink};
use router::{Activity, Limits};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};

/// The next event must be that the app `shop` is wanted.
async fn wanted(events: &mut Receiver<RouterEvent>) {
    match timeout(PATIENCE, events.recv()).await.expect("nobody was told").expect("the link ended") {
        RouterEvent::Wanted { app } => assert_eq!(app, app_id()),
        other => panic!("{other:?}"),
    }
}

async fn activity(link: &RouterLink) -> Activity {
    link.activity().await.unwrap()[&app_id()]
}

#[tokio::test]
async fn a_request_waits_for_an_app_that_is_asleep_and_the_control_plane_is_told() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::hello("awake").await;
    flow.shop(Web::Asleep).await;
    for number in 0..3 {
        let mut client = flow.client().await;
        client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        let asked = Instant::now();
        wanted(&mut flow.events).await;
        assert!(asked.elapsed() < Duration::from_millis(500), "not at once in sleep {number}: {:?}", asked.elapsed());
        flow.shop(up(&[upstream.addr])).await;
        assert_eq!(client.response().await.text(), "awake");
        assert!(flow.log().await.starts_with("at=info method=GET "));
        flow.shop(Web::Asleep).await;
    }
}

#[tokio::test]
async fn it_is_told_again_every_second_while_somebody_waits_and_to_every_new_control_plane() {
    let flow = Flow::start().await;
    flow.shop(Web::Asleep).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let Flow { dir, router: _router, link, mut events, .. } = flow;
    wanted(&mut events).await;
    let first = Instant::now();
    wanted(&mut events).await;
    assert!(first.elapsed() > Duration::from_millis(900), "{:?}", first.elapsed());
    drop((link, events));
    let (link, mut events) = RouterLink::ensure(link_config(&dir)).await.unwrap();
    wanted(&mut events).await;
    // The client leaves: nobody waits any more.
    drop(client);
    let line = async { while !matches!(events.recv().await.unwrap(), RouterEvent::Log { .. }) {} };
    timeout(PATIENCE, line).await.unwrap();
    assert!(timeout(Duration::from_millis(1300), events.recv()).await.is_err());
    assert_eq!(activity(&link).await.in_flight, 0);
}

#[tokio::test]
async fn route_15_nobody_wakes_it_h20() {
    let mut flow = Flow::with(Limits { held: Duration::from_millis(100), ..limits() }).await;
    flow.shop(Web::Asleep).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    wanted(&mut flow.events).await;
    assert_eq!(client.response().await.status, 503);
    assert!(flow.log().await.starts_with("at=error code=H20 "));
}

#[tokio::test]
async fn a_request_that_was_held_goes_out_the_moment_the_app_is_awake() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::hello("awake").await;
    let mut took = Vec::new();
    for _ in 0..15 {
        flow.shop(Web::Asleep).await;
        let mut client = flow.client().await;
        client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        wanted(&mut flow.events).await;
        let woken = Instant::now();
        flow.shop(up(&[upstream.addr])).await;
        client.response().await;
        took.push(woken.elapsed());
        flow.log().await;
    }
    took.sort();
    // The figure is printed; the bound is one that only waiting for something could exceed.
    println!("from `set` to the whole response: median {:?}, most {:?}", took[took.len() / 2], took[took.len() - 1]);
    assert!(took[took.len() / 2] < Duration::from_millis(100), "{took:?}");
}

#[tokio::test]
async fn activity_says_what_is_open_and_how_long_nothing_happened() {
    let flow = Flow::start().await;
    let upstream = Upstream::hello("hello").await;
    flow.shop(up(&[upstream.addr])).await;
    // No request yet: it begins with the app's entry.
    assert_eq!(activity(&flow.link).await.in_flight, 0);
    timeout(PATIENCE, async { while activity(&flow.link).await.idle_ms < 300 {} }).await.unwrap();
    flow.get("/").await;
    let asked = Instant::now();
    let after = activity(&flow.link).await;
    assert!(u128::from(after.idle_ms) <= asked.elapsed().as_millis() + 250, "{after:?}");
    // One that is held counts, and its end is a moment of activity.
    flow.shop(Web::Starting).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    timeout(PATIENCE, async { while activity(&flow.link).await.in_flight == 0 {} }).await.unwrap();
    timeout(PATIENCE, async { while activity(&flow.link).await.idle_ms < 300 {} }).await.unwrap();
    flow.shop(up(&[upstream.addr])).await;
    client.response().await;
    timeout(PATIENCE, async { while activity(&flow.link).await.in_flight > 0 {} }).await.unwrap();
    assert!(activity(&flow.link).await.idle_ms < 250);
}
