//! The build as clients see it, and what they send to start one.

use crate::link::Links;
use crate::views::buildpack_installation::PackView;
use crate::views::{IdRef, UserRef};
use control::build::BuildDetail;
use model::build::BuildSource;
use model::id::{AppId, BuildId, ReleaseId, SlugId};
use serde::{Deserialize, Serialize};

/// A build (BLD-1, BLD-2).
#[derive(Debug, Clone, Serialize)]
pub struct BuildView {
    id: BuildId,
    app: IdRef<AppId>,
    user: UserRef,
    status: &'static str,
    stack: String,
    source_blob: SourceBlob,
    buildpacks: Vec<PackView>,
    output_stream_url: String,
    release: Option<IdRef<ReleaseId>>,
    slug: Option<IdRef<SlugId>>,
    created_at: String,
    updated_at: String,
}

/// Where a build's source comes from; the same keys in and out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBlob {
    /// The address of a tar.gz; empty for a git push.
    pub url: String,
    /// The commit, or what the client calls the version.
    #[serde(default)]
    pub version: Option<String>,
    /// What the client says about it.
    #[serde(default)]
    pub version_description: Option<String>,
    /// `SHA256:<hex>` that the archive must have.
    #[serde(default)]
    pub checksum: Option<String>,
}

/// Body of `POST /apps/{app}/builds`.
#[derive(Debug, Deserialize)]
pub struct CreateBuild {
    /// Where the source is.
    pub source_blob: SourceBlob,
    /// Why it is built without the tests that its pipeline asks for. An extension.
    #[serde(default, rename = "override")]
    pub reason: Option<String>,
}

impl BuildView {
    /// The build with the address of its output.
    #[must_use]
    pub fn new(detail: &BuildDetail, links: &Links) -> Self {
        let build = &detail.build;
        Self {
            id: build.id,
            app: IdRef { id: build.app },
            user: (&detail.by).into(),
            status: build.state.word(),
            stack: build.stack.to_string(),
            source_blob: build.source.clone().into(),
            buildpacks: build.buildpacks.iter().map(|written| PackView::new(written)).collect(),
            output_stream_url: links.build_output(build.id, &build.secret),
            release: build.release.map(|id| IdRef { id }),
            slug: build.state.slug().map(|id| IdRef { id }),
            created_at: build.created_at.rfc3339(),
            updated_at: build.updated_at.rfc3339(),
        }
    }
}

impl From<BuildSource> for SourceBlob {
    fn from(source: BuildSource) -> Self {
        Self {
            url: source.url,
            version: source.version,
            version_description: source.description,
            checksum: source.checksum,
        }
    }
}

impl From<SourceBlob> for BuildSource {
    fn from(blob: SourceBlob) -> Self {
        let SourceBlob { url, version, version_description, checksum } = blob;
        Self { url, version, description: version_description, checksum, commit: None }
    }
}
