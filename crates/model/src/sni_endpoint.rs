//! An SNI endpoint: a certificate chain with its private key, for some of an app's domains (ROUTE-6).

use crate::id::{AppId, SniEndpointId};
use crate::time::Timestamp;

/// Certificates of one app; each domain may have one of its own.
pub const SNI_ENDPOINTS_LIMIT: usize = 1000;

/// The longest chain, and the longest key: some kilobytes are usual.
pub const CERTIFICATE_CHAIN_LIMIT_BYTES: usize = 64 * 1024;
/// As above.
pub const PRIVATE_KEY_LIMIT_BYTES: usize = 16 * 1024;

/// A certificate as somebody brought it. Its key is kept beside it and never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SniEndpoint {
    /// Its id.
    pub id: SniEndpointId,
    /// Whose it is.
    pub app: AppId,
    /// `brave-heron-12345`.
    pub name: String,
    /// PEM, byte for byte as it was sent (CLI-27).
    pub certificate_chain: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When another certificate took its place last.
    pub updated_at: Timestamp,
}
