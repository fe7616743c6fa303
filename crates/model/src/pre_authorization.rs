//! Pre-authorizations: a code of the second factor that is good for a while, for one app and one token (API-14).

use crate::id::AppId;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// A code is good for so long after it was given: a deploy with all that belongs to it, and no working day.
pub const WINDOW: Duration = Duration::from_secs(30 * 60);

/// Windows that are open at the same time; beyond it the one that ends first is shut.
const OPEN_LIMIT: usize = 10_000;

/// Until when which app believes which token, by its hash, without another code.
#[derive(Debug, Default)]
pub struct PreAuthorizations(HashMap<(String, AppId), Timestamp>);

impl PreAuthorizations {
    /// Opens a window, or the same one for longer; until when it is open.
    pub fn open(&mut self, token_sha256: &str, app: AppId, now: Timestamp) -> Timestamp {
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= OPEN_LIMIT {
            let first = self.0.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
            first.map(|key| self.0.remove(&key));
        }
        let until = now.plus(WINDOW);
        self.0.insert((token_sha256.to_owned(), app), until);
        until
    }

    /// Is it open?
    #[must_use]
    pub fn is_open(&self, token_sha256: &str, app: AppId, now: Timestamp) -> bool {
        self.0.get(&(token_sha256.to_owned(), app)).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn api_14_a_window_is_one_tokens_for_one_app_and_ends() {
        let (ada, bob) = ("5e1f", "b0b0");
        let (shop, other) = (AppId(Uuid::from_u128(3)), AppId(Uuid::from_u128(4)));
        let mut all = PreAuthorizations::default();
        let until = all.open(ada, shop, Timestamp(0));
        assert_eq!(until, Timestamp(0).plus(WINDOW));
        let just_before = Timestamp(until.0 - 1);
        assert!(all.is_open(ada, shop, just_before) && !all.is_open(ada, shop, until));
        assert!(!all.is_open(bob, shop, Timestamp(0)) && !all.is_open(ada, other, Timestamp(0)));
        let later = all.open(ada, shop, just_before);
        assert!(all.is_open(ada, shop, until) && later > until, "once more is longer");
    }

    #[test]
    fn there_are_never_more_windows_than_the_limit() {
        let mut all = PreAuthorizations::default();
        for number in 0..OPEN_LIMIT as u128 + 5 {
            all.open(&number.to_string(), AppId(Uuid::nil()), Timestamp(number as i64));
        }
        assert_eq!(all.0.len(), OPEN_LIMIT);
        assert!(!all.is_open("0", AppId(Uuid::nil()), Timestamp(0)), "the first is shut");
    }
}
