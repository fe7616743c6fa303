//! One POST to a drain's server, on a connection that is kept.

use crate::drain::stream::{ConnectError, Inside, SEND_LIMIT, connect};
use crate::drain::trust::Trust;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use model::log_drain::LogDrain;
use std::sync::Arc;
use tokio::time::timeout;

/// What a server may answer; nobody reads it.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024;

/// Receivers look for the first word.
const AGENT: &str = concat!("Logplex/v100 (flowline ", env!("CARGO_PKG_VERSION"), ")");

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("no answer within {} seconds", SEND_LIMIT.as_secs())]
    Slow,
}

/// A batch on its way.
pub(crate) struct Parcel {
    /// The same at every try (LOG-26).
    pub(crate) id: String,
    pub(crate) messages: usize,
    pub(crate) frames: Bytes,
}

/// The connection to one server.
#[derive(Default)]
pub(crate) struct Poster {
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Poster {
    /// Sends it once; the status of the answer.
    pub(crate) async fn post(
        &mut self,
        drain: &LogDrain,
        trust: &Arc<Trust>,
        parcel: &Parcel,
    ) -> Result<StatusCode, PostError> {
        let kept = self.sender.take();
        let sent = async {
            let mut kept = kept;
            if let Some(sender) = &mut kept
                && sender.ready().await.is_err()
            {
                kept = None;
            }
            let mut sender = match kept {
                Some(sender) => sender,
                None => open(drain, trust).await?,
            };
            let answer = sender.send_request(request(drain, parcel)?).await?;
            let status = answer.status();
            let whole = Limited::new(answer.into_body(), ANSWER_LIMIT_BYTES).collect().await;
            Ok((status, whole.is_ok().then_some(sender)))
        };
        let (status, sender) = timeout(SEND_LIMIT, sent).await.map_err(|_| PostError::Slow).flatten()?;
        self.sender = sender;
        Ok(status)
    }
}

async fn open(drain: &LogDrain, trust: &Arc<Trust>) -> Result<SendRequest<Full<Bytes>>, PostError> {
    let wire = connect(&drain.url, trust, Inside::Anything).await?;
    let (sender, connection) = handshake(TokioIo::new(wire)).await?;
    tokio::spawn(async move {
        // What goes wrong here is met by the request.
        let _over = connection.await.is_err();
    });
    Ok(sender)
}

/// LOG-25, LOG-26.
fn request(drain: &LogDrain, parcel: &Parcel) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let url = &drain.url;
    let mut request = Request::post(url.target())
        .header(HOST, url.authority())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/logplex-1")
        .header("Logplex-Msg-Count", parcel.messages)
        .header("Logplex-Frame-Id", &parcel.id)
        .header("Logplex-Drain-Token", &drain.token);
    if let Some(credentials) = url.credentials() {
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(credentials)));
    }
    request.body(Full::new(parcel.frames.clone()))
}
