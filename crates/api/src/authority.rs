//! Flowline's own certificate authority: clients of the rendezvous insist on TLS (DYNO-52), and no public authority knows
//! a machine that may not even have a name.
//!
//! The authority's certificate and key are files of the data folder. Certificates for the server live in memory only: one
//! is made at the start, and again when a client has reached the server by another name, or when it gets old.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::time::{DAY, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The authority outlives every machine that it is for: whoever trusts it should not have to look after it.
const AUTHORITY_LIFE: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Some systems refuse certificates that are good for longer.
const LEAF_LIFE: Duration = Duration::from_secs(397 * 24 * 3600);
const LEAF_RENEWAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names that clients reached the server by; beyond it the oldest go. A certificate must stay small.
const NAMES_LIMIT: usize = 32;

/// As RFC 7468 has it.
const PEM_LINE_LETTERS: usize = 64;

/// By which it is always reached on its own machine.
const OWN_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Making or reading keys.
    #[error("The certificate authority cannot be used: {0}. Remove ca.pem and ca.key for a new one")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses it.
    #[error("The certificate authority cannot be used: {0}. Remove ca.pem and ca.key for a new one")]
    Tls(#[from] rustls::Error),
    /// Two files that do not fit.
    #[error(
        "ca.pem is not the certificate of ca.key, or it has expired: {0}. Restore both, or remove both for new ones"
    )]
    Mismatch(String),
}

/// What the first start makes.
#[derive(Debug)]
pub struct NewAuthority {
    /// For everybody: the certificate.
    pub certificate_pem: String,
    /// For nobody.
    pub key_pem: String,
}

/// An authority, and the certificate that it has made for this server.
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    provider: Arc<CryptoProvider>,
    leaf: Mutex<Leaf>,
}

struct Leaf {
    names: Vec<String>,
    made_at: Timestamp,
    key: Arc<CertifiedKey>,
}

impl NewAuthority {
    /// Makes one.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn make(now: Timestamp) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = authority_params(&key);
        set_life(&mut params, now, AUTHORITY_LIFE);
        let certificate = params.self_signed(&key)?;
        let certificate_pem = pem("CERTIFICATE", certificate.der());
        Ok(Self { certificate_pem, key_pem: pem("PRIVATE KEY", key.serialized_der()) })
    }
}

