//! The rate limit: one token bucket per account (API-9). It stops loops that went wild, not people.

use crate::settings::Settings;
use model::id::AccountId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// The buckets; as many as there are accounts that called.
#[derive(Debug)]
pub(crate) struct RateLimits {
    burst: f64,
    refill_per_s: f64,
    buckets: Mutex<HashMap<AccountId, Bucket>>,
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
        Self { burst, refill_per_s, buckets: Mutex::default() }
    }

    /// Takes one request from the account's bucket: how many are left, or `None` when it was empty.
    pub(crate) fn take(&self, account: AccountId) -> Option<u32> {
        self.change(account, |bucket| {
            let enough = bucket.left >= 1.0;
            if enough {
                bucket.left -= 1.0;
            }
            enough.then_some(bucket.left)
        })
        .map(whole)
    }

    /// How many are left; costs none.
    pub(crate) fn left(&self, account: AccountId) -> u32 {
        whole(self.change(account, |bucket| bucket.left))
    }

    fn change<T>(&self, account: AccountId, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(account).or_insert(Bucket { left: self.burst, at: now });
        let refill = now.duration_since(bucket.at).as_secs_f64() * self.refill_per_s;
        *bucket = Bucket { left: (bucket.left + refill).min(self.burst), at: now };
        act(bucket)
    }
}

fn whole(left: f64) -> u32 {
    // A bucket never holds less than nothing or more than its u32 size.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within u32 by construction")]
    let left = left as u32;
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn api_9_a_bucket_empties_and_refills() {
        let settings = Settings { rate_burst: 2, rate_refill_per_s: 1, ..Settings::default() };
        let (limits, account) = (RateLimits::new(&settings), AccountId(uuid::Uuid::nil()));
        assert_eq!((limits.take(account), limits.take(account), limits.take(account)), (Some(1), Some(0), None));
        assert_eq!(limits.take(AccountId(uuid::Uuid::max())), Some(1));
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!((limits.left(account), limits.take(account), limits.take(account)), (1, Some(0), None));
    }
}
