//! How many requests an account may still make.

use serde::Serialize;

/// `GET /account/rate-limits`.
#[derive(Debug, Clone, Serialize)]
pub struct RateLimitView {
    /// Requests left at this moment.
    pub remaining: u32,
}
