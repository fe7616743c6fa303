//! The TLS listener of the API and git: a certificate of Flowline's own authority, for the names that the server is known by.

use crate::authority::{Authority, AuthorityError};
use control::Control;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Always one of the certificate's names.
const OWN_NAME: &str = "localhost";

/// How a connection becomes a private one.
#[derive(Clone)]
pub struct Tls {
    authority: Arc<Authority>,
    acceptor: TlsAcceptor,
    control: Control,
}

impl Tls {
    /// With certificates of this authority.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(authority: &Arc<Authority>, control: Control) -> Result<Self, AuthorityError> {
        let acceptor = TlsAcceptor::from(authority.server_config()?);
        Ok(Self { authority: Arc::clone(authority), acceptor, control })
    }

    /// The handshake. No name that a client asks for is signed here: who may name the server is its operator.
    pub(crate) async fn greet(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        // Makes a new certificate when this one gets old.
        self.authority.cover(OWN_NAME, self.control.now());
        self.acceptor.accept(stream).await
    }
}
