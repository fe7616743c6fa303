//! One router process takes over from another: no request fails, no line is lost, nothing is forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::Web;
use router::link::{RouterEvent, RouterLink};
use router::{Router, RouterConfig};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(15);

/// A successor in this process.
fn successor(dir: &TempDir) -> Router {
    let config = RouterConfig { upgrade: true, ..config(dir, limits()) };
    Router::start(&config, Arc::new(TestWorld)).unwrap()
}

async fn ended(router: Router) {
    tokio::task::spawn_blocking(move || router.wait().unwrap()).await.unwrap();
}

/// The next log line, whatever else the link tells.
async fn line(events: &mut Receiver<RouterEvent>) -> String {
    match timeout(PATIENCE, events.recv()).await.expect("no log line came").expect("the link ended") {
        RouterEvent::Log { text, .. } => text,
        other => panic!("no log line: {other:?}"),
    }
}

/// One request after the other until it is told to stop; any other answer than 200 is a failure.
async fn load(addr: SocketAddr, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>, keep_alive: bool) {
    let mut count = 0;
    let mut client = Client::connect(addr).await;
    while !stop.load(Ordering::SeqCst) {
        let response = if count % 3 == 0 {
            client.ask("POST /x HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 5\r\n\r\nhello").await
        } else {
            client.get("/x").await
        };
        assert_eq!(response.status, 200, "{}", response.head);
        count += 1;
        answered.fetch_add(1, Ordering::SeqCst);
        if !keep_alive || response.header("connection") == Some("close") {
            client = Client::connect(addr).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_and_no_line_is_lost_across_five_upgrades() {
    let dir = tempfile::tempdir().unwrap();
    let (link, mut events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    let upstream = Upstream::mirror().await;
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let client = |number| load(link.addr(), Arc::clone(&stop), Arc::clone(&answered), number % 2 == 0);
    let clients: Vec<_> = (0..6).map(|number| tokio::spawn(client(number))).collect();
    let counted = tokio::spawn(async move {
        let mut lines = 0;
        while let Some(event) = events.recv().await {
            let RouterEvent::Log { text, .. } = event else { panic!("{event:?}") };
            assert!(text.starts_with("at=info "), "{text}");
            lines += 1;
        }
        lines
    });
    let mut pids = vec![link.pid()];
    for round in 0..5 {
        let enough = answered.load(Ordering::SeqCst) + 100;
        while answered.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
        let before = *pids.last().unwrap();
        if round % 2 == 0 {
            pids.push(link.upgrade().await.unwrap());
        } else {
            kill_process(Pid::from_raw(i32::try_from(before).unwrap()).unwrap(), Signal::USR2).unwrap();
            while link.pid() == before {
                tokio::task::yield_now().await;
            }
            pids.push(link.pid());
        }
        // The table is whole on the new one, and can be changed there.
        link.set(shop(up(&[upstream.addr]))).await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    pids.dedup();
    assert_eq!(pids.len(), 6, "{pids:?}");
    link.stop().await.unwrap();
    drop(link);
    assert_eq!(counted.await.unwrap(), answered.load(Ordering::SeqCst));
}

#[tokio::test]
async fn what_the_old_one_holds_goes_on_and_ends_there() {
    let Flow { dir, router, link, mut events, addr } = Flow::start().await;
    let upstream = Upstream::start(|mut client, _| async move {
        let Some((head, _)) = client.request().await else { return };
        if head.contains("pgrade: echo") {
            client.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
            let said = client.exactly(4).await;
            client.send(said).await;
            client.rest().await;
            return;
        }
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    let mut idle = Client::connect(addr).await;
    assert_eq!(idle.get("/before").await.header("connection"), None);
    let mut tunnel = Client::connect(addr).await;
    tunnel.send("GET /ws HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert!(tunnel.head().await.unwrap().contains("101"));
    let new = successor(&dir);
    assert_eq!(new.addr(), addr);
    // Passed on to the old one, which takes orders again when it accepts nothing more.
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    // The old one answers once more on a connection that was open, and says that it is the last time.
    let last = idle.get("/last").await;
    assert_eq!((last.text(), last.header("connection")), ("ok", Some("close")));
    assert!(idle.is_closed().await);
    assert_eq!(Client::connect(addr).await.get("/new").await.header("connection"), None);
    tunnel.send("ping").await;
    assert_eq!(tunnel.exactly(4).await, b"ping");
    drop(tunnel);
    ended(router.unwrap()).await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(value(&line(&mut events).await, "path").to_owned());
    }
    paths.sort();
    assert_eq!(paths, ["\"/before\"", "\"/last\"", "\"/new\"", "\"/ws\""]);
    link.stop().await.unwrap();
    ended(new).await;
}

#[tokio::test]
async fn a_websocket_is_cut_at_the_limit() {
    let Flow { dir, router, link, addr, .. } =
        Flow::with(router::Limits { leave: Duration::from_millis(50), ..limits() }).await;
    let upstream = Upstream::start(|mut client, _| async move {
        client.request().await;
        client.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
        client.rest().await;
    })
    .await;
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    let mut tunnel = Client::connect(addr).await;
    tunnel.send("GET /ws HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert!(tunnel.head().await.unwrap().contains("101"));
    let _new = successor(&dir);
    ended(router.unwrap()).await;
    assert!(tunnel.is_closed().await);
}

#[tokio::test]
async fn deploys_and_drains_reach_the_old_one_too() {
    let Flow { dir, router, link, addr, .. } = Flow::start().await;
    let (asked, mut asks) = mpsc::channel::<oneshot::Sender<()>>(4);
    let old = Upstream::start(move |mut client, _| {
        let asked = asked.clone();
        async move {
            while let Some((head, _)) = client.request().await {
                if head.contains("/slow") {
                    let (go, gone) = oneshot::channel();
                    asked.send(go).await.unwrap();
                    gone.await.unwrap();
                }
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold").await;
            }
        }
    })
    .await;
    link.set(shop(up(&[old.addr]))).await.unwrap();
    let mut idle = Client::connect(addr).await;
    assert_eq!(idle.get("/").await.text(), "old");
    let mut slow = Client::connect(addr).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let go = asks.recv().await.unwrap();
    let new_router = successor(&dir);
    let new = Upstream::hello("new").await;
    link.set(shop(Web::Up { backends: vec![backend(2, new.addr)] })).await.unwrap();
    // A kept connection of the old process meets the new table.
    assert_eq!(idle.get("/").await.text(), "new");
    let early = link.drain(vec![dyno(1)], Duration::from_millis(50)).await.unwrap();
    assert_eq!((early.in_flight_at_start, early.left), (1, 1));
    let again = link.clone();
    let drained = tokio::spawn(async move { again.drain(vec![dyno(1)], LONG).await.unwrap() });
    go.send(()).unwrap();
    assert_eq!(slow.response().await.text(), "old");
    assert_eq!(drained.await.unwrap().left, 0);
    ended(router.unwrap()).await;
    link.stop().await.unwrap();
    ended(new_router).await;
}

#[tokio::test]
async fn a_successor_that_leaves_without_a_word_changes_nothing() {
    let Flow { dir, router: _router, link, addr, .. } = Flow::start().await;
    link.set(shop(Web::NoWeb)).await.unwrap();
    for _ in 0..3 {
        drop(tokio::net::UnixStream::connect(dir.path().join("router-upgrade.sock")).await.unwrap());
        link.set(shop(Web::NoWeb)).await.unwrap();
        assert_eq!(Client::connect(addr).await.get("/").await.status, 503);
    }
    // A binary that is none of ours cannot take over; the link says so, and goes on.
    let other = router::link::LinkConfig { exe: "/bin/false".into(), ..link_config(&dir) };
    let (other, _events) = RouterLink::ensure(other).await.unwrap();
    let error = other.upgrade().await.unwrap_err().to_string();
    assert!(error.contains("goes on"), "{error}");
    other.set(shop(Web::Blank)).await.unwrap();
    assert_eq!(Client::connect(addr).await.get("/").await.status, 502);
}

#[tokio::test]
async fn the_table_is_saved_by_who_serves() {
    let Flow { dir, router, link, .. } = Flow::start().await;
    link.set(shop(Web::NoWeb)).await.unwrap();
    let new = successor(&dir);
    link.set(shop(Web::Crashed)).await.unwrap();
    ended(router.unwrap()).await;
    link.stop().await.unwrap();
    ended(new).await;
    let saved = std::fs::read_to_string(dir.path().join("routes.json")).unwrap();
    assert!(saved.contains("crashed"), "{saved}");
}
