//! Upload slots for source archives (BLD-3). Who holds the address may use it, for an hour.

use crate::objects::{ByteStream, ObjectError, Upload};
use crate::{Control, disk};
use model::account::Account;
use model::id::SourceId;
use model::source::{SOURCE_LIFE_S, SOURCE_SIZE_LIMIT_BYTES, Source};
use std::time::Duration;
use store::StoreError;

/// Why a slot is not made or used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A wrong address, or one that is over an hour old.
    #[error("That upload address is unknown or has expired; ask for a new one with POST /sources")]
    Unknown,
    /// The disk is nearly full.
    #[error(transparent)]
    Short(#[from] model::disk::Short),
    /// The bytes.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a slot.
///
/// # Errors
/// A disk that is short, a database that fails.
pub async fn create(control: &Control, _who: &Account) -> Result<Source, SourceError> {
    disk::admits(control, 0)?;
    let world = &control.world;
    let source = Source { id: world.new_id(), secret: world.secret::<32>(), created_at: world.now() };
    let mut tx = control.store.begin().await?;
    store::source::insert(&mut tx, &source).await?;
    tx.commit().await?;
    Ok(source)
}

/// Stores an archive in a slot; a second upload replaces the first.
///
/// # Errors
/// An unknown address, an archive over the limit, a disk that is short or full.
pub async fn put(control: &Control, id: SourceId, secret: &str, upload: Upload) -> Result<(), SourceError> {
    let source = find(control, id, secret).await?;
    disk::admits(control, upload.announced_bytes)?;
    let body = upload.body;
    control.objects.put(&key(source.id), body, SOURCE_SIZE_LIMIT_BYTES).await?;
    Ok(())
}

/// The archive in a slot.
///
/// # Errors
/// An unknown address, or nothing uploaded yet.
pub async fn get(control: &Control, id: SourceId, secret: &str) -> Result<ByteStream, SourceError> {
    let source = find(control, id, secret).await?;
    Ok(control.objects.get(&key(source.id)).await?)
}

async fn find(control: &Control, id: SourceId, secret: &str) -> Result<Source, SourceError> {
    let source = store::source::by_id(control.store.db(), id).await?.ok_or(SourceError::Unknown)?;
    let fresh = control.now().since(source.created_at) < Duration::from_secs(SOURCE_LIFE_S);
    if fresh && crate::same_secret(&source.secret, secret) { Ok(source) } else { Err(SourceError::Unknown) }
}

/// Where the archive of a slot lies.
pub(crate) fn key(id: SourceId) -> String {
    format!("sources/{id}")
}
