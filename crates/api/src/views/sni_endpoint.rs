//! Certificates as clients see them; a key is never shown.

use crate::views::AppRef;
use control::sni_endpoint::SniEndpointDetail;
use model::app::App;
use model::id::{DomainId, SniEndpointId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An SNI endpoint.
#[derive(Debug, Clone, Serialize)]
pub struct SniEndpointView {
    id: SniEndpointId,
    app: AppRef,
    name: String,
    display_name: String,
    certificate_chain: String,
    ssl_cert: SslCert,
    domains: Vec<DomainId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Warnings>,
    created_at: String,
    updated_at: String,
}

/// What the certificate says of itself.
#[derive(Debug, Clone, Serialize)]
struct SslCert {
    id: Uuid,
    acm: bool,
    #[serde(rename = "ca_signed?")]
    ca_signed: bool,
    #[serde(rename = "self_signed?")]
    self_signed: bool,
    cert_domains: Vec<String>,
    issuer: String,
    subject: String,
    starts_at: String,
    expires_at: String,
}

/// What is odd about it, though it was taken (CLI-35).
#[derive(Debug, Clone, Serialize)]
struct Warnings {
    ssl_cert: [&'static str; 1],
}

/// Body of `POST /apps/{app}/sni-endpoints` and of `PATCH` below it.
#[derive(Deserialize)]
pub struct PutSniEndpoint {
    /// PEM.
    pub certificate_chain: String,
    /// PEM.
    pub private_key: String,
}

impl SniEndpointView {
    /// A certificate of `app`.
    #[must_use]
    pub fn new(app: &App, detail: &SniEndpointDetail) -> Self {
        let (endpoint, certificate) = (&detail.endpoint, &detail.certificate);
        let self_signed = certificate.is_self_signed();
        Self {
            id: endpoint.id,
            app: app.into(),
            name: endpoint.name.clone(),
            display_name: endpoint.name.clone(),
            certificate_chain: endpoint.certificate_chain.clone(),
            ssl_cert: SslCert {
                id: detail.certificate_id,
                acm: false,
                ca_signed: !self_signed,
                self_signed,
                cert_domains: certificate.names.clone(),
                issuer: certificate.issuer.clone(),
                subject: certificate.subject.clone(),
                starts_at: certificate.starts_at.rfc3339(),
                expires_at: certificate.expires_at.rfc3339(),
            },
            domains: detail.domains.clone(),
            warnings: detail.expired.then_some(Warnings { ssl_cert: ["has expired"] }),
            created_at: endpoint.created_at.rfc3339(),
            updated_at: endpoint.updated_at.rfc3339(),
        }
    }
}
