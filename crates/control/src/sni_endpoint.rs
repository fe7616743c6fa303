//! SNI endpoints: certificates that people bring for their domains (ROUTE-6). Which of them a domain is served with is the
//! domain's own matter: none is tied to one by itself (CLI-35).

use crate::event::{self, Change, Resource};
use crate::gate::Authorized;
use crate::{Control, journal};
use model::app::{App, AppName};
use model::certificate::{BadCertificate, Certificate};
use model::domain::{Domain, DomainKind};
use model::id::{DomainId, SniEndpointId};
use model::sni_endpoint::{CERTIFICATE_CHAIN_LIMIT_BYTES, PRIVATE_KEY_LIMIT_BYTES, SNI_ENDPOINTS_LIMIT, SniEndpoint};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use store::StoreError;
use uuid::Uuid;

/// A certificate with what it says of itself.
#[derive(Debug, Clone)]
pub struct SniEndpointDetail {
    /// The endpoint.
    pub endpoint: SniEndpoint,
    /// What its first certificate says.
    pub certificate: Certificate,
    /// Follows from the certificate: another one has another.
    pub certificate_id: Uuid,
    /// The domains that are served with it.
    pub domains: Vec<DomainId>,
    /// Is its time over (CLI-35)?
    pub expired: bool,
}

/// Why a certificate is not found or taken.
#[derive(Debug, thiserror::Error)]
pub enum SniEndpointError {
    /// No PEM, or no certificate in it.
    #[error(
        "certificate_chain cannot be read: {0}. Give the certificate and those of its issuers as PEM, its own first"
    )]
    BadChain(String),
    /// No PEM, or no key in it.
    #[error("private_key cannot be read: {0}. Give an unencrypted RSA or EC key as PEM")]
    BadKey(String),
    /// They do not belong together.
    #[error(
        "private_key is not the key of the first certificate in certificate_chain; check that the files belong together"
    )]
    Mismatch,
    /// More than anybody has domains for.
    #[error("This app has {SNI_ENDPOINTS_LIMIT} certificates, which is the limit; remove one first")]
    TooMany,
    /// Not of this app.
    #[error("Couldn't find that SNI endpoint; `flowline certs` lists those of the app")]
    NoSuchEndpoint,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All of them, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<SniEndpointDetail>, SniEndpointError> {
    let db = control.store.db();
    let domains = store::domain::list(db, app.id).await?;
    let endpoints = store::sni_endpoint::list(db, app.id).await?;
    endpoints.into_iter().map(|endpoint| detail(control, endpoint, &domains)).collect()
}

/// One by its id or name.
///
/// # Errors
/// [`SniEndpointError::NoSuchEndpoint`].
pub async fn find(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<SniEndpointDetail, SniEndpointError> {
    let id = which.parse::<SniEndpointId>().ok();
    let is = |found: &SniEndpointDetail| Some(found.endpoint.id) == id || found.endpoint.name == which;
    list(control, app).await?.into_iter().find(is).ok_or(SniEndpointError::NoSuchEndpoint)
}

fn detail(control: &Control, endpoint: SniEndpoint, domains: &[Domain]) -> Result<SniEndpointDetail, SniEndpointError> {
    let leaf = leaf(&endpoint.certificate_chain)?;
    let certificate = Certificate::read(&leaf).map_err(of_chain)?;
    let uses = |domain: &&Domain| match &domain.kind {
        DomainKind::Default => false,
        DomainKind::Custom { sni_endpoint, .. } => *sni_endpoint == Some(endpoint.id),
    };
    let domains = domains.iter().filter(uses).map(|domain| domain.id).collect();
    let expired = certificate.expires_at < control.now();
    Ok(SniEndpointDetail { certificate_id: fingerprint(&leaf), endpoint, certificate, domains, expired })
}

fn fingerprint(leaf: &CertificateDer<'_>) -> Uuid {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf);
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn of_chain(error: BadCertificate) -> SniEndpointError {
    SniEndpointError::BadChain(error.to_string())
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, SniEndpointError> {
    let bad = |why: String| SniEndpointError::BadChain(why);
    if pem.len() > CERTIFICATE_CHAIN_LIMIT_BYTES {
        return Err(bad(format!("it is longer than {CERTIFICATE_CHAIN_LIMIT_BYTES} bytes")));
    }
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|_| bad("it is not PEM".to_owned()))?;
    if all.is_empty() { Err(bad("there is no certificate in it".to_owned())) } else { Ok(all) }
}

fn leaf(pem: &str) -> Result<CertificateDer<'static>, SniEndpointError> {
    chain(pem)?.into_iter().next().ok_or_else(|| of_chain(BadCertificate))
}

/// The key belongs to the first certificate, and every certificate is one. What it is good for is not asked: an expired one is
/// taken, too (CLI-35).
fn check(certificate_chain: &str, private_key: &str) -> Result<(), SniEndpointError> {
    let chain = chain(certificate_chain)?;
    chain.iter().try_for_each(|der| Certificate::read(der).map(|_| ()).map_err(of_chain))?;
    let bad = |why: &str| SniEndpointError::BadKey(why.to_owned());
    if private_key.len() > PRIVATE_KEY_LIMIT_BYTES {
        return Err(bad("it is too long"));
    }
    if private_key.contains("ENCRYPTED") {
        return Err(bad("it is encrypted"));
    }
    let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| bad("there is no key in it"))?;
    let signer = any_supported_type(&key).map_err(|_| bad("its kind is not known"))?;
    match CertifiedKey::new(chain, signer).keys_match() {
        Ok(()) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(SniEndpointError::Mismatch),
        Err(error) => Err(SniEndpointError::BadChain(error.to_string())),
    }
}

