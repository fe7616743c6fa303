//! The slug as clients see it, and what they send to bring their own.

use crate::link::Links;
use crate::views::Named;
use crate::views::app::NameOrObject;
use model::id::SlugId;
use model::procfile::ProcessTypes;
use model::slug::Slug;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A slug (BLD-15).
#[derive(Debug, Clone, Serialize)]
pub struct SlugView {
    id: SlugId,
    blob: Blob,
    buildpack_provided_description: Option<String>,
    checksum: Option<String>,
    commit: Option<String>,
    commit_description: Option<String>,
    process_types: ProcessTypes,
    size: Option<u64>,
    stack: Named,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
}

/// Where the archive is put or fetched, without any credentials.
#[derive(Debug, Clone, Serialize)]
struct Blob {
    method: &'static str,
    url: String,
}

impl SlugView {
    /// As the answer to its creation: the client uploads to the blob's address.
    #[must_use]
    pub fn to_upload(slug: &Slug, links: &Links) -> Self {
        Self::new("PUT", slug, links)
    }

    /// As it is read later: the client may download from the blob's address.
    #[must_use]
    pub fn to_download(slug: &Slug, links: &Links) -> Self {
        Self::new("GET", slug, links)
    }

    fn new(method: &'static str, slug: &Slug, links: &Links) -> Self {
        Self {
            id: slug.id,
            blob: Blob { method, url: links.slug_blob(slug.id, &slug.secret) },
            buildpack_provided_description: slug.buildpack.clone(),
            checksum: slug.checksum.clone(),
            commit: slug.commit.clone(),
            commit_description: slug.commit_description.clone(),
            process_types: slug.process_types.clone(),
            size: (slug.size_bytes > 0).then_some(slug.size_bytes),
            stack: Named::stack(slug.stack.as_str()),
            created_at: slug.created_at.rfc3339(),
            updated_at: slug.expired_at.unwrap_or(slug.created_at).rfc3339(),
            deleted_at: slug.expired_at.map(Timestamp::rfc3339),
        }
    }
}

/// Body of `POST /apps/{app}/slugs`.
#[derive(Debug, Deserialize)]
pub struct CreateSlug {
    /// Process types and their commands.
    pub process_types: BTreeMap<String, String>,
    /// `SHA256:<hex>` of the archive that will be uploaded.
    #[serde(default)]
    pub checksum: Option<String>,
    /// The commit it was built from.
    #[serde(default)]
    pub commit: Option<String>,
    /// What the client says about the commit.
    #[serde(default)]
    pub commit_description: Option<String>,
    /// What built it.
    #[serde(default)]
    pub buildpack_provided_description: Option<String>,
    /// A stack's name, or `{name}`.
    #[serde(default)]
    pub stack: Option<NameOrObject>,
}
