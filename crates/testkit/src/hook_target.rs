//! Somebody else's server that notifications are sent to: it keeps what came, and answers as it was told.

use crate::receiver::Identity;
use crate::{Ports, within};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Requests that a test has not looked at.
const UNREAD_LIMIT: usize = 1024;

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With this status and no body.
    Status(u16),
    /// With 302 to this address.
    Redirect(String),
    /// Never.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST /hook?a=b`.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, byte for byte.
    pub body: Bytes,
}

impl Received {
    /// A header as text; empty when missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

type Plan = Arc<Mutex<VecDeque<Reply>>>;

/// A server on a free port.
pub struct HookTarget {
    /// Where it listens.
    pub addr: SocketAddr,
    ports: Ports,
    secure: bool,
    received: mpsc::Receiver<Received>,
    plan: Plan,
    server: JoinHandle<()>,
}

impl HookTarget {
    /// Starts one that answers 200 to everything.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        Self::start_at(Ports::take()).await
    }

    /// Starts one behind TLS.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start_tls(identity: &Identity) -> Self {
        Self::on(Ports::take(), Some(identity.acceptor())).await
    }

    /// Starts one where an earlier one has listened.
    ///
    /// # Panics
    /// When somebody else listens there.
    pub async fn start_at(ports: Ports) -> Self {
        Self::on(ports, None).await
    }

    async fn on(ports: Ports, tls: Option<TlsAcceptor>) -> Self {
        let (told, received) = mpsc::channel(UNREAD_LIMIT);
        let (addr, plan) = (ports.at(0), Plan::default());
        let (listener, secure) = (TcpListener::bind(addr).await.unwrap(), tls.is_some());
        let server = tokio::spawn(serve(listener, tls, Arc::clone(&plan), told));
        Self { addr, ports, secure, received, plan, server }
    }

    /// The next requests are answered so, one after the other; those after them with 200.
    #[must_use]
    pub fn answering(self, replies: impl IntoIterator<Item = Reply>) -> Self {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).extend(replies);
        self
    }

    /// An address of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.secure { "https" } else { "http" }, self.addr)
    }

    /// The next request, once it is there.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&mut self) -> Received {
        within("a notification", self.received.recv()).await.expect("the receiver goes on")
    }

    /// All that came and was not looked at.
    pub fn unread(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }

    /// Listens no more, so that the next one can.
    pub async fn end(self) -> Ports {
        self.server.abort();
        // Cancelled is what it is to be.
        let _cancelled = self.server.await.is_err();
        self.ports
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, plan: Plan, told: mpsc::Sender<Received>) {
    // Its connections end with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, plan, told) = (tls.clone(), Arc::clone(&plan), told.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&plan), told.clone()));
            // A client that hangs up, or does not trust the receiver, is none of its business.
            let _over = match tls {
                None => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.is_err(),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.is_err(),
                    Err(_) => true,
                },
            };
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    plan: Plan,
    told: mpsc::Sender<Received>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let received = Received { line: format!("{} {}", head.method, head.uri), headers: head.headers, body };
    let reply = plan.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    told.send(received).await.expect("somebody looks");
    let builder = match reply {
        None => Response::builder().status(200),
        Some(Reply::Status(status)) => Response::builder().status(status),
        Some(Reply::Redirect(to)) => Response::builder().status(302).header("location", to),
        Some(Reply::Hang) => {
            let (_never, wait) = oneshot::channel::<()>();
            // Held by this frame until the client hangs up.
            let _gone = wait.await.is_err();
            Response::builder().status(500)
        }
    };
    Ok(builder.body(Full::default()).unwrap())
}
