//! A request that comes again with the same key is answered as before and not done again: an extension for clients that repeat
//! what they had no answer to.

use crate::Control;
use aws_lc_rs::digest::{SHA256, digest};
use model::id::AuthorizationId;
use model::time::Timestamp;
use std::time::Duration;
use store::StoreError;

/// An answer is given again for a day.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// Keys of one token; beyond it the oldest go.
const KEYS_LIMIT: i64 = 1000;

/// The longest key: a UUID, or what a client makes of several.
pub const KEY_LIMIT_BYTES: usize = 255;

/// The longest answer that is kept; what makes a thing answers with that thing.
pub const ANSWER_LIMIT_BYTES: usize = 64 * 1024;

/// What is to become of a request with a key.
#[derive(Debug)]
pub enum Begun {
    /// It is the first: do it, then [`end`].
    First,
    /// It was answered so.
    Answered(String),
}

/// Why a request with a key is not done.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// Empty, too long, or not printable.
    #[error("Idempotency-Key must be 1 to {KEY_LIMIT_BYTES} printable ASCII characters, such as a UUID")]
    BadKey,
    /// Another request.
    #[error("This Idempotency-Key came with another request before; every request needs a key of its own")]
    OtherRequest,
    /// Not yet answered.
    #[error(
        "The first request with this Idempotency-Key has no answer yet: it is under way, or the server was stopped \
         meanwhile. Look whether it was done, then go on with another key"
    )]
    Unanswered,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Notes that a request came with a key.
///
/// # Errors
/// A bad key, a key that another request had, a first request without an answer.
pub async fn begin(
    control: &Control,
    by: AuthorizationId,
    key: &str,
    request: &[u8],
) -> Result<Begun, IdempotencyError> {
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if key.is_empty() || key.len() > KEY_LIMIT_BYTES || !printable {
        return Err(IdempotencyError::BadKey);
    }
    let hash: String = digest(&SHA256, request).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let now = control.now();
    let known = store::idempotency::find(&control.store, by, key).await?;
    let known = known.filter(|known| now.since(known.created_at) < KEPT_FOR);
    match known {
        Some(known) if known.request_sha256 != hash => return Err(IdempotencyError::OtherRequest),
        Some(known) => return known.answer.map(Begun::Answered).ok_or(IdempotencyError::Unanswered),
        None => {}
    }
    let mut tx = control.store.begin().await?;
    store::idempotency::delete_older(&mut tx, before(now)).await?;
    if !store::idempotency::insert(&mut tx, by, key, &hash, now).await? {
        return Err(IdempotencyError::Unanswered);
    }
    store::idempotency::delete_surplus(&mut tx, by, KEYS_LIMIT).await?;
    tx.commit().await?;
    Ok(Begun::First)
}

/// Keeps the answer to a first request; `None`: it was none that may be given again.
///
/// # Errors
/// When the database fails.
pub async fn end(
    control: &Control,
    by: AuthorizationId,
    key: &str,
    answer: Option<&str>,
) -> Result<(), IdempotencyError> {
    let mut tx = control.store.begin().await?;
    match answer {
        Some(answer) => store::idempotency::set_answer(&mut tx, by, key, answer).await?,
        None => store::idempotency::delete(&mut tx, by, key).await?,
    }
    Ok(tx.commit().await?)
}

fn before(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX)))
}
