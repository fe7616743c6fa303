//! The release as clients see it, and what they send to make one.

use crate::link::Links;
use crate::views::app::NameOrObject;
use crate::views::{AppRef, IdRef, UserRef};
use control::release::ReleaseDetail;
use model::app::App;
use model::id::{ReleaseId, SlugId};
use serde::{Deserialize, Serialize};

/// A release (RLS-2).
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseView {
    id: ReleaseId,
    app: AppRef,
    version: i64,
    status: &'static str,
    current: bool,
    description: String,
    slug: Option<IdRef<SlugId>>,
    user: UserRef,
    /// Null when there is no release command (RELPH-40).
    output_stream_url: Option<String>,
    eligible_for_rollback: bool,
    artifacts: Vec<Artifact>,
    addon_plan_names: [String; 0],
    oci_image: Option<()>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct Artifact {
    #[serde(rename = "type")]
    kind: &'static str,
    id: SlugId,
}

impl ReleaseView {
    /// A release of this app, with the address of its output.
    #[must_use]
    pub fn new(app: &App, detail: &ReleaseDetail, links: &Links) -> Self {
        let release = &detail.release;
        let secret = release.output_secret.as_deref();
        Self {
            id: release.id,
            app: app.into(),
            version: release.version,
            status: release.status.word(),
            current: detail.current,
            description: release.description.clone(),
            slug: release.slug.map(|id| IdRef { id }),
            user: (&detail.by).into(),
            output_stream_url: secret.map(|secret| links.release_output(release.id, secret)),
            eligible_for_rollback: detail.eligible_for_rollback,
            artifacts: release.slug.map(|id| Artifact { kind: "slug", id }).into_iter().collect(),
            addon_plan_names: [],
            oci_image: None,
            created_at: release.created_at.rfc3339(),
            updated_at: release.updated_at.rfc3339(),
        }
    }
}

/// Body of `POST /apps/{app}/releases`: from a slug, or back to an earlier release (RLS-5).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateRelease {
    /// The slug's id.
    pub slug: Option<NameOrObject>,
    /// The client's own words.
    pub description: Option<String>,
    /// Roll back to this one: its id, or its version as a number or text.
    pub release: Option<ReleaseIdentity>,
    /// Why a slug is released without the tests that the app's pipeline asks for. An extension.
    #[serde(default, rename = "override")]
    pub reason: Option<String>,
}

/// A release's id, or its version.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a release's id or version")]
pub enum ReleaseIdentity {
    /// `42`.
    Version(i64),
    /// `"42"`, `"v42"` or an id.
    Text(NameOrObject),
}

impl ReleaseIdentity {
    /// As it would stand in a path.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::Version(version) => version.to_string(),
            Self::Text(text) => text.into_text(),
        }
    }
}
