//! A real router on port 0, real upstreams, and clients that speak raw bytes.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by tests that each use a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod client;

pub use client::*;
use model::id::{AppId, DynoId};
use model::route::{Backend, Route, Web};
use model::time::Timestamp;
use model::world::World;
use router::link::{LinkConfig, RouterEvent, RouterLink};
use router::{Limits, Router, RouterConfig};
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing in these tests takes this long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct TestWorld;

/// What the clock of [`TestWorld`] begins with.
pub const NOW: Timestamp = Timestamp(1_767_323_045_678_901);

static SEED: AtomicU64 = AtomicU64::new(1);

impl World for TestWorld {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn random(&self, bytes: &mut [u8]) {
        let seed = SEED.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(seed.iter().cycle()).for_each(|(byte, seed)| *byte = *seed);
    }
}

pub fn id<Id: From<uuid::Uuid>>(number: u128) -> Id {
    uuid::Uuid::from_u128(number).into()
}

pub fn app_id() -> AppId {
    id(1)
}

pub fn backend(number: u32, addr: SocketAddr) -> Backend {
    Backend { dyno: id(u128::from(number)), name: format!("web.{number}"), addr }
}

pub fn up(addrs: &[SocketAddr]) -> Web {
    let backends = addrs.iter().zip(1..).map(|(addr, number)| backend(number, *addr)).collect();
    Web::Up { backends }
}

pub fn shop(web: Web) -> Route {
    Route { app: app_id(), name: "shop".parse().unwrap(), hosts: vec!["shop.localhost".into()], web }
}

pub fn limits() -> Limits {
    Limits { second_look: Duration::from_millis(20), stop: Duration::from_secs(2), ..Limits::default() }
}

pub struct Flow {
    pub dir: TempDir,
    pub router: Option<Router>,
    pub link: RouterLink,
    pub events: mpsc::Receiver<RouterEvent>,
    pub addr: SocketAddr,
}

pub fn config(dir: &TempDir, limits: Limits) -> RouterConfig {
    RouterConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        dir: dir.path().to_owned(),
        request_log: true,
        threads: NonZeroUsize::new(2),
        metrics: None,
        upgrade: false,
        hold: false,
        limits,
    }
}

/// A link to a router that runs already.
pub fn link_config(dir: &TempDir) -> LinkConfig {
    LinkConfig {
        exe: "/nonexistent".into(),
        dir: dir.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        request_log: true,
        threads: NonZeroUsize::new(2),
    }
}

impl Flow {
    pub async fn start() -> Self {
        Self::with(limits()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let router = Router::start(&config(&dir, limits), Arc::new(TestWorld)).unwrap();
        let addr = router.addr();
        let (link, events) = RouterLink::ensure(link_config(&dir)).await.unwrap();
        assert_eq!(link.addr(), addr);
        Self { dir, router: Some(router), link, events, addr }
    }

    /// The app `shop` with this in front of it.
    pub async fn shop(&self, web: Web) {
        self.link.set(shop(web)).await.unwrap();
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.addr).await
    }

    /// One request on a connection of its own.
    pub async fn get(&self, path: &str) -> Response {
        let mut client = self.client().await;
        client.get(path).await
    }

    /// The next log line, which must be of the app `shop`.
    pub async fn log(&mut self) -> String {
        match timeout(PATIENCE, self.events.recv()).await.expect("no log line came").expect("the link ended") {
            RouterEvent::Log { app, text, .. } => {
                assert_eq!(app, app_id());
                text
            }
            other => panic!("no log line: {other:?}"),
        }
    }

    pub fn no_log(&mut self) {
        assert!(self.events.try_recv().is_err());
    }

    /// Ends the router in order.
    pub async fn stop(mut self) {
        let router = self.router.take().unwrap();
        router.stop();
        tokio::task::spawn_blocking(move || router.wait().unwrap()).await.unwrap();
    }
}

/// A server that does what a test says on every connection; it ends with the test's runtime or [`Upstream::close`].
pub struct Upstream {
    pub addr: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Upstream {
    pub async fn start<F, T>(serve: F) -> Self
    where
        F: Fn(Client, usize) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                served.spawn(serve(Client::new(stream), number));
            }
        });
        Self { addr, task }
    }

    /// Answers every request with the same bytes and keeps the connection open.
    pub async fn saying(response: impl Into<Vec<u8>>) -> Self {
        let response = Arc::new(response.into());
        Self::start(move |mut client, _| {
            let response = Arc::clone(&response);
            async move {
                while client.request().await.is_some() {
                    client.send(&*response).await;
                }
            }
        })
        .await
    }

    /// Answers `200` with this text.
    pub async fn hello(text: &str) -> Self {
        Self::saying(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await
    }

    /// Answers with the request's own head as the body.
    pub async fn mirror() -> Self {
        Self::start(|mut client, _| async move {
            while let Some((head, body)) = client.request().await {
                let length = head.len() + body.len();
                client.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{head}")).await;
                client.send(body).await;
            }
        })
        .await
    }

    /// Stops accepting and cuts its connections.
    pub async fn close(self) -> SocketAddr {
        self.task.abort();
        let _ = self.task.await;
        self.addr
    }
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// The log line's value of a key.
pub fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let start = line.find(&format!("{key}=")).unwrap_or_else(|| panic!("no {key} in {line}")) + key.len() + 1;
    let rest = &line[start..];
    let end = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find('"').unwrap() + 2,
        None => rest.find(' ').unwrap_or(rest.len()),
    };
    &rest[..end]
}

pub fn dyno(number: u32) -> DynoId {
    id(u128::from(number))
}

/// The example beside this test's own binary: cargo builds it before it runs a test.
pub fn exe() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/proxy_compare")
}

/// A link that starts a router process.
pub fn process_config(dir: &TempDir) -> LinkConfig {
    LinkConfig { exe: exe(), ..link_config(dir) }
}

/// From the process list: the router that runs on this folder.
pub fn router_pid(dir: &TempDir) -> u32 {
    let folder = dir.path().display().to_string();
    let pids =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_ours = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains(&folder) && !line.contains("--hold")
    };
    pids.into_iter().find(is_ours).unwrap()
}
