//! A slug: the built artifact that releases point to.

use crate::id::{AppId, SlugId};
use crate::image::Images;
use crate::procfile::ProcessTypes;
use crate::stack::Stack;
use crate::time::Timestamp;

/// The largest slug, compressed: 500 MB, as on Heroku (BLD-4).
pub const SLUG_LIMIT_BYTES: u64 = 500 * 1024 * 1024;

/// Above this a slug still deploys but a warning is printed: 300 MB.
pub const SLUG_WARN_BYTES: u64 = 300 * 1024 * 1024;

/// A built artifact, kept by the hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug {
    /// Its id.
    pub id: SlugId,
    /// The app it was built for; other apps may release it too (promotion).
    pub app: AppId,
    /// `SHA256:<hex>` of the archive (BLD-15); `None` until an API client has uploaded it.
    pub checksum: Option<String>,
    /// Size of the archive, or of the images together.
    pub size_bytes: u64,
    /// The images that it runs, where it is made of such and of no archive.
    pub images: Images,
    /// Process types and their commands.
    pub process_types: ProcessTypes,
    /// The commit it was built from.
    pub commit: Option<String>,
    /// What the client says about the commit.
    pub commit_description: Option<String>,
    /// What the pack that built it calls itself.
    pub buildpack: Option<String>,
    /// What it runs on.
    pub stack: Stack,
    /// The secret in its upload and download addresses.
    pub secret: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its files are gone: nothing can run it any more (RLS-11).
    pub expired_at: Option<Timestamp>,
}

impl Slug {
    /// Is there something that dynos can be started from?
    #[must_use]
    pub fn has_content(&self) -> bool {
        !self.images.is_empty() || (self.checksum.is_some() && self.size_bytes > 0)
    }
}
