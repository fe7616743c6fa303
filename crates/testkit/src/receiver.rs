//! Somebody else's log server: takes what a drain sends, checks every frame, answers as the test says.

use crate::certificate::pem;
use crate::within;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

/// What a test has not looked at yet; a sender beyond it waits.
const WAITING: usize = 100_000;

/// One message, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// `190`.
    pub priority: u8,
    /// The time as it was written.
    pub at: String,
    /// The host field: a drain's token, or `host`.
    pub host: String,
    /// `app` or `heroku`.
    pub source: String,
    /// `web.1`.
    pub ps: String,
    /// What follows: the empty fields and the text.
    pub rest: String,
}

/// One POST.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Path and query.
    pub target: String,
    /// Its headers.
    pub headers: hyper::HeaderMap,
    /// Its messages.
    pub frames: Vec<Frame>,
    /// What it was answered.
    pub status: u16,
}

impl Posted {
    /// A header as text; empty when missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Who a server is, and the authority that says so.
pub struct Identity {
    /// The authority's certificate.
    pub ca_pem: String,
    /// Its own certificate.
    pub chain_pem: String,
    /// The key of that.
    pub key_pem: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    /// For 127.0.0.1, by an authority of its own.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn make() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than the leaf's: one that signed itself looks like this otherwise.
        params.distinguished_name.push(DnType::CommonName, "An authority of its own");
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let (chain_pem, key_pem) = (pem("CERTIFICATE", leaf.der()), pem("PRIVATE KEY", &key.serialize_der()));
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        Self { ca_pem: pem("CERTIFICATE", ca.der()), chain_pem, key_pem, config: Arc::new(config) }
    }
}

impl Identity {
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// What is shared by a receiver's connections.
struct Shared {
    frames: mpsc::Sender<Frame>,
    posts: mpsc::Sender<Posted>,
    statuses: Mutex<VecDeque<u16>>,
    answers: Semaphore,
    cut: Notify,
}

/// A log server on 127.0.0.1.
pub struct Receiver {
    /// Where it listens.
    pub addr: SocketAddr,
    frames: mpsc::Receiver<Frame>,
    posts: mpsc::Receiver<Posted>,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Syslog over TCP; with an identity inside TLS.
    pub async fn syslog(identity: Option<&Identity>) -> Self {
        Self::start(identity, false, &[], true).await
    }

    /// POSTs; answered with these statuses, then 200.
    pub async fn http(identity: Option<&Identity>, statuses: &[u16]) -> Self {
        Self::start(identity, true, statuses, true).await
    }

    /// POSTs that are not answered until [`Receiver::release`].
    pub async fn holding() -> Self {
        Self::start(None, true, &[], false).await
    }

    async fn start(identity: Option<&Identity>, http: bool, statuses: &[u16], answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let ((frames_in, frames), (posts_in, posts)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        let shared = Arc::new(Shared {
            frames: frames_in,
            posts: posts_in,
            statuses: Mutex::new(statuses.iter().copied().collect()),
            answers: Semaphore::new(if answers { Semaphore::MAX_PERMITS } else { 0 }),
            cut: Notify::new(),
        });
        let tls = identity.map(Identity::acceptor);
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (tls, shared) = (tls.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, http, &shared).await,
                        Some(tls) => {
                            // A client that does not trust this server leaves here.
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, http, &shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { addr, frames, posts, shared }
    }

    /// The next message that came by syslog.
    pub async fn frame(&mut self) -> Frame {
        within("a frame", self.frames.recv()).await.unwrap()
    }

    /// A message that is there already.
    pub fn frame_now(&mut self) -> Option<Frame> {
        self.frames.try_recv().ok()
    }

    /// The next POST, as soon as it has come.
    pub async fn post(&mut self) -> Posted {
        within("a POST", self.posts.recv()).await.unwrap()
    }

    /// A POST that is there already.
    pub fn post_now(&mut self) -> Option<Posted> {
        self.posts.try_recv().ok()
    }

    /// Answers what was held, and from now on everything.
    pub fn release(&self) {
        self.shared.answers.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Closes the connections that are open.
    pub fn cut(&self) {
        self.shared.cut.notify_waiters();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http: bool, shared: &Arc<Shared>) {
    if !http {
        tokio::select! {
            () = shared.cut.notified() => {}
            () = read_frames(stream, shared) => {}
        }
        return;
    }
    let service = service_fn(|request| answer(request, Arc::clone(shared)));
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // The client may leave in the middle.
    let _over = served.await.is_err();
}

async fn read_frames(mut stream: impl AsyncRead + Unpin, shared: &Shared) {
    let mut bytes = BytesMut::new();
    while let Ok(1..) = stream.read_buf(&mut bytes).await {
        while let Some(frame) = take(&mut bytes) {
            // A test that ended reads no more.
            let _over = shared.frames.send(frame).await.is_err();
        }
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (target, headers) = (request.uri().to_string(), request.headers().clone());
    assert_eq!(request.method(), "POST");
    let mut bytes = BytesMut::from(request.into_body().collect().await.unwrap().to_bytes());
    let mut frames = Vec::new();
    while let Some(frame) = take(&mut bytes) {
        frames.push(frame);
    }
    assert!(bytes.is_empty(), "half a frame at the end of a POST: {bytes:?}");
    let status = shared.statuses.lock().unwrap().pop_front().unwrap_or(200);
    let _over = shared.posts.send(Posted { target, headers, frames, status }).await.is_err();
    shared.answers.acquire().await.unwrap().forget();
    let mut response = Response::new(Full::new(Bytes::from_static(b"noted")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

/// The first whole frame, if there is one.
///
/// # Panics
/// When it is not what the format says.
fn take(bytes: &mut BytesMut) -> Option<Frame> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let count: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().expect("octet count");
    if bytes.len() < space + 1 + count {
        return None;
    }
    bytes.advance(space + 1);
    let message = bytes.split_to(count);
    let message = std::str::from_utf8(&message).unwrap();
    let message = message.strip_suffix('\n').unwrap_or_else(|| panic!("no end of line: {message:?}"));
    assert!(!message.contains('\n'), "{message:?}");
    let mut fields = message.splitn(6, ' ');
    let mut field = || fields.next().unwrap_or_else(|| panic!("too few fields: {message:?}")).to_owned();
    let (head, at, host, source, ps, rest) = (field(), field(), field(), field(), field(), field());
    let priority = head.strip_prefix('<').and_then(|head| head.strip_suffix(">1"));
    let priority = priority.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{message:?}"));
    Some(Frame { priority, at, host, source, ps, rest })
}
