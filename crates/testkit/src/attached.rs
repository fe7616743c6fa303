//! A client of the rendezvous, as small as one can be.

use crate::flow::Flow;
use crate::within;
use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection to a program.
pub struct Attached {
    stream: TlsStream<TcpStream>,
    said: Vec<u8>,
}

impl Attached {
    /// Says the secret of this address, and waits for the welcome.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn to(flow: &Flow, attach_url: &serde_json::Value) -> Self {
        Self::saying(flow, attach_url, "").await.expect("the rendezvous refuses the secret")
    }

    /// The same with something behind the secret; none when it is refused.
    ///
    /// # Panics
    /// When there is no TLS, or another welcome.
    pub async fn saying(flow: &Flow, attach_url: &serde_json::Value, more: &str) -> Option<Self> {
        let (address, secret) = parts(attach_url);
        let mut stream = Self::handshake(flow, address).await;
        within("the welcome", async {
            stream.write_all(format!("{secret}{more}\r\n").as_bytes()).await.unwrap();
            // The program may have printed by now; what came together is read together.
            let mut welcome = [0; 12];
            stream.read_exact(&mut welcome).await.ok()?;
            assert_eq!(&welcome, b"rendezvous\r\n");
            Some(Self { stream, said: Vec::new() })
        })
        .await
    }

    async fn handshake(flow: &Flow, address: &str) -> TlsStream<TcpStream> {
        let pem = flow.raw("GET", "/ca.pem", &[], Bytes::new()).await;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem.body).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let host = address.rsplit_once(':').unwrap().0.to_owned();
        let connect = async {
            let stream = TcpStream::connect(address).await.unwrap();
            TlsConnector::from(config).connect(ServerName::try_from(host).unwrap(), stream).await.unwrap()
        };
        within("the handshake", connect).await
    }

    /// Types.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn type_in(&mut self, text: &str) {
        within("typing", self.stream.write_all(text.as_bytes())).await.unwrap();
    }

    /// Reads until this was printed; all that was printed so far.
    ///
    /// # Panics
    /// When the end comes first.
    pub async fn prints(&mut self, text: &str) -> String {
        while !self.text().contains(text) {
            let mut bytes = [0; 4096];
            let count = within(text, self.stream.read(&mut bytes)).await.unwrap_or(0);
            assert!(count > 0, "it ended before it printed `{text}`: {}", self.text());
            self.said.extend_from_slice(&bytes[..count]);
        }
        self.text()
    }

    /// Reads to the end; all that was printed.
    ///
    /// # Panics
    /// When there is no end, or no orderly one.
    pub async fn ends(mut self) -> String {
        within("the end of the session", self.stream.read_to_end(&mut self.said)).await.unwrap();
        self.text()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

/// `host:port` and the secret.
pub(crate) fn parts(attach_url: &serde_json::Value) -> (&str, &str) {
    let url = attach_url.as_str().unwrap_or_else(|| panic!("no address to attach to: {attach_url}"));
    url.strip_prefix("rendezvous://").and_then(|rest| rest.split_once('/')).unwrap()
}
