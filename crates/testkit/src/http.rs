//! A plain HTTP client: one connection per request, or one that is kept.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// The body of a request: bytes that are there already.
pub type Body = Full<Bytes>;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// A header as text; empty when missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One kept connection.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    ended: watch::Receiver<bool>,
    port: u16,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// What the network says.
    pub async fn connect(addr: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(addr).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let port = stream.local_addr().map_err(|error| error.to_string())?.port();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let (end, ended) = watch::channel(false);
        tokio::spawn(async move {
            // What goes wrong here is seen by whoever waits for the answer.
            let _end = connection.with_upgrades().await.is_err();
            end.send_replace(true);
        });
        Ok(Self { sender, ended, port })
    }

    /// The port of this end.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A visitor's GET.
    ///
    /// # Errors
    /// What the network says; it begins with `the body` when the answer had begun.
    pub async fn get(&mut self, host: &str, path: &str) -> Result<Answer, String> {
        self.send(request("GET", path, host, &[], Bytes::new())).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// What the network says.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        self.sender.ready().await.map_err(|error| error.to_string())?;
        // A request that is handed over in the very moment in which the connection's task ends can be left in the queue between
        // the two: its answer would be waited for as long as this sender lives.
        let answer = tokio::select! {
            biased;
            answer = self.sender.send_request(request) => answer.map_err(|error| error.to_string())?,
            _ended = self.ended.wait_for(|ended| *ended) => return Err("the connection ended".to_owned()),
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("the body broke off: {error}"))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// A request with a host and a body.
#[must_use]
pub fn request(method: &str, path: &str, host: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body)).unwrap()
}

/// One request on a connection of its own.
pub(crate) async fn once(addr: SocketAddr, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    Client::connect(addr).await?.send(request).await
}
