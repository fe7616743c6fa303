//! Changes of the table: nothing fails, nothing is forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::Web;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const LONG: Duration = Duration::from_secs(15);

/// Holds its answer until it is told to give it.
async fn patient() -> (Upstream, mpsc::Receiver<oneshot::Sender<()>>) {
    let (asked, asks) = mpsc::channel(16);
    let upstream = Upstream::start(move |mut client, _| {
        let asked = asked.clone();
        async move {
            while client.request().await.is_some() {
                let (go, gone) = oneshot::channel();
                asked.send(go).await.unwrap();
                gone.await.unwrap();
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
            }
        }
    })
    .await;
    (upstream, asks)
}

#[tokio::test]
async fn route_15_requests_are_held_while_dynos_start() {
    let mut flow = Flow::start().await;
    flow.shop(Web::Starting).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = flow.client().await;
        client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        clients.push(client);
    }
    let upstream = Upstream::hello("up").await;
    flow.shop(up(&[upstream.addr])).await;
    for client in &mut clients {
        assert_eq!(client.response().await.text(), "up");
        assert!(flow.log().await.starts_with("at=info method=GET"));
    }
}

#[tokio::test]
async fn an_app_removed_meanwhile_is_no_app() {
    let mut flow = Flow::start().await;
    flow.shop(Web::Starting).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    while flow.link.receipt(app_id()).await.unwrap().held_now == 0 {
        tokio::task::yield_now().await;
    }
    flow.link.remove(app_id()).await.unwrap();
    let response = client.response().await;
    assert!(response.status == 404 && response.text().contains("No such app"), "{}", response.head);
    assert_eq!(flow.get("/").await.status, 404);
    flow.no_log();
}

#[tokio::test]
async fn drain_waits_for_what_is_in_flight() {
    let flow = Flow::start().await;
    let (old, mut asks) = patient().await;
    flow.shop(up(&[old.addr])).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let go = asks.recv().await.unwrap();
    let new = Upstream::hello("new").await;
    flow.shop(Web::Up { backends: vec![backend(2, new.addr)] }).await;
    assert_eq!(flow.get("/").await.text(), "new");
    let early = flow.link.drain(vec![dyno(1)], Duration::from_millis(50)).await.unwrap();
    assert_eq!((early.in_flight_at_start, early.left), (1, 1));
    let link = flow.link.clone();
    let drained = tokio::spawn(async move { link.drain(vec![dyno(1)], LONG).await.unwrap() });
    go.send(()).unwrap();
    assert_eq!(client.response().await.text(), "done");
    let drained = drained.await.unwrap();
    assert_eq!(drained.left, 0);
    let nothing = flow.link.drain(vec![dyno(1), dyno(9)], LONG).await.unwrap();
    assert_eq!((nothing.in_flight_at_start, nothing.left), (0, 0));
}

