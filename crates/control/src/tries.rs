//! Guessing: who gave wrong passwords too often has to wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Wrong passwords for one e-mail before its next try has to wait.
const TRIES: u32 = 10;

/// How long each wrong one is remembered.
const TRY_MEMORY: Duration = Duration::from_secs(60);

/// E-mails whose wrong passwords are remembered; beyond it the longest known are forgotten.
const TRIED_LIMIT: usize = 10_000;

/// Wrong passwords, by e-mail, whether or not it has an account.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<HashMap<String, (u32, Instant)>>);

impl Tries {
    pub(crate) fn admits(&self, email: &str) -> bool {
        self.left(email) < TRIES
    }

    /// Those that still count.
    fn left(&self, email: &str) -> u32 {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((count, at)) = tries.get(email) else { return 0 };
        let forgotten = at.elapsed().as_secs() / TRY_MEMORY.as_secs();
        count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    pub(crate) fn failed(&self, email: String) {
        let count = self.left(&email) + 1;
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= TRIED_LIMIT {
            let oldest = tries.iter().min_by_key(|(_, (_, at))| *at).map(|(email, _)| email.clone());
            oldest.map(|email| tries.remove(&email));
        }
        tries.insert(email, (count, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wrong_passwords_are_counted_and_forgotten() {
        let tries = Tries::default();
        for _ in 0..TRIES {
            assert!(tries.admits("a@b"));
            tries.failed("a@b".into());
        }
        assert!(!tries.admits("a@b") && tries.admits("c@d"));
        tokio::time::advance(TRY_MEMORY).await;
        assert!(tries.admits("a@b"), "one was forgotten");
    }
}
