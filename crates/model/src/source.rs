//! A source: an uploaded archive that a build can be made from.

use crate::id::SourceId;
use crate::time::Timestamp;

/// An upload slot: put the archive there, build from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// The secret in its addresses: who holds the address may read or write (CLI-33).
    pub secret: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How long an upload slot can be used after it was made: an hour, as for signed storage addresses.
pub const SOURCE_LIFE_S: u64 = 3600;

/// The largest archive taken: the checkout limit of BLD-4 (1 GB).
pub const SOURCE_SIZE_LIMIT_BYTES: u64 = 1_000_000_000;
