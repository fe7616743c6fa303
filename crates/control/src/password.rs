//! Passwords: kept as PBKDF2-HMAC-SHA256 with a salt of their own, compared without telling how near a guess was.

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use model::world::World;
use std::num::NonZeroU32;

/// OWASP's number for PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet, 2023): a guess costs a tenth of a second.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();

/// Shorter ones are guessed (NIST SP 800-63B asks for 8 at least).
pub(crate) const PASSWORD_LEAST_CHARS: usize = 10;

/// Longer ones would only cost time.
pub(crate) const PASSWORD_LIMIT_BYTES: usize = 1000;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// `pbkdf2-sha256$ITERATIONS$SALT$HASH`. Takes a tenth of a second: not for an async thread.
pub(crate) fn hash(world: &dyn World, password: &str) -> String {
    let mut salt = [0; SALT_BYTES];
    world.random(&mut salt);
    let mut hash = [0; HASH_BYTES];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password.as_bytes(), &mut hash);
    format!("pbkdf2-sha256${ITERATIONS}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash))
}

/// Is it this password? Without a hash it takes as long and is not.
pub(crate) fn verify(kept: Option<&str>, password: &str) -> bool {
    let (iterations, salt, hash) = kept.and_then(read).unwrap_or((ITERATIONS, vec![0; SALT_BYTES], Vec::new()));
    if hash.is_empty() {
        let mut nothing = [0; HASH_BYTES];
        pbkdf2::derive(PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut nothing);
        return false;
    }
    pbkdf2::verify(PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &hash).is_ok()
}

fn read(kept: &str) -> Option<(NonZeroU32, Vec<u8>, Vec<u8>)> {
    let mut parts = kept.split('$');
    if parts.next()? != "pbkdf2-sha256" {
        return None;
    }
    let iterations = parts.next()?.parse().ok()?;
    Some((iterations, STANDARD_NO_PAD.decode(parts.next()?).ok()?, STANDARD_NO_PAD.decode(parts.next()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    struct Dice;

    impl World for Dice {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn random(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_password_opens_with_itself_only() {
        let kept = hash(&Dice, "correct horse");
        assert!(!kept.contains("horse") && kept.starts_with("pbkdf2-sha256$600000$"));
        assert!(verify(Some(&kept), "correct horse"));
        for (kept, password) in [(Some(kept.as_str()), "correct horsf"), (Some("nonsense"), "x"), (None, "")] {
            assert!(!verify(kept, password), "{kept:?}");
        }
    }
}