#[tokio::test]
async fn kept_connections_to_removed_dynos_are_closed() {
    let flow = Flow::start().await;
    let (closed, mut was_closed) = mpsc::channel(4);
    let upstream = Upstream::start(move |mut client, _| {
        let closed = closed.clone();
        async move {
            while client.request().await.is_some() {
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
            closed.send(()).await.unwrap();
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    assert_eq!(flow.get("/").await.status, 200);
    assert!(was_closed.try_recv().is_err());
    flow.shop(Web::NoWeb).await;
    was_closed.recv().await.unwrap();
}

#[tokio::test]
async fn a_kept_connection_is_not_used_when_old() {
    let flow = Flow::with(router::Limits { dyno_idle: Duration::from_millis(50), ..limits() }).await;
    let (closed, mut was_closed) = mpsc::channel(4);
    let upstream = Upstream::start(move |mut client, _| {
        let closed = closed.clone();
        async move {
            while client.request().await.is_some() {
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
            closed.send(()).await.unwrap();
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    assert_eq!(flow.get("/").await.status, 200);
    was_closed.recv().await.unwrap();
}

/// Sends requests until it is told to stop; returns how many were answered well. Any other answer is a failure.
async fn load(addr: std::net::SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let mut client = Client::connect(addr).await;
    let mut count = 0;
    while !stop.load(Ordering::SeqCst) {
        let response = if count % 3 == 0 {
            client.ask("POST /x HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 5\r\n\r\nhello").await
        } else {
            client.get("/x").await
        };
        assert_eq!(response.status, 200, "{}", response.head);
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_across_a_hundred_deploys() {
    let flow = Flow::start().await;
    let mut old = Upstream::mirror().await;
    flow.shop(Web::Up { backends: vec![backend(1, old.addr)] }).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8).map(|_| tokio::spawn(load(flow.addr, Arc::clone(&stop)))).collect();
    for number in 2..=101 {
        let new = Upstream::mirror().await;
        flow.shop(Web::Up { backends: vec![backend(number, new.addr)] }).await;
        let drained = flow.link.drain(vec![dyno(number - 1)], LONG).await.unwrap();
        assert_eq!(drained.left, 0);
        old.close().await;
        old = new;
    }
    stop.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    assert!(answered > 500, "{answered} requests are no load");
}

#[tokio::test]
async fn a_restarted_router_serves_the_saved_table() {
    let Flow { dir, router, link, .. } = Flow::start().await;
    let upstream = Upstream::hello("saved").await;
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    link.stop().await.unwrap();
    drop(link);
    tokio::task::spawn_blocking(move || router.unwrap().wait().unwrap()).await.unwrap();
    let again = router::Router::start(&config(&dir, limits()), Arc::new(TestWorld)).unwrap();
    let mut client = Client::connect(again.addr()).await;
    assert_eq!(client.get("/").await.text(), "saved");
}

#[tokio::test]
async fn two_routers_do_not_share_a_folder_or_a_port() {
    let flow = Flow::start().await;
    let error = router::Router::start(&config(&flow.dir, limits()), Arc::new(TestWorld)).unwrap_err();
    assert!(error.to_string().contains("already runs"), "{error}");
    let other = tempfile::tempdir().unwrap();
    let taken = router::RouterConfig { listen: flow.addr, ..config(&other, limits()) };
    let error = router::Router::start(&taken, Arc::new(TestWorld)).unwrap_err().to_string();
    assert!(error.contains(&flow.addr.to_string()) && error.contains("--apps"), "{error}");
}

#[tokio::test]
async fn stop_answers_what_is_in_flight_and_takes_nothing_new() {
    let flow = Flow::start().await;
    let (upstream, mut asks) = patient().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut idle = flow.client().await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let go = asks.recv().await.unwrap();
    let addr = flow.addr;
    let stopped = tokio::spawn(flow.stop());
    assert!(idle.is_closed().await);
    while tokio::net::TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    let response = client.response().await;
    assert_eq!((response.text(), response.header("connection")), ("done", Some("close")));
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_kept_connection_that_the_dyno_closes_costs_no_request() {
    let mut flow = Flow::start().await;
    // Says nothing of closing, and closes after each answer: the worst case of the race.
    let upstream = Upstream::start(|mut client, _| async move {
        client.request().await;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    for _ in 0..300 {
        assert_eq!(client.get("/").await.text(), "ok");
        assert!(flow.log().await.starts_with("at=info "));
    }
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_not_sent_twice() {
    let flow = Flow::start().await;
    let posts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&posts);
    // Takes a POST and closes without a word: it may have been carried out.
    let upstream = Upstream::start(move |mut client, _| {
        let count = Arc::clone(&count);
        async move {
            while let Some((head, _)) = client.request().await {
                if head.starts_with("POST") {
                    count.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    assert_eq!(client.get("/").await.status, 200);
    let response = client.ask("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(response.status, 503);
    assert_eq!(posts.load(Ordering::SeqCst), 1);
}
