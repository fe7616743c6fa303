//! What stands before a server that is reached from elsewhere: it ends TLS under a certificate of its own, and says so.

use crate::receiver::Identity;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A reverse proxy on a free port.
pub struct Front {
    /// Where it listens.
    pub addr: SocketAddr,
    passed: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Front {
    /// Starts one that passes everything on to this address.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(identity: &Identity, to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, acceptor, passed) = (listener.local_addr().unwrap(), identity.acceptor(), Arc::default());
        let count = Arc::clone(&passed);
        let server = tokio::spawn(async move {
            // Its connections end with it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                connections.spawn(async move {
                    let service = service_fn(move |request| pass(request, to, Arc::clone(&count)));
                    // Whoever does not trust it leaves here.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let http = hyper::server::conn::http1::Builder::new();
                        let _over = http.serve_connection(TokioIo::new(stream), service).await.is_err();
                    }
                });
            }
        });
        Self { addr, passed, server }
    }

    /// How many requests went through.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Body = BoxBody<Bytes, hyper::Error>;

async fn pass(
    request: Request<Incoming>,
    to: SocketAddr,
    passed: Arc<AtomicUsize>,
) -> Result<Response<Body>, Infallible> {
    passed.fetch_add(1, Ordering::Relaxed);
    Ok(forward(request, to).await.unwrap_or_else(|error| {
        let text = Full::new(Bytes::from(error)).map_err(|never: Infallible| match never {}).boxed();
        let mut answer = Response::new(text);
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    }))
}

async fn forward(mut request: Request<Incoming>, to: SocketAddr) -> Result<Response<Body>, String> {
    request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("https"));
    let stream = TcpStream::connect(to).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        // It ends with its one answer.
        let _over = connection.await.is_err();
    });
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    Ok(answer.map(BodyExt::boxed))
}
