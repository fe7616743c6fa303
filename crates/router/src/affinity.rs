//! Session affinity (ROUTE-16): a cookie by which a visitor's requests go to one dyno.
//!
//! The cookie is a keyed hash of the dyno's id: it names the dyno to this router only, and says nothing about it. The
//! key lives as long as the router and its successors; after a crash of the router visitors get new cookies.

use crate::field::Kind;
use crate::request::Request;
use model::id::DynoId;
use model::world::World;
use serde::{Deserialize, Serialize};
use std::hash::Hasher;

const NAME: &str = "heroku-session-affinity";

/// What the cookie says: 64 bits, in hex.
pub(crate) type Tag = [u8; 16];

/// What makes the tags of one router differ from those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key(u64, u64);

/// Where a visitor's request should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// The app does not want it.
    Off,
    /// A new visitor, or one with a cookie that is none of ours.
    New,
    /// To the dyno of this tag.
    To(Tag),
}

impl Key {
    pub(crate) fn new(world: &dyn World) -> Self {
        let half = || {
            let mut bytes = [0; 8];
            world.random(&mut bytes);
            u64::from_le_bytes(bytes)
        };
        Self(half(), half())
    }

    #[allow(deprecated, reason = "the only hash of the standard library that takes a key")]
    pub(crate) fn tag(self, dyno: DynoId) -> Tag {
        let mut hasher = std::hash::SipHasher::new_with_keys(self.0, self.1);
        hasher.write(dyno.0.as_bytes());
        let hash = hasher.finish();
        std::array::from_fn(|at| b"0123456789abcdef"[(hash >> (60 - 4 * at) & 0xf) as usize])
    }
}

/// What the request's cookies say. The last one counts: browsers send the more special path first, and ours is `/`.
pub(crate) fn wished(request: &Request<'_>) -> Affinity {
    let cookies = request.values(Kind::Cookie).flat_map(|value| value.split(|&byte| byte == b';'));
    let mut ours = cookies.filter_map(|cookie| cookie.trim_ascii().strip_prefix(NAME.as_bytes())?.strip_prefix(b"="));
    match ours.next_back().and_then(|value| Tag::try_from(value).ok()) {
        Some(tag) => Affinity::To(tag),
        None => Affinity::New,
    }
}

/// For `Set-Cookie`.
pub(crate) fn cookie(tag: Tag) -> Vec<u8> {
    [NAME.as_bytes(), b"=", &tag, b"; Path=/; HttpOnly"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_one_dyno_under_one_key() {
        let dyno = |number| uuid::Uuid::from_u128(number).into();
        let tag = Key(1, 2).tag(dyno(1));
        assert!(tag.iter().all(u8::is_ascii_hexdigit));
        assert_eq!(tag, Key(1, 2).tag(dyno(1)));
        assert_ne!(tag, Key(1, 2).tag(dyno(2)));
        assert_ne!(tag, Key(1, 3).tag(dyno(1)));
    }

    #[test]
    fn our_cookie_is_found_among_others() {
        let wished = |values: &[&'static str]| {
            let lines: String = values.iter().map(|value| format!("Cookie: {value}\r\n")).collect();
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            super::wished(&crate::request::read(head.as_bytes(), Vec::new()))
        };
        let to = Affinity::To(*b"0123456789abcdef");
        assert_eq!(wished(&["heroku-session-affinity=0123456789abcdef"]), to);
        assert_eq!(wished(&["a=b; heroku-session-affinity=0123456789abcdef;c", "d=e"]), to);
        for none in ["a=b", "heroku-session-affinity=short", "xheroku-session-affinity=0123456789abcdef", ""] {
            assert_eq!(wished(&[none]), Affinity::New, "{none}");
        }
    }
}
