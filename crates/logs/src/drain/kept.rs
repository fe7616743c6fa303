//! A connection that is kept from one request to the next, by HTTP/1.1 or by HTTP/2.

use crate::drain::stream::{ConnectError, Inside, SEND_LIMIT, connect};
use crate::drain::trust::Trust;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::log_drain::DrainUrl;
use std::sync::Arc;
use tokio::time::timeout;

/// What a receiver may answer; nobody reads it.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("no answer within {} seconds", SEND_LIMIT.as_secs())]
    Slow,
}

/// What a receiver says; its body is gone.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Behind the body.
    pub(crate) trailers: Option<HeaderMap>,
}

/// The connection to one receiver, if there is one.
#[derive(Default)]
pub(crate) struct Kept {
    connection: Option<Connection>,
}

impl Kept {
    /// Sends it once, within [`SEND_LIMIT`]; on a new connection if the one that was kept is of no use any more.
    pub(crate) async fn send(
        &mut self,
        url: &DrainUrl,
        inside: Inside,
        trust: &Arc<Trust>,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, NoAnswer> {
        let mut kept = self.connection.take();
        let sent = async {
            if let Some(connection) = &mut kept
                && !connection.is_ready().await
            {
                kept = None;
            }
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(url, inside, trust).await?,
            };
            let (head, body) = connection.send(request).await?.into_parts();
            let whole = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await;
            let trailers = whole.as_ref().ok().and_then(|whole| whole.trailers().cloned());
            let answer = Answer { status: head.status, headers: head.headers, trailers };
            Ok((answer, whole.is_ok().then_some(connection)))
        };
        let (answer, connection) = timeout(SEND_LIMIT, sent).await.map_err(|_| NoAnswer::Slow).flatten()?;
        self.connection = connection;
        Ok(answer)
    }
}

enum Connection {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    async fn open(url: &DrainUrl, inside: Inside, trust: &Arc<Trust>) -> Result<Self, NoAnswer> {
        let wire = TokioIo::new(connect(url, trust, inside).await?);
        // What goes wrong with either connection is met by the request.
        match inside {
            Inside::Anything => {
                let (sender, connection) = http1::handshake(wire).await?;
                tokio::spawn(async move { connection.await.is_err() });
                Ok(Self::One(sender))
            }
            Inside::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), wire).await?;
                tokio::spawn(async move { connection.await.is_err() });
                Ok(Self::Two(sender))
            }
        }
    }

    async fn is_ready(&mut self) -> bool {
        match self {
            Self::One(sender) => sender.ready().await.is_ok(),
            Self::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::One(sender) => sender.send_request(request).await,
            Self::Two(sender) => sender.send_request(request).await,
        }
    }
}

/// The `Authorization` of an address' user and password (RFC 7617).
pub(crate) fn basic(url: &DrainUrl) -> Option<String> {
    url.credentials().map(|credentials| format!("Basic {}", STANDARD.encode(credentials)))
}
