//! The second factor: codes of an authenticator app (TOTP, RFC 6238), and codes on paper for when it is lost.

use crate::Control;
use crate::account::{AccountError, secret_hash};
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key};
use model::account::Account;
use model::time::Timestamp;

/// A code is good for so long (RFC 6238, 5.2).
const STEP_S: i64 = 30;

/// Clocks of telephones are off by so many steps.
const SKEW_STEPS: i64 = 1;

/// Bytes of the key: what HMAC-SHA-1 wants (RFC 4226, 4).
const KEY_BYTES: usize = 20;

const RECOVERY_CODES: usize = 8;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A second factor that was begun: it counts when its first code has come back.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The key, as people type it into an authenticator app.
    pub key: String,
    /// The same as an address, for a QR code.
    pub url: String,
}

/// Makes a key. The old one, if any, is good until the new one is confirmed.
///
/// # Errors
/// [`AccountError::TwoFactorOn`] when there is one: switch it off first.
pub async fn begin(control: &Control, who: &Account) -> Result<Begun, AccountError> {
    if who.two_factor {
        return Err(AccountError::TwoFactorOn);
    }
    let mut bytes = [0; KEY_BYTES];
    control.world.random(&mut bytes);
    let key = base32(&bytes);
    let mut tx = control.store.begin().await?;
    store::account::set_two_factor(&mut tx, who.id, Some(&key), false).await?;
    tx.commit().await?;
    let url = format!("otpauth://totp/Flowline:{}?secret={key}&issuer=Flowline", who.email.replace('%', "%25"));
    Ok(Begun { key, url })
}

/// Switches it on with a code of the key that was begun; codes for paper, told only here.
///
/// # Errors
/// [`AccountError::WrongCode`], [`AccountError::TwoFactorOff`] when none was begun.
pub async fn confirm(control: &Control, who: &Account, code: &str) -> Result<Vec<String>, AccountError> {
    if who.two_factor {
        return Err(AccountError::TwoFactorOn);
    }
    let (key, last) = store::account::two_factor(&control.store, who.id).await?.ok_or(AccountError::TwoFactorOff)?;
    let step = step_of(&key, code, control.now(), last).ok_or(AccountError::WrongCode)?;
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| control.world.secret::<8>()).collect();
    let hashes: Vec<String> = codes.iter().map(|code| secret_hash(code)).collect();
    let mut tx = control.store.begin().await?;
    store::account::set_two_factor(&mut tx, who.id, Some(&key), true).await?;
    store::account::take_step(&mut tx, who.id, step).await?;
    store::account::set_recovery(&mut tx, who.id, &hashes).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Switches it off.
///
/// # Errors
/// When the database fails.
pub async fn end(control: &Control, who: &Account) -> Result<(), AccountError> {
    let mut tx = control.store.begin().await?;
    store::account::set_two_factor(&mut tx, who.id, None, false).await?;
    store::account::set_recovery(&mut tx, who.id, &[]).await?;
    Ok(tx.commit().await?)
}

/// Takes a code, of the app or from paper; each is good once (RFC 6238, 5.2). Nothing is asked of an account without a second factor.
///
/// # Errors
/// [`AccountError::TwoFactor`] without a code, [`AccountError::WrongCode`] with a wrong or used one.
pub async fn check(control: &Control, who: &Account, code: Option<&str>) -> Result<(), AccountError> {
    if !who.two_factor {
        return Ok(());
    }
    let code = code.map(str::trim).filter(|code| !code.is_empty()).ok_or(AccountError::TwoFactor)?;
    let (key, last) = store::account::two_factor(&control.store, who.id).await?.ok_or(AccountError::WrongCode)?;
    let mut tx = control.store.begin().await?;
    let good = match step_of(&key, code, control.now(), last) {
        Some(step) => store::account::take_step(&mut tx, who.id, step).await?,
        None => store::account::use_recovery(&mut tx, who.id, &secret_hash(code)).await?,
    };
    tx.commit().await?;
    if good { Ok(()) } else { Err(AccountError::WrongCode) }
}

/// The step whose code this is, if it is later than the last that was taken.
fn step_of(key: &str, code: &str, now: Timestamp, last: i64) -> Option<i64> {
    let step = now.0 / 1_000_000 / STEP_S;
    let key = unbase32(key)?;
    let mut near = (step - SKEW_STEPS..=step + SKEW_STEPS).filter(|step| *step > last);
    near.rfind(|step| crate::same_secret(&totp(&key, *step), code))
}

/// Six digits (RFC 4226, 5.3).
fn totp(key: &[u8], step: i64) -> String {
    let mac = hmac::sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 15);
    let word = mac[at..at + 4].iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

fn base32(bytes: &[u8]) -> String {
    // Whole groups of 5 bytes: the key has 20.
    let group = |five: &[u8]| five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let letters =
        |bits: u64| (0..8).rev().map(move |at| char::from(BASE32[usize::from((bits >> (at * 5)) as u8 & 31)]));
    bytes.chunks_exact(5).flat_map(|five| letters(group(five))).collect()
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for eight in text.as_bytes().chunks_exact(8) {
        let mut bits = 0_u64;
        for letter in eight {
            let value = BASE32.iter().position(|known| known == letter)?;
            bits = bits << 5 | u64::try_from(value).ok()?;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; 20] = b"12345678901234567890";

    #[test]
    fn rfc_6238_appendix_b() {
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(totp(KEY, seconds / STEP_S), code, "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_around_its_time_and_once() {
        let key = base32(KEY);
        assert_eq!(key, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(unbase32(&key).unwrap(), KEY);
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert_eq!(step_of(&key, "287082", at(59), 0), Some(1));
        assert_eq!(step_of(&key, "287082", at(89), 0), Some(1), "half a minute late");
        assert_eq!(step_of(&key, "287082", at(120), 0), None, "too late");
        assert_eq!(step_of(&key, "287082", at(59), 1), None, "taken before");
        assert_eq!(step_of(&key, "287083", at(59), 0), None);
    }
}
