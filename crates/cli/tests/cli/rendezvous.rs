//! A rendezvous with one program, which prints what it reads.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Where the program is met, and what vouches for it.
pub(crate) struct Rendezvous {
    pub(crate) attach_url: String,
    pub(crate) authority_pem: String,
    first_line: Arc<Mutex<String>>,
}

impl Rendezvous {
    /// `status` follows what the program prints; none: the connection just ends.
    pub(crate) async fn ending(status: Option<i32>) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialized_der().to_vec().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let attach_url = format!("rendezvous://{}/s3cret", listener.local_addr().unwrap());
        let first_line = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&first_line);
        tokio::spawn(async move {
            let tls = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = tls.accept(stream).await else { continue };
                let mut said = Vec::new();
                while !said.ends_with(b"\n") {
                    said.push(stream.read_u8().await.unwrap());
                }
                *seen.lock().unwrap() = String::from_utf8(said).unwrap();
                stream.write_all(b"rendezvous\r\n").await.unwrap();
                let mut text = b"read: ".to_vec();
                loop {
                    match stream.read_u8().await.unwrap() {
                        4 => break,
                        byte => text.push(byte),
                    }
                }
                let end = status.map(|status| format!("\u{FFFF} heroku-command-exit-status: {status}\n"));
                text.extend(end.unwrap_or_default().as_bytes());
                stream.write_all(&text).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        let authority = base64(cert.der());
        let authority_pem = format!("-----BEGIN CERTIFICATE-----\n{authority}\n-----END CERTIFICATE-----\n");
        Self { attach_url, authority_pem, first_line }
    }

    pub(crate) fn first_line(&self) -> String {
        self.first_line.lock().unwrap().clone()
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = char::from(LETTERS[(number >> (18 - 6 * place)) & 63]);
            text.push(if place <= group.len() { letter } else { '=' });
        }
    }
    text
}