/// Its name follows from its key: two servers' authorities in one list of a client are told apart.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.public_key_raw());
    let number: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut params = named(format!("Flowline {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(common_name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// From yesterday, because clocks differ.
fn set_life(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let (epoch, now) = (date_time_ymd(1970, 1, 1), since_1970(now));
    (params.not_before, params.not_after) = (epoch + now.saturating_sub(DAY), epoch + now + life);
}

fn since_1970(now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(now.0).unwrap_or(0))
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut encoded = STANDARD.encode(der);
    while encoded.len() > PEM_LINE_LETTERS {
        let rest = encoded.split_off(PEM_LINE_LETTERS);
        text += &encoded;
        text.push('\n');
        encoded = rest;
    }
    text + &format!("{encoded}\n-----END {label}-----\n")
}

impl Authority {
    /// The authority in these files; it makes its server a certificate for `names` and the machine's own.
    ///
    /// # Errors
    /// When they are not what [`NewAuthority::make`] made, or too old.
    pub fn open(files: &NewAuthority, names: Vec<String>, now: Timestamp) -> Result<Arc<Self>, AuthorityError> {
        let unreadable = |error: rustls::pki_types::pem::Error| AuthorityError::Mismatch(error.to_string());
        let key = PrivatePkcs8KeyDer::from_pem_slice(files.key_pem.as_bytes()).map_err(unreadable)?;
        let certificate = CertificateDer::from_pem_slice(files.certificate_pem.as_bytes()).map_err(unreadable)?;
        let key = KeyPair::try_from(&key)?;
        let issuer = Issuer::new(authority_params(&key), key);
        let provider = Arc::new(default_provider());
        let mut all: Vec<String> = OWN_NAMES.map(str::to_owned).into();
        all.extend(names);
        let leaf = Mutex::new(Leaf::make(&issuer, all, now)?);
        let authority = Self { certificate_pem: files.certificate_pem.clone(), issuer, provider, leaf };
        authority.check(certificate, now)?;
        Ok(Arc::new(authority))
    }

    /// Tries what every client will: is the server's certificate one of this authority?
    fn check(&self, certificate: CertificateDer<'static>, now: Timestamp) -> Result<(), AuthorityError> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let mismatch = |error: String| AuthorityError::Mismatch(error);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build();
        let verifier = verifier.map_err(|error| mismatch(error.to_string()))?;
        let name = ServerName::try_from("localhost").map_err(|error| mismatch(error.to_string()))?;
        let key = Arc::clone(&self.leaf().key);
        let leaf = key.end_entity_cert()?;
        let now = UnixTime::since_unix_epoch(since_1970(now));
        verifier.verify_server_cert(leaf, &[], &name, &[], now).map_err(|error| mismatch(error.to_string()))?;
        // This verifier does not ask how old a root is; clients do. As a server's certificate it is refused in any case,
        // but for its age first.
        match verifier.verify_server_cert(&certificate, &[], &name, &[], now) {
            Err(error) if is_of_another_time(&error) => Err(mismatch(error.to_string())),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Its certificate, for clients to trust: `ca.pem`.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A client will come by this name (or address): the certificate has to have it. What is no name is left out.
    pub(crate) fn cover(&self, name: &str, now: Timestamp) {
        let mut leaf = self.leaf();
        let known = leaf.names.iter().any(|known| known == name);
        if known && now.since(leaf.made_at) < LEAF_RENEWAL {
            return;
        }
        let mut names = leaf.names.clone();
        if !known {
            names.push(name.to_owned());
        }
        if names.len() > NAMES_LIMIT {
            names.remove(OWN_NAMES.len());
        }
        match Leaf::make(&self.issuer, names, now) {
            Ok(made) => *leaf = made,
            Err(error) => tracing::warn!(%error, name, "No certificate could be made for a name of this server"),
        }
    }

    /// For the listener: TLS 1.2 and 1.3, no client certificates.
    ///
    /// # Errors
    /// None that are to be expected.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, AuthorityError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let certificates: Arc<Self> = Arc::clone(self);
        Ok(Arc::new(builder.with_cert_resolver(certificates)))
    }

    fn leaf(&self) -> MutexGuard<'_, Leaf> {
        self.leaf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A machine without a clock makes its authority in 1970.
fn is_of_another_time(error: &rustls::Error) -> bool {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let rustls::Error::InvalidCertificate(why) = error else { return false };
    matches!(why, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

impl Leaf {
    fn make(issuer: &Issuer<'static, KeyPair>, names: Vec<String>, made_at: Timestamp) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = named("Flowline".to_owned());
        params.subject_alt_names = CertificateParams::new(names.clone())?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, made_at, LEAF_LIFE);
        let certificate = params.signed_by(&key, issuer)?;
        let signer = any_supported_type(&PrivateKeyDer::Pkcs8(key.serialized_der().to_vec().into()))?;
        let key = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signer));
        Ok(Self { names, made_at, key })
    }
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Clients send no name (CLI: run), so there is one certificate for all of them.
        Some(Arc::clone(&self.leaf().key))
    }
}

impl fmt::Debug for Authority {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("names", &self.leaf().names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    #[test]
    fn an_authority_vouches_for_its_server_by_every_name() {
        let files = NewAuthority::make(NOW).unwrap();
        let authority = Authority::open(&files, vec!["10.0.0.7".into()], NOW).unwrap();
        assert_eq!(authority.certificate_pem(), files.certificate_pem);
        let first = Arc::clone(&authority.leaf().key);
        authority.cover("10.0.0.7", NOW);
        assert!(Arc::ptr_eq(&first, &authority.leaf().key), "it is known");
        authority.cover("flow.example.org", NOW);
        authority.cover("not a name\u{e4}", NOW);
        assert_eq!(authority.leaf().names, ["127.0.0.1", "localhost", "::1", "10.0.0.7", "flow.example.org"]);
        let later = NOW.plus(LEAF_RENEWAL);
        authority.cover("10.0.0.7", later);
        assert_eq!(authority.leaf().made_at, later);
        for number in 0..100 {
            authority.cover(&format!("host{number}"), later);
        }
        let names = authority.leaf().names.clone();
        assert_eq!((names.len(), names[0].as_str(), names[31].as_str()), (32, "127.0.0.1", "host99"));
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let (mut one, other) = (NewAuthority::make(NOW).unwrap(), NewAuthority::make(NOW).unwrap());
        one.certificate_pem = other.certificate_pem;
        assert!(matches!(Authority::open(&one, Vec::new(), NOW), Err(AuthorityError::Mismatch(_))));
        let old = NewAuthority::make(Timestamp(0)).unwrap();
        let refused = Authority::open(&old, Vec::new(), NOW);
        assert!(matches!(refused, Err(AuthorityError::Mismatch(_))), "{refused:?}");
        let torn = NewAuthority { certificate_pem: "-----BEGIN".into(), key_pem: String::new() };
        assert!(Authority::open(&torn, Vec::new(), NOW).is_err());
    }
}
