//! A real router on port 0, real upstreams, and clients that speak raw bytes.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by tests that each use a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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

/// A connection that speaks bytes.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub fn headers<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    headers(head, name).first().copied()
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).await.unwrap())
    }

    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub async fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")).await;
        self.response().await
    }

    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request).await;
        self.response().await
    }

    /// More bytes into the buffer; `false` at the end.
    async fn fill(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await.expect("nothing came");
        read.unwrap_or(0) > 0
    }

    /// A head up to its empty line; `None` when the other side closed.
    pub async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.fill().await, "closed after {} of {count} bytes", self.buffer.len());
        }
        self.buffer.drain(..count).collect()
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            assert!(self.fill().await, "closed in a line");
        }
    }

    async fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(self.line().await.split(';').next().unwrap(), 16).unwrap();
            if size == 0 {
                while !self.line().await.is_empty() {}
                return body;
            }
            body.extend(self.exactly(size).await);
            assert_eq!(self.exactly(2).await, b"\r\n");
        }
    }

    /// What is left until the other side closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill().await
    }

    pub async fn response(&mut self) -> Response {
        self.response_to("GET").await
    }

    pub async fn response_to(&mut self, method: &str) -> Response {
        let head = self.head().await.expect("closed without a response");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let bodyless = method == "HEAD" || status == 204 || status == 304 || status < 200;
        let body = if bodyless {
            Vec::new()
        } else if header(&head, "transfer-encoding").is_some() {
            self.chunked().await
        } else if let Some(length) = header(&head, "content-length") {
            self.exactly(length.parse().unwrap()).await
        } else {
            self.rest().await
        };
        Response { status, head, body }
    }

    /// For upstreams: a request with its body; `None` when the client closed.
    pub async fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head().await?;
        let body = if header(&head, "transfer-encoding").is_some() {
            self.chunked().await
        } else if let Some(length) = header(&head, "content-length") {
            self.exactly(length.parse().unwrap()).await
        } else {
            Vec::new()
        };
        Some((head, body))
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
