//! Certificates as people bring them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

/// A self-signed certificate and its key, both as PEM.
#[derive(Debug, Clone)]
pub struct KeyedCertificate {
    /// The certificate.
    pub chain: String,
    /// Its key.
    pub key: String,
}

impl KeyedCertificate {
    /// For these host names, good from 2020 until the end of a year. The first name is its subject.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn make(names: &[&str], until_year: i32) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "AT");
        params.distinguished_name.push(DnType::CommonName, names[0].as_str());
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until_year, 12, 31));
        let key = KeyPair::generate().unwrap();
        let chain = pem("CERTIFICATE", params.self_signed(&key).unwrap().der());
        Self { chain, key: pem("PRIVATE KEY", key.serialized_der()) }
    }
}

/// PEM in one line: every reader takes it.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
