//! A certificate authority that lives as long as one command: only the command's own process trusts it, and no key of it is
//! ever written down.

use crate::error::CliError;
use model::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The names that the server stands in for, and where it does.
const NAMES: [&str; 7] = [
    "heroku.com",
    "*.heroku.com",
    "*.data.heroku.com",
    "*.metrics.heroku.com",
    "*.herokai.com",
    "*.metrics.herokai.com",
    "127.0.0.1",
];

/// Longer than any command runs.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Clocks of one machine do not differ, but virtual ones are set back.
const BEFORE: Duration = Duration::from_secs(24 * 3600);

/// What the child has to trust, and what the proxy says it is.
pub(super) struct ThrowAway {
    /// The authority's certificate.
    pub(super) certificate: CertificateDer<'static>,
    /// For the proxy's side of every connection.
    pub(super) config: Arc<ServerConfig>,
}

impl ThrowAway {
    /// Makes one.
    pub(super) fn make(now: Timestamp) -> Result<Self, CliError> {
        Self::signed(now)
            .and_then(|(certificate, leaf, key)| {
                let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                    .with_safe_default_protocol_versions();
                let config = config.map_err(io::Error::other)?.with_no_client_auth();
                let config = config.with_single_cert(vec![leaf], key).map_err(io::Error::other)?;
                Ok(Self { certificate, config: Arc::new(config) })
            })
            .map_err(|error| CliError::local("make the certificate of this command's proxy", error))
    }

    fn signed(
        now: Timestamp,
    ) -> io::Result<(CertificateDer<'static>, CertificateDer<'static>, PrivateKeyDer<'static>)> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = lasting(now, "Flowline, for one command");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(io::Error::other)?.der().clone();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = lasting(now, "flowline heroku");
        params.subject_alt_names =
            CertificateParams::new(NAMES.map(str::to_owned)).map_err(io::Error::other)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &issuer).map_err(io::Error::other)?.der().clone();
        Ok((certificate, leaf, PrivateKeyDer::Pkcs8(key.serialized_der().to_vec().into())))
    }
}

fn lasting(now: Timestamp, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let (epoch, now) = (date_time_ymd(1970, 1, 1), Duration::from_micros(u64::try_from(now.0).unwrap_or(0)));
    (params.not_before, params.not_after) = (epoch + now.saturating_sub(BEFORE), epoch + now + LIFE);
    params
}
