//! The rate limit: a bucket of requests for each token (API-9, CLI-4). It stops loops that went wild, not people.
//!
//! Tokens are made by request, so those of one account have a bucket together too, as large as [`TOKENS_OF_ACCOUNT`] of one
//! token: more tokens than that bring nothing.

use crate::settings::Settings;
use model::id::{AccountId, AuthorizationId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What all tokens of an account have together, in buckets of one: more loops than somebody runs at the same time.
const TOKENS_OF_ACCOUNT: u32 = 10;

/// Buckets that are kept, of tokens and of accounts each. One that is full again tells nothing and goes first, so that only
/// as many tokens in one minute could come near it.
const BUCKETS_LIMIT: usize = 10_000;

/// All buckets.
#[derive(Debug)]
pub(crate) struct RateLimits(Mutex<Both>);

#[derive(Debug)]
struct Both {
    tokens: Buckets<Key>,
    accounts: Buckets<AccountId>,
}

/// Who pays for a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payer {
    /// Whose request it is.
    pub(crate) account: AccountId,
    /// By which token; `None`: e-mail and password, where a login begins.
    pub(crate) token: Option<AuthorizationId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Token(AuthorizationId),
    Password(AccountId),
}

/// Buckets of one size.
#[derive(Debug)]
struct Buckets<K> {
    burst: f64,
    refill_per_s: f64,
    kept: HashMap<K, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl RateLimits {
    /// Full buckets of the settings' size.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        let (burst, refill_per_s) = (f64::from(settings.rate_burst), f64::from(settings.rate_refill_per_s));
        let times = f64::from(TOKENS_OF_ACCOUNT);
        let tokens = Buckets::of(burst, refill_per_s);
        Self(Mutex::new(Both { tokens, accounts: Buckets::of(burst * times, refill_per_s * times) }))
    }

    /// Takes one request out of both buckets: how many are left, or `None` when one of them was empty.
    pub(crate) fn take(&self, payer: Payer) -> Option<u32> {
        let mut both = self.both();
        let (token, account) = both.of(payer);
        if *token < 1.0 || *account < 1.0 {
            return None;
        }
        *token -= 1.0;
        *account -= 1.0;
        Some(whole(token.min(*account)))
    }

    /// How many are left; costs none.
    pub(crate) fn left(&self, payer: Payer) -> u32 {
        let mut both = self.both();
        let (token, account) = both.of(payer);
        whole(token.min(*account))
    }

    fn both(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Both {
    /// What the token has left, and what its account.
    fn of(&mut self, payer: Payer) -> (&mut f64, &mut f64) {
        let now = Instant::now();
        let key = payer.token.map_or(Key::Password(payer.account), Key::Token);
        (self.tokens.left(key, now), self.accounts.left(payer.account, now))
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn of(burst: f64, refill_per_s: f64) -> Self {
        Self { burst, refill_per_s, kept: HashMap::new() }
    }

    /// What is in a bucket now.
    fn left(&mut self, key: K, now: Instant) -> &mut f64 {
        if self.kept.len() >= BUCKETS_LIMIT && !self.kept.contains_key(&key) {
            self.make_room(now);
        }
        let bucket = self.kept.entry(key).or_insert(Bucket { left: self.burst, at: now });
        *bucket = Bucket { left: bucket.refilled(self.burst, self.refill_per_s, now), at: now };
        &mut bucket.left
    }

    /// A bucket that is full is as good as one that is not kept; if there is none, the fullest goes, which forgives least.
    fn make_room(&mut self, now: Instant) {
        let (burst, refill_per_s) = (self.burst, self.refill_per_s);
        self.kept.retain(|_, bucket| bucket.refilled(burst, refill_per_s, now) < burst);
        if self.kept.len() >= BUCKETS_LIMIT {
            let refilled = |bucket: &Bucket| bucket.refilled(burst, refill_per_s, now);
            let fullest = self.kept.iter().max_by(|a, b| refilled(a.1).total_cmp(&refilled(b.1))).map(|(key, _)| *key);
            fullest.map(|key| self.kept.remove(&key));
        }
    }
}

impl Bucket {
    fn refilled(&self, burst: f64, refill_per_s: f64, now: Instant) -> f64 {
        (self.left + now.duration_since(self.at).as_secs_f64() * refill_per_s).min(burst)
    }
}

fn whole(left: f64) -> u32 {
    // A bucket never holds less than nothing or more than its size.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within u32 by construction")]
    let left = left as u32;
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use uuid::Uuid;

    fn payer(account: u128, token: u128) -> Payer {
        let token = Some(AuthorizationId(Uuid::from_u128(token)));
        Payer { account: AccountId(Uuid::from_u128(account)), token }
    }

    fn limits(rate_burst: u32, rate_refill_per_s: u32) -> RateLimits {
        RateLimits::new(&Settings { rate_burst, rate_refill_per_s, ..Settings::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn api_9_a_bucket_empties_and_refills() {
        let (limits, ada) = (limits(2, 1), payer(1, 1));
        assert_eq!((limits.take(ada), limits.take(ada), limits.take(ada)), (Some(1), Some(0), None));
        assert_eq!(limits.take(payer(2, 2)), Some(1));
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!((limits.left(ada), limits.take(ada), limits.take(ada)), (1, Some(0), None));
    }

    #[tokio::test(start_paused = true)]
    async fn cli_4_each_token_has_a_bucket_of_its_own_and_many_bring_no_more_than_ten() {
        let limits = limits(2, 1);
        for token in 1..=10 {
            assert_eq!(limits.left(payer(1, token)), 2, "another token's requests are not counted");
            assert_eq!((limits.take(payer(1, token)), limits.take(payer(1, token)).is_some()), (Some(1), true));
            assert_eq!(limits.take(payer(1, token)), None);
        }
        let eleventh = payer(1, 11);
        assert_eq!((limits.left(eleventh), limits.take(eleventh)), (0, None), "ten have used up the account's");
        assert_eq!(limits.take(Payer { token: None, ..eleventh }), None);
        assert_eq!(limits.take(payer(2, 12)), Some(1), "another account's are its own");
        tokio::time::advance(Duration::from_millis(150)).await;
        assert_eq!((limits.take(eleventh), limits.take(eleventh)), (Some(0), None), "ten times as much comes back");
    }

    #[tokio::test(start_paused = true)]
    async fn cli_4_buckets_that_are_full_again_are_not_kept_beyond_the_limit() {
        let limits = limits(3, 1);
        let empty = payer(1, 1);
        while limits.take(empty).is_some() {}
        for token in 2..=BUCKETS_LIMIT as u128 {
            limits.take(payer(token, token));
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(limits.take(payer(1, 20_000)), Some(2));
        assert_eq!(limits.both().tokens.kept.len(), 2, "the one that is not full, and the new one");
        assert_eq!(limits.left(empty), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn cli_4_no_more_buckets_than_the_limit_and_the_emptiest_stay() {
        let limits = limits(3, 0);
        let empty = payer(1, 1);
        while limits.take(empty).is_some() {}
        for token in 2..BUCKETS_LIMIT as u128 + 5 {
            limits.take(payer(token, token));
        }
        let both = limits.both();
        assert_eq!((both.tokens.kept.len(), both.accounts.kept.len()), (BUCKETS_LIMIT, BUCKETS_LIMIT));
        drop(both);
        assert_eq!(limits.left(empty), 0);
    }
}
