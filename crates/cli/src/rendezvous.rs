//! The client's side of the rendezvous (DYNO-52): by TLS to the address that the API gave, the secret first, and from then
//! on the bytes of the program.

use crate::client::{Client, StreamKind};
use crate::error::CliError;
use hyper::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server that takes longer to be met is away.
const MEET_LIMIT: Duration = Duration::from_secs(15);

/// The certificate of an authority is one page of text.
const AUTHORITY_LIMIT_BYTES: usize = 64 * 1024;

const WELCOME: &[u8] = b"rendezvous\r\n";

/// Stands before the exit status, at the very end.
const STATUS_MARK: &str = "\u{FFFF} heroku-command-exit-status: ";

/// Where a program is met, and whom to trust there.
#[derive(Clone)]
pub(crate) struct Rendezvous {
    url: String,
    host: String,
    port: u16,
    secret: String,
    tls: TlsConnector,
}

impl Rendezvous {
    /// For the `attach_url` of an answer. The authority's certificate comes from the same API that gave the address: it is
    /// trusted for this one meeting as the address itself is.
    pub(crate) async fn at(client: &Client, attach_url: &str) -> Result<Self, CliError> {
        let odd = |why: String| CliError::NotFlowline { url: client.server.url.clone(), why };
        let uri: Option<Uri> = attach_url.parse().ok();
        let parts = uri.as_ref().filter(|uri| uri.scheme_str() == Some("rendezvous"));
        let parts = parts.and_then(|uri| Some((uri.host()?, uri.port_u16()?, uri.path().strip_prefix('/')?)));
        let (host, port, secret) = parts.ok_or_else(|| odd(format!("`{attach_url}` is no address of a rendezvous")))?;
        let pem = authority(client).await?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| odd(format!("its ca.pem is no certificate ({error})")))?;
            roots.add(certificate).map_err(|error| odd(format!("its ca.pem cannot be used ({error})")))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| odd(error.to_string()))?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let host = host.trim_matches(['[', ']']).to_owned();
        let url = format!("rendezvous://{host}:{port}");
        Ok(Self { url, host, port, secret: secret.to_owned(), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Meets the program; its exit status will be told at the end.
    pub(crate) async fn meet(&self) -> Result<TlsStream<TcpStream>, CliError> {
        self.say("status").await
    }

    /// The terminal has another size now. What comes of it shows in the terminal.
    pub(crate) async fn resize(&self, columns: u16, rows: u16) -> Result<(), CliError> {
        self.say(&format!("{columns}x{rows}")).await.map(drop)
    }

    async fn say(&self, wish: &str) -> Result<TlsStream<TcpStream>, CliError> {
        let met = timeout(MEET_LIMIT, self.greet(wish)).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        met.map_err(|error| self.broken(&error))
    }

    async fn greet(&self, wish: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let mut stream = self.tls.connect(name, stream).await?;
        stream.write_all(format!("{} {wish}\r\n", self.secret).as_bytes()).await?;
        stream.flush().await?;
        let mut welcome = [0; WELCOME.len()];
        stream.read_exact(&mut welcome).await?;
        if welcome == WELCOME { Ok(stream) } else { Err(ErrorKind::InvalidData.into()) }
    }

    /// The connection ended before the program did.
    pub(crate) fn lost(&self) -> CliError {
        let why = "the connection was lost while the program ran; `flowline logs` says what became of it".to_owned();
        CliError::Unreachable { url: self.url.clone(), why }
    }

    /// There is no connection.
    fn broken(&self, error: &io::Error) -> CliError {
        CliError::Unreachable { url: self.url.clone(), why: error.to_string() }
    }
}

/// The certificate of the server's own authority.
pub(crate) async fn authority(client: &Client) -> Result<Vec<u8>, CliError> {
    let mut stream = client.stream(&format!("{}/ca.pem", client.server.url), StreamKind::Plain).await?;
    let mut pem = Vec::new();
    while let Some(chunk) = stream.chunk().await? {
        pem.extend_from_slice(&chunk);
        if pem.len() > AUTHORITY_LIMIT_BYTES {
            let why = "its ca.pem is no certificate".to_owned();
            return Err(CliError::NotFlowline { url: client.server.url.clone(), why });
        }
    }
    Ok(pem)
}

/// What a program prints, with the exit status at its end cut off.
#[derive(Default)]
pub(crate) struct Printed {
    held: Vec<u8>,
}

impl Printed {
    /// More has come; what of it can be shown.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let begin = (0..self.held.len()).find(|at| may_be_status(self.held.get(*at..).unwrap_or_default()));
        let held = self.held.split_off(begin.unwrap_or(self.held.len()));
        std::mem::replace(&mut self.held, held)
    }

    /// The end: what is still to be shown, and the status, if it was told.
    pub(crate) fn end(self) -> (Vec<u8>, Option<i32>) {
        let text = String::from_utf8_lossy(&self.held);
        let status = text.strip_prefix(STATUS_MARK).and_then(|status| status.trim_end().parse().ok());
        if status.is_some() { (Vec::new(), status) } else { (self.held, None) }
    }
}

/// Is this a whole status, or the beginning of one?
fn may_be_status(bytes: &[u8]) -> bool {
    let mark = STATUS_MARK.as_bytes();
    match bytes.get(mark.len()..) {
        None => mark.starts_with(bytes),
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            bytes.starts_with(mark) && matches!(rest.get(digits..), Some(b"" | b"\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]]) -> (String, Option<i32>) {
        let mut printed = Printed::default();
        let mut shown: Vec<u8> = pieces.iter().flat_map(|piece| printed.push(piece)).collect();
        let (rest, status) = printed.end();
        shown.extend(rest);
        (String::from_utf8(shown).unwrap(), status)
    }

    #[test]
    fn dyno_54_the_status_at_the_end_is_cut_off_however_it_comes() {
        let all = format!("hi\n{STATUS_MARK}7\n");
        for at in 0..all.len() {
            let (first, second) = all.as_bytes().split_at(at);
            assert_eq!(shown(&[first, second]), ("hi\n".to_owned(), Some(7)), "{at}");
        }
        let single: Vec<&[u8]> = all.as_bytes().chunks(1).collect();
        assert_eq!(shown(&single), ("hi\n".to_owned(), Some(7)));
    }

    #[test]
    fn what_a_program_prints_itself_is_shown() {
        let own = format!("{STATUS_MARK}1\nmore {STATUS_MARK}x\u{FFFF}\u{FFFD}");
        assert_eq!(shown(&[own.as_bytes()]), (own.clone(), None));
        let both = format!("{STATUS_MARK}1\n{STATUS_MARK}2\n");
        assert_eq!(shown(&[both.as_bytes()]), (format!("{STATUS_MARK}1\n"), Some(2)));
        assert_eq!(Printed::default().push("prompt$ ".as_bytes()), b"prompt$ ", "at once");
    }
}
