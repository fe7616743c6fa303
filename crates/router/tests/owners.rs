//! What an app's owner may wish: pages of its own, visitors that stay with their dyno.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::Web;
use router::{Entry, Router, RouterConfig};
use std::sync::Arc;

fn with_pages(web: Web) -> Entry {
    Entry {
        error_page: Some("https://pages.test/error?a=1&b=\"2\"".into()),
        maintenance_page: Some("http://pages.test/maintenance".into()),
        ..shop(web).into()
    }
}

#[tokio::test]
async fn route_62_each_page_stands_where_it_belongs() {
    let mut flow = Flow::start().await;
    for (web, status, shown) in [
        (Web::Crashed, 503, Some("https://pages.test/error?a=1&amp;b=&quot;2&quot;")),
        (Web::NoWeb, 503, Some("https://pages.test/error?a=1&amp;b=&quot;2&quot;")),
        (Web::Maintenance, 503, Some("http://pages.test/maintenance")),
        (Web::Blank, 502, None),
    ] {
        flow.link.set(with_pages(web)).await.unwrap();
        let response = flow.get("/").await;
        assert_eq!(response.status, status, "{}", response.head);
        assert_eq!(value(&flow.log().await, "status"), status.to_string());
        match shown {
            Some(url) => assert!(response.text().contains(&format!("<iframe src=\"{url}\"")), "{}", response.text()),
            None => assert!(!response.text().contains("iframe")),
        }
    }
    flow.link.set(with_pages(up(&[nobody().await]))).await.unwrap();
    assert!(flow.get("/").await.text().contains("iframe"));
    let bad = flow.client().await.ask("GET / HTTP/1.1\r\nHost: shop.localhost\r\nExpect: tea\r\n\r\n").await;
    assert!(bad.status == 417 && !bad.text().contains("iframe"));
    let script = Entry { error_page: Some("javascript:alert(1)".into()), ..shop(Web::Crashed).into() };
    flow.link.set(script).await.unwrap();
    assert!(flow.get("/").await.text().contains("Application error"));
}

#[tokio::test]
async fn route_60_an_apps_own_error_is_its_own() {
    let flow = Flow::start().await;
    let upstream = Upstream::saying("HTTP/1.1 503 Oh\r\nContent-Length: 4\r\n\r\nmine").await;
    flow.link.set(with_pages(up(&[upstream.addr]))).await.unwrap();
    assert_eq!(flow.get("/").await.text(), "mine");
}

/// Two dynos that say who they are.
async fn two() -> (Upstream, Upstream) {
    (Upstream::hello("1").await, Upstream::hello("2").await)
}

fn sticky(web: Web) -> Entry {
    Entry { session_affinity: true, ..shop(web).into() }
}

async fn visit(flow: &Flow, cookie: Option<&str>) -> (String, Option<String>) {
    let line = cookie.map(|cookie| format!("Cookie: a=b; {cookie}\r\n")).unwrap_or_default();
    let request = format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\n{line}\r\n");
    let response = flow.client().await.ask(request).await;
    (response.text().to_owned(), response.header("set-cookie").map(ToOwned::to_owned))
}

#[tokio::test]
async fn route_16_a_visitor_stays_with_its_dyno() {
    let flow = Flow::start().await;
    let (one, two) = two().await;
    flow.link.set(sticky(up(&[one.addr, two.addr]))).await.unwrap();
    let (mine, cookie) = visit(&flow, None).await;
    let cookie = cookie.unwrap();
    let (pair, rest) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("heroku-session-affinity=") && rest == "Path=/; HttpOnly", "{cookie}");
    assert!(!cookie.contains("web") && !cookie.contains("00000000"), "{cookie}");
    // Both threads know it.
    for _ in 0..20 {
        assert_eq!(visit(&flow, Some(pair)).await, (mine.clone(), None));
    }
    // The dyno is gone: another one, and a cookie for it.
    let (other, left) = if mine == "1" { ("2", backend(2, two.addr)) } else { ("1", backend(1, one.addr)) };
    flow.link.set(sticky(Web::Up { backends: vec![left] })).await.unwrap();
    let (text, moved) = visit(&flow, Some(pair)).await;
    assert_eq!(text, other);
    assert!(!moved.unwrap().starts_with(pair));
    // Nobody is asked to keep a cookie for an app that does not want it.
    flow.link.set(shop(up(&[one.addr, two.addr]))).await.unwrap();
    assert_eq!(visit(&flow, None).await.1, None);
}

#[tokio::test]
async fn route_16_a_successor_knows_the_cookies() {
    let flow = Flow::start().await;
    let (one, two) = two().await;
    flow.link.set(sticky(up(&[one.addr, two.addr]))).await.unwrap();
    let (mine, cookie) = visit(&flow, None).await;
    let upgrade = RouterConfig { upgrade: true, ..config(&flow.dir, limits()) };
    let _new = Router::start(&upgrade, Arc::new(TestWorld)).unwrap();
    flow.link.set(sticky(up(&[one.addr, two.addr]))).await.unwrap();
    for _ in 0..20 {
        let pair = cookie.as_deref().unwrap().split(';').next();
        assert_eq!(visit(&flow, pair).await, (mine.clone(), None));
    }
}

#[tokio::test]
async fn route_16_a_dyno_that_cannot_be_reached_is_left() {
    let flow = Flow::start().await;
    let (one, two) = two().await;
    flow.link.set(sticky(up(&[one.addr, two.addr]))).await.unwrap();
    let (mine, cookie) = visit(&flow, None).await;
    let gone = if mine == "1" { one } else { two };
    gone.close().await;
    let (text, moved) = visit(&flow, cookie.as_deref().unwrap().split(';').next()).await;
    assert_ne!(text, mine);
    assert_ne!(moved, cookie);
}
