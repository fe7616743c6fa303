//! Public keys of accounts, for git over SSH.

use crate::Control;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use model::account::Account;
use model::ssh_key::{BadKey, SshKey, read};
use store::StoreError;

/// Keys of one account.
pub const KEY_LIMIT: usize = 100;

/// Why a key is not added or found.
#[derive(Debug, thiserror::Error)]
pub enum SshKeyError {
    /// None of that id or fingerprint.
    #[error("Couldn't find that key.")]
    NoSuchKey,
    /// No public key.
    #[error(transparent)]
    Bad(#[from] BadKey),
    /// A key belongs to one account, or nobody would know who pushes.
    #[error("The key with the fingerprint {0} was added already, here or to another account")]
    Taken(String),
    /// Too many.
    #[error("You have {KEY_LIMIT} keys, which is the limit; remove one first")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All of an account.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account) -> Result<Vec<SshKey>, SshKeyError> {
    Ok(store::ssh_key::of_account(control.store.db(), who.id).await?)
}

/// One by id or fingerprint.
///
/// # Errors
/// [`SshKeyError::NoSuchKey`].
pub async fn find(control: &Control, who: &Account, which: &str) -> Result<SshKey, SshKeyError> {
    let all = list(control, who).await?;
    let found = all.into_iter().find(|key| key.id.to_string() == which || key.fingerprint == which);
    found.ok_or(SshKeyError::NoSuchKey)
}

/// Adds one.
///
/// # Errors
/// No public key, one that was added already, too many.
pub async fn add(control: &Control, who: &Account, line: &str) -> Result<SshKey, SshKeyError> {
    let key = read(line)?;
    let bytes = STANDARD.decode(key.base64).map_err(|_| BadKey::NoKey)?;
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, &bytes)));
    let key = SshKey {
        id: control.world.new_id(),
        account: who.id,
        fingerprint,
        comment: key.comment.to_owned(),
        public_key: line.trim().to_owned(),
        created_at: control.now(),
    };
    let mut tx = control.store.begin().await?;
    if store::ssh_key::of_account(tx.db(), who.id).await?.len() >= KEY_LIMIT {
        return Err(SshKeyError::TooMany);
    }
    match store::ssh_key::insert(&mut tx, &key).await {
        Err(error) if error.is_duplicate() => Err(SshKeyError::Taken(key.fingerprint)),
        Err(error) => Err(error.into()),
        Ok(()) => {
            tx.commit().await?;
            Ok(key)
        }
    }
}

/// Removes one.
///
/// # Errors
/// [`SshKeyError::NoSuchKey`].
pub async fn remove(control: &Control, who: &Account, which: &str) -> Result<SshKey, SshKeyError> {
    let key = find(control, who, which).await?;
    let mut tx = control.store.begin().await?;
    store::ssh_key::delete(&mut tx, key.id).await?;
    tx.commit().await?;
    Ok(key)
}
