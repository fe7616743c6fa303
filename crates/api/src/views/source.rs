//! The source as clients see it: where to put an archive, and where it is then.

use crate::link::Links;
use model::source::Source;
use serde::Serialize;

/// `POST /sources` (BLD-3).
#[derive(Debug, Clone, Serialize)]
pub struct SourceView {
    source_blob: SourceAddresses,
}

#[derive(Debug, Clone, Serialize)]
struct SourceAddresses {
    get_url: String,
    put_url: String,
}

impl SourceView {
    /// Its two addresses; both are usable by whoever holds them (CLI-33).
    #[must_use]
    pub fn new(source: &Source, links: &Links) -> Self {
        let url = links.source_blob(source.id, &source.secret);
        Self { source_blob: SourceAddresses { get_url: url.clone(), put_url: url } }
    }
}
