//! Connections: plain, or TLS when a URL asks for it.

use crate::error::{CliError, root_cause};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A server that takes longer to answer a connection is away.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Until the head of the answer is there; heroku's own command line waits as long.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Longer than the longest upload and build that a push waits for.
const PATIENT_ANSWER_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A silent log tail may last for hours: this finds out when the other end is gone.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Made once per command; each kind of connection on first use, because loading the machine's roots takes milliseconds.
pub(crate) struct Transport<B = Full<Bytes>> {
    plain: OnceLock<Client<HttpConnector, B>>,
    tls: OnceLock<Client<HttpsConnector<HttpConnector>, B>>,
    answer_limit: Duration,
    /// The authorities that are believed in place of the machine's.
    ca: Option<PathBuf>,
}

impl<B> Default for Transport<B> {
    fn default() -> Self {
        Self { plain: OnceLock::new(), tls: OnceLock::new(), answer_limit: ANSWER_LIMIT, ca: None }
    }
}

impl<B> Transport<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// For requests that somebody else waits for, as long as that one likes: a large push is answered at its end.
    pub(crate) fn patient() -> Self {
        Self { answer_limit: PATIENT_ANSWER_LIMIT, ..Self::default() }
    }

    /// Believes the authorities of a PEM file, and no others, where there is one.
    pub(crate) fn trusting(self, ca: Option<&Path>) -> Self {
        Self { ca: ca.map(Path::to_owned), ..self }
    }

    /// One request and the head of its answer.
    pub(crate) async fn send(&self, request: Request<B>) -> Result<Response<Incoming>, CliError> {
        let url = origin(request.uri());
        let sent = if request.uri().scheme_str() == Some("https") {
            self.tls()?.request(request)
        } else {
            self.plain.get_or_init(|| Client::builder(TokioExecutor::new()).build(connector())).request(request)
        };
        let unreachable = |why| CliError::Unreachable { url: url.clone(), why };
        match tokio::time::timeout(self.answer_limit, sent).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(unreachable(root_cause(&error))),
            Err(_) => Err(unreachable(format!("no answer within {} s", self.answer_limit.as_secs()))),
        }
    }

    fn tls(&self) -> Result<&Client<HttpsConnector<HttpConnector>, B>, CliError> {
        if let Some(client) = self.tls.get() {
            return Ok(client);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut http = connector();
        http.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new();
        let connector = match &self.ca {
            Some(file) => connector.with_tls_config(believing(file, provider)?),
            None => connector.with_provider_and_native_roots(provider).map_err(|error| {
                CliError::local("load this machine's certificate authorities (package ca-certificates)", error)
            })?,
        };
        let connector = connector.https_only().enable_http1().wrap_connector(http);
        Ok(self.tls.get_or_init(|| Client::builder(TokioExecutor::new()).build(connector)))
    }
}

fn believing(file: &Path, provider: Arc<CryptoProvider>) -> Result<ClientConfig, CliError> {
    let unreadable = |why: String| {
        let message = format!(
            "{} (of --ca or FLOWLINE_CA) holds no certificate authority that can be read: {why}.",
            file.display()
        );
        CliError::usage(message, "Give a PEM file: the server's own is ca.pem in its data folder, or at its /ca.pem.")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it is empty".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unreadable(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_LIMIT));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_nodelay(true);
    connector
}

/// `http://host:port` of a request's address.
fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("http"))
}
