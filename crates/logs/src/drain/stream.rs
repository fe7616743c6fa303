//! A connection to a drain's server, with or without TLS; and syslog over it.

use crate::drain::trust::Trust;
use model::log_drain::DrainUrl;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// Connecting, a request and a write each have this long (LOG-27).
pub(crate) const SEND_LIMIT: Duration = Duration::from_secs(5);

/// A connection.
pub(crate) type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Network(#[from] io::Error),
    /// LOG-29.
    #[error("{0}")]
    Certificate(rustls::Error),
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("no answer within {} seconds", SEND_LIMIT.as_secs())]
    Slow,
}

/// Which protocol is spoken inside TLS (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    /// Nobody asks: syslog and HTTP/1.1.
    Anything,
    /// `h2`: servers of gRPC end connections that do not say so.
    Http2,
}

/// Connects, within [`SEND_LIMIT`].
pub(crate) async fn connect(url: &DrainUrl, trust: &Arc<Trust>, inside: Inside) -> Result<Wire, ConnectError> {
    timeout(SEND_LIMIT, open(url, trust, inside)).await.map_err(|_| ConnectError::Slow)?
}

async fn open(url: &DrainUrl, trust: &Arc<Trust>, inside: Inside) -> Result<Wire, ConnectError> {
    let tcp = TcpStream::connect((url.host(), url.port())).await?;
    tcp.set_nodelay(true)?;
    if !url.transport().is_tls() {
        return Ok(Either::Left(tcp));
    }
    let trust = Arc::clone(trust);
    let config = tokio::task::spawn_blocking(move || trust.config()).await;
    let mut config = config.map_err(|gone| ConnectError::Tls(gone.to_string()))?.map_err(ConnectError::Tls)?;
    if inside == Inside::Http2 {
        Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec()];
    }
    let name = ServerName::try_from(url.host().to_owned()).map_err(|error| ConnectError::Tls(error.to_string()))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(of_certificate)?;
    Ok(Either::Right(Box::new(tls)))
}

/// TLS errors travel inside those of the network.
fn of_certificate(error: io::Error) -> ConnectError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(why @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) => {
            ConnectError::Certificate(why.clone())
        }
        Some(_) | None => ConnectError::Network(error),
    }
}

/// Writes frames to a connection that may have been closed meanwhile.
pub(crate) async fn write(wire: &mut Wire, frames: &[u8]) -> io::Result<()> {
    // A syslog server says nothing: whatever is there to read is the end, which a write would learn of too late.
    let mut said = [0; 64];
    match timeout(Duration::ZERO, wire.read(&mut said)).await {
        Ok(Ok(0)) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(_)) | Err(_) => {}
    }
    let written = async {
        wire.write_all(frames).await?;
        wire.flush().await
    };
    timeout(SEND_LIMIT, written).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
