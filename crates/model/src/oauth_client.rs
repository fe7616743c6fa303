//! An OAuth client: a program of somebody's that asks people for tokens.

use crate::id::{AccountId, OauthClientId};
use crate::time::Timestamp;

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    /// Its id.
    pub id: OauthClientId,
    /// Whose it is.
    pub account: AccountId,
    /// What it is called.
    pub name: String,
    /// Where people are sent back to.
    pub redirect_uri: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The longest name, in bytes.
pub const NAME_LIMIT_BYTES: usize = 100;

/// The longest address, in bytes.
pub const URI_LIMIT_BYTES: usize = 2000;

/// May people be sent there: an absolute https address, or http on this machine, without a fragment (RFC 6749, 3.1.2)?
#[must_use]
pub fn is_redirect_uri(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| {
        let rest = text.strip_prefix("http://")?;
        let local = ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| rest.strip_prefix(host))?;
        (local.is_empty() || local.starts_with([':', '/'])).then_some(rest)
    });
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    text.len() <= URI_LIMIT_BYTES && plain && host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_people_may_be_sent() {
        for good in ["https://x.com", "https://x.com/a?b=c", "http://localhost:5000/cb", "http://127.0.0.1"] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "",
            "x.com",
            "http://x.com",
            "http://localhost.evil.com",
            "https://",
            "https:///x",
            "https://x.com#a",
            "javascript:alert(1)",
            "https://x y",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }
}