/// Takes one.
///
/// # Errors
/// A chain or key that cannot be read, or that do not belong together; too many.
pub async fn create(
    control: &Control,
    app: &Authorized<App>,
    certificate_chain: String,
    private_key: &str,
) -> Result<SniEndpointDetail, SniEndpointError> {
    check(&certificate_chain, private_key)?;
    let now = control.now();
    let endpoint = SniEndpoint {
        id: control.world.new_id(),
        app: app.id,
        name: AppName::generate(&*control.world).to_string(),
        certificate_chain,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    if store::sni_endpoint::list(tx.db(), app.id).await?.len() >= SNI_ENDPOINTS_LIMIT {
        return Err(SniEndpointError::TooMany);
    }
    store::sni_endpoint::insert(&mut tx, &endpoint, private_key).await?;
    let made = detail(control, endpoint, &[])?;
    event::note(control, &mut tx, app.by().id, &Change::create(Resource::SniEndpoint(app, &made))).await?;
    tx.commit().await?;
    let said = format!("Add certificate {} by user {}", made.endpoint.name, app.by().email);
    journal::api(control, app.id, now, said).await;
    Ok(made)
}

/// Puts another certificate and key in its place.
///
/// # Errors
/// As [`create`], and [`SniEndpointError::NoSuchEndpoint`].
pub async fn replace(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
    certificate_chain: String,
    private_key: &str,
) -> Result<SniEndpointDetail, SniEndpointError> {
    let present = find(control, app, which).await?;
    check(&certificate_chain, private_key)?;
    let endpoint = SniEndpoint { certificate_chain, updated_at: control.now(), ..present.endpoint.clone() };
    let mut tx = control.store.begin().await?;
    if !store::sni_endpoint::replace(&mut tx, &endpoint, private_key).await? {
        return Err(SniEndpointError::NoSuchEndpoint);
    }
    let domains = store::domain::list(tx.db(), app.id).await?;
    let next = detail(control, endpoint, &domains)?;
    let change = Change::update(Resource::SniEndpoint(app, &present), Resource::SniEndpoint(app, &next));
    event::note(control, &mut tx, app.by().id, &change).await?;
    tx.commit().await?;
    let said = format!("Update certificate {} by user {}", next.endpoint.name, app.by().email);
    journal::api(control, app.id, next.endpoint.updated_at, said).await;
    Ok(next)
}

/// Removes it. Domains that were served with it have none then: clients have no other way to get rid of one. What it was.
///
/// # Errors
/// [`SniEndpointError::NoSuchEndpoint`].
pub async fn delete(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<SniEndpointDetail, SniEndpointError> {
    let found = find(control, app, which).await?;
    let now = control.now();
    let mut tx = control.store.begin().await?;
    store::domain::forget_sni_endpoint(&mut tx, found.endpoint.id, now).await?;
    if !store::sni_endpoint::delete(&mut tx, found.endpoint.id).await? {
        return Err(SniEndpointError::NoSuchEndpoint);
    }
    event::note(control, &mut tx, app.by().id, &Change::destroy(Resource::SniEndpoint(app, &found))).await?;
    tx.commit().await?;
    let said = format!("Remove certificate {} by user {}", found.endpoint.name, app.by().email);
    journal::api(control, app.id, now, said).await;
    Ok(found)
}
