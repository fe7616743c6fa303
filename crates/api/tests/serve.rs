//! The listener: slow heads, too many connections, an orderly end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use api::{Settings, serve};
use axum::Router;
use axum::routing::{get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Far more than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(90);

struct Server {
    addr: SocketAddr,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
    /// `/slow` has been reached.
    reached: Arc<Notify>,
    stop: oneshot::Sender<()>,
    over: JoinHandle<()>,
}

async fn start(settings: Settings) -> Server {
    let (go, reached) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, tell) = (Arc::clone(&go), Arc::clone(&reached));
    let slow = move || async move {
        tell.notify_one();
        wait.notified().await;
        "slow"
    };
    let echo = |body: String| async { body };
    let router = Router::new().route("/", get(|| async { "hello" })).route("/slow", get(slow)).route("/", post(echo));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let over = tokio::spawn(async move {
        serve(listener, None, router, &settings, async { drop(stopped.await) }).await;
    });
    Server { addr, go, reached, stop, over }
}

async fn send(addr: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const GET_SLOW: &str = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let server = start(Settings { head_timeout: Duration::from_secs(1), ..Settings::default() }).await;
    let stalled = send(server.addr, "GET / HTTP/1.1\r\nhost:").await;
    assert!(!all(stalled).await.contains("200 OK"));
    assert!(all(send(server.addr, GET).await).await.ends_with("hello"));
}

#[tokio::test]
async fn one_connection_too_many_waits_for_its_turn() {
    let server = start(Settings { connections: 1, ..Settings::default() }).await;
    let first = send(server.addr, &GET_SLOW.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
    server.reached.notified().await;
    let mut second = send(server.addr, GET).await;
    let early = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    server.go.notify_one();
    assert!(all(first).await.ends_with("slow"));
    let mut byte = [0];
    tokio::time::timeout(PATIENCE, second.read_exact(&mut byte)).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_waits_for_requests_in_flight_and_takes_no_new_ones() {
    let server = start(Settings::default()).await;
    let idle = TcpStream::connect(server.addr).await.unwrap();
    let in_flight = send(server.addr, GET_SLOW).await;
    server.reached.notified().await;
    server.stop.send(()).unwrap();
    assert_eq!(all(idle).await, "");
    assert!(TcpStream::connect(server.addr).await.is_err());
    assert!(!server.over.is_finished());
    server.go.notify_one();
    assert!(all(in_flight).await.ends_with("slow"));
    tokio::time::timeout(PATIENCE, server.over).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let server = start(Settings { drain_timeout: Duration::from_millis(50), ..Settings::default() }).await;
    let in_flight = send(server.addr, GET_SLOW).await;
    server.reached.notified().await;
    server.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, server.over).await.unwrap().unwrap();
    assert_eq!(all(in_flight).await, "");
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body_comes() {
    let server = start(Settings::default()).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    let mut stream = send(server.addr, head).await;
    let mut first = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    stream.write_all(b"ok").await.unwrap();
    assert!(all(stream).await.ends_with("ok"));
}
