//! Domains as clients see them.

use crate::views::AppRef;
use crate::views::app::NameOrObject;
use control::domain::DomainDetail;
use model::app::App;
use model::domain::DomainKind;
use model::id::{DomainId, SniEndpointId};
use serde::{Deserialize, Deserializer, Serialize};

/// A domain.
#[derive(Debug, Clone, Serialize)]
pub struct DomainView {
    id: DomainId,
    app: AppRef,
    hostname: String,
    kind: &'static str,
    cname: Option<String>,
    status: &'static str,
    acm_status: Option<&'static str>,
    acm_status_reason: Option<&'static str>,
    sni_endpoint: Option<SniEndpointRef>,
    created_at: String,
    updated_at: String,
}

/// `{id, name}` of the certificate that a domain is served with.
#[derive(Debug, Clone, Serialize)]
struct SniEndpointRef {
    id: SniEndpointId,
    name: String,
}

/// Body of `POST /apps/{app}/domains`.
#[derive(Debug, Deserialize)]
pub struct CreateDomain {
    /// The host name.
    pub hostname: String,
    /// By name or id; null or absent: none.
    #[serde(default)]
    pub sni_endpoint: Option<NameOrObject>,
}

/// Body of `PATCH /apps/{app}/domains/{domain}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateDomain {
    /// Absent: as it is. Null: none.
    #[serde(deserialize_with = "given")]
    pub sni_endpoint: Option<Option<NameOrObject>>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<NameOrObject>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl DomainView {
    /// A domain of `app`.
    #[must_use]
    pub fn new(app: &App, detail: &DomainDetail) -> Self {
        let domain = &detail.domain;
        let (acm_status, acm_status_reason) = acm(detail);
        Self {
            id: domain.id,
            app: app.into(),
            hostname: domain.hostname.clone(),
            kind: domain.kind.word(),
            cname: detail.cname.clone(),
            status: domain.kind.status(),
            acm_status,
            acm_status_reason,
            sni_endpoint: detail.sni_endpoint.clone().map(|(id, name)| SniEndpointRef { id, name }),
            created_at: domain.created_at.rfc3339(),
            updated_at: domain.updated_at.rfc3339(),
        }
    }
}

/// ROUTE-5: no status is "waiting", which it is as long as nothing issues certificates here.
fn acm(detail: &DomainDetail) -> (Option<&'static str>, Option<&'static str>) {
    match detail.domain.kind {
        DomainKind::Custom { .. } if !detail.acm => (None, None),
        DomainKind::Default => (None, None),
        DomainKind::Custom { .. } if detail.domain.hostname.starts_with('*') => {
            (Some("failed"), Some("A certificate for a wildcard cannot be made automatically; add one with certs:add"))
        }
        DomainKind::Custom { .. } => (None, Some("Waiting: nothing has been issued yet; certs:add takes one of yours")),
    }
}
