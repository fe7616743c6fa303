//! Whose certificates the servers of drains and webhooks may show: the system's authorities, and those that the operator gives.

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The operator's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path} holds no certificates that can be read: {why}. Give a PEM file")]
pub struct TrustError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// Who is believed. The system's authorities are read when the first drain with TLS connects.
#[derive(Debug)]
pub struct Trust {
    extra: RootCertStore,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Trust {
    /// The system's authorities, and those in this PEM file.
    ///
    /// # Errors
    /// [`TrustError`] when the file holds none.
    pub fn open(extra: Option<&Path>) -> Result<Self, TrustError> {
        let mut trust = Self { extra: RootCertStore::empty(), config: OnceLock::new() };
        let Some(path) = extra else { return Ok(trust) };
        let bad = |why: String| TrustError { path: path.to_owned(), why };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))? {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            trust.extra.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        if trust.extra.is_empty() { Err(bad("it is empty".to_owned())) } else { Ok(trust) }
    }

    /// For connections. Reads files the first time.
    ///
    /// # Errors
    /// Why no connection can be made with TLS.
    pub fn config(&self) -> Result<Arc<ClientConfig>, String> {
        self.config.get_or_init(|| self.build()).clone()
    }

    fn build(&self) -> Result<Arc<ClientConfig>, String> {
        let mut roots = self.extra.clone();
        // Those that cannot be read are passed over: one odd file must not cost all drains.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}
