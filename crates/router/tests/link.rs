//! The link: one router for ever, whoever dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::Web;
use router::link::{LinkConfig, RouterEvent, RouterLink};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

async fn event(events: &mut Receiver<RouterEvent>) -> RouterEvent {
    timeout(PATIENCE, events.recv()).await.expect("no event").expect("the link ended")
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_killed_router_is_replaced_and_gets_its_table_again() {
    let dir = tempfile::tempdir().unwrap();
    let (link, mut events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    let upstream = Upstream::hello("hello").await;
    link.sync(Vec::<model::route::Route>::new()).await.unwrap();
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    assert_eq!(Client::connect(link.addr()).await.get("/").await.text(), "hello");
    assert!(matches!(event(&mut events).await, RouterEvent::Log { .. }));
    // The saved table is lost as well: the link has its own.
    let mut last = 0;
    for _ in 0..3 {
        if last == 0 {
            last = router_pid(&dir);
        }
        let _ = std::fs::remove_file(dir.path().join("routes.json"));
        let began = tokio::time::Instant::now();
        kill(last);
        let RouterEvent::Restarted { pid } = event(&mut events).await else { panic!("not restarted") };
        link.set(shop(up(&[upstream.addr]))).await.unwrap();
        assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
        assert_eq!(Client::connect(link.addr()).await.get("/").await.text(), "hello");
        assert!(matches!(event(&mut events).await, RouterEvent::Log { .. }));
        last = pid;
    }
    link.stop().await.unwrap();
    assert!(tokio::net::TcpStream::connect(link.addr()).await.is_err());
}

#[tokio::test]
async fn a_router_that_is_killed_before_its_first_word_is_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let (wrapped, once) = (dir.path().join("exe"), dir.path().join("once"));
    let real = exe();
    let text = format!("#!/bin/sh\nmkdir {} && kill -9 $$\nexec {} \"$@\"\n", once.display(), real.display());
    std::fs::write(&wrapped, text).unwrap();
    std::fs::set_permissions(&wrapped, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let (link, _events) = RouterLink::ensure(LinkConfig { exe: wrapped, ..process_config(&dir) }).await.unwrap();
    assert!(once.exists());
    link.stop().await.unwrap();
}

#[tokio::test]
async fn a_router_outlives_its_control_plane_and_ends_in_order_by_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let (link, events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    let upstream = Upstream::hello("hello").await;
    link.set(shop(up(&[upstream.addr]))).await.unwrap();
    let addr = link.addr();
    drop((link, events));
    let mut client = Client::connect(addr).await;
    assert_eq!(client.get("/").await.text(), "hello");
    let pid = router_pid(&dir);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session: u32 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(session, pid, "a session of its own, so that no Ctrl-C reaches it");
    let (link, mut events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    assert_eq!((link.addr(), router_pid(&dir)), (addr, pid));
    assert!(matches!(event(&mut events).await, RouterEvent::Log { .. }));
    drop((link, events));
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert!(client.is_closed().await);
    while std::path::Path::new(&format!("/proc/{pid}/fd/0")).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_new_control_plane_finds_the_living_router_and_its_lines() {
    let flow = Flow::start().await;
    let upstream = Upstream::hello("hello").await;
    flow.shop(up(&[upstream.addr])).await;
    let Flow { dir, router, link, events, addr } = flow;
    drop((link, events));
    // Nobody is there to take the lines: they are kept.
    assert_eq!(Client::connect(addr).await.get("/1").await.text(), "hello");
    let (link, mut events) = RouterLink::ensure(link_config(&dir)).await.unwrap();
    assert_eq!(link.addr(), addr);
    // The kept one first; the next is asked for only then, for each thread of the router hands its lines over by itself.
    for path in ["/1", "/2"] {
        if path == "/2" {
            assert_eq!(Client::connect(addr).await.get(path).await.text(), "hello");
        }
        let RouterEvent::Log { text, at, .. } = event(&mut events).await else { panic!("no line") };
        assert_eq!(value(&text, "path"), format!("\"{path}\""));
        assert!(at >= NOW);
    }
    link.sync(Vec::<model::route::Route>::new()).await.unwrap();
    assert_eq!(Client::connect(addr).await.get("/").await.status, 404);
    link.stop().await.unwrap();
    tokio::task::spawn_blocking(move || router.unwrap().wait().unwrap()).await.unwrap();
}

#[tokio::test]
async fn lines_beyond_the_backlog_are_dropped_and_counted() {
    let flow = Flow::with(router::Limits { log_backlog_bytes: 1000, ..limits() }).await;
    flow.shop(Web::NoWeb).await;
    let Flow { dir, router: _router, link, events, addr } = flow;
    drop((link, events));
    for path in 0..20 {
        assert_eq!(Client::connect(addr).await.get(&format!("/{path}")).await.status, 503);
        // Each in a batch of its own: the oldest batches go first.
        tokio::time::timeout(std::time::Duration::from_millis(30), std::future::pending::<()>()).await.unwrap_err();
    }
    let (_link, mut events) = RouterLink::ensure(link_config(&dir)).await.unwrap();
    let RouterEvent::Dropped { count } = event(&mut events).await else { panic!("nothing was dropped") };
    let mut kept = 0;
    loop {
        let RouterEvent::Log { text, .. } = event(&mut events).await else { panic!("no line") };
        kept += 1;
        if value(&text, "path") == "\"/19\"" {
            break;
        }
    }
    assert_eq!(count + kept, 20);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = LinkConfig { listen: taken.local_addr().unwrap(), ..process_config(&dir) };
    let error = RouterLink::ensure(config).await.unwrap_err().to_string();
    assert!(error.contains("in use") && error.contains("--apps"), "{error}");
}

#[tokio::test]
async fn another_address_replaces_the_router() {
    let flow = Flow::start().await;
    let Flow { dir, router, link, .. } = flow;
    drop(link);
    let free = nobody().await;
    let (link, _events) = RouterLink::ensure(LinkConfig { listen: free, ..process_config(&dir) }).await.unwrap();
    assert_eq!(link.addr(), free);
    tokio::task::spawn_blocking(move || router.unwrap().wait().unwrap()).await.unwrap();
    link.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_with_a_long_path_works() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("d".repeat(120));
    std::fs::create_dir(&dir).unwrap();
    let config = router::RouterConfig { dir: dir.clone(), ..config(&base, limits()) };
    let _router = router::Router::start(&config, std::sync::Arc::new(TestWorld)).unwrap();
    let (link, _events) = RouterLink::ensure(LinkConfig { dir, ..link_config(&base) }).await.unwrap();
    link.set(shop(Web::NoWeb)).await.unwrap();
    assert_eq!(Client::connect(link.addr()).await.get("/").await.status, 503);
}

/// A thousand apps change at once, and answers about all of them are more than a socket takes.
#[tokio::test]
async fn many_orders_and_many_long_answers_pass_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (link, _events) = RouterLink::ensure(process_config(&dir)).await.unwrap();
    let upstream = Upstream::hello("hello").await;
    let routes = (1..=1000).map(|number| model::route::Route {
        app: id(number),
        name: format!("shop{number}").parse().unwrap(),
        hosts: vec![format!("shop{number}.localhost")],
        ..shop(up(&[upstream.addr]))
    });
    let routes: Vec<_> = routes.collect();
    link.sync(routes.clone()).await.unwrap();
    let mut asked = tokio::task::JoinSet::new();
    for round in 0..4 {
        for (number, route) in routes.iter().cloned().enumerate().skip(round).step_by(4) {
            let link = link.clone();
            asked.spawn(async move {
                link.set(route.clone()).await.unwrap();
                link.receipt(route.app).await.unwrap();
                if number % 10 == 0 {
                    link.activity().await.unwrap();
                }
            });
        }
    }
    timeout(PATIENCE, asked.join_all()).await.expect("the two sides wait for each other");
    link.stop().await.unwrap();
}
