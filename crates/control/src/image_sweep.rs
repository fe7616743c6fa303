//! Takes away images that nobody released, blobs that no manifest names, and files on this machine that no dyno needs.

use crate::objects::ObjectError;
use crate::{Control, image_upload, room};
use builder::image_blob_key;
use model::id::AppId;
use model::image::kept::{stale, unnamed};
use model::image::{Digest, Image};
use model::slug::Slug;
use std::collections::BTreeSet;
use store::StoreError;

/// Where blobs lie in the object store.
const BLOBS: &str = "images/blobs/sha256";

/// Why something was not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Folder(#[from] std::io::Error),
}

/// All of it, from the outermost in: what is not named any more is of no use then.
pub(crate) async fn sweep(control: &Control) -> Result<(), SweepError> {
    image_upload::sweep(control);
    rows(control).await?;
    blobs(control).await?;
    folders(control).await
}

/// Manifests, and rights to blobs. In one transaction, so that no release is made of what goes.
async fn rows(control: &Control) -> Result<(), StoreError> {
    let now = control.now();
    let mut tx = control.store.begin().await?;
    let slugs = store::slug::present(tx.db()).await?;
    let of = |slug: &Slug| slug.images.values().map(|image| (slug.app, image.manifest.clone())).collect::<Vec<_>>();
    let released: BTreeSet<(AppId, Digest)> = slugs.iter().flat_map(of).collect();
    let pushed = store::image::pushed(tx.db()).await?;
    let gone = stale(&pushed, &released, now);
    for one in &gone {
        store::image::delete_manifest(&mut tx, one.app, &one.process_type, &one.digest).await?;
    }
    let named = pushed.iter().filter(|one| !gone.contains(one));
    let named = named.flat_map(|one| one.names.iter().map(|digest| (one.app, digest.clone())));
    let named: BTreeSet<(AppId, Digest)> = named.chain(slugs.iter().flat_map(blobs_of)).collect();
    let blobs = store::image::blobs(tx.db()).await?;
    for blob in unnamed(&blobs, &named, now) {
        store::image::delete_blob(&mut tx, blob.app, &blob.digest).await?;
    }
    tx.commit().await?;
    if !gone.is_empty() {
        tracing::info!(manifests = gone.len(), "Removed images that nobody released");
    }
    Ok(())
}

fn blobs_of(slug: &Slug) -> Vec<(AppId, Digest)> {
    let blobs = slug.images.values().flat_map(Image::blobs);
    blobs.map(|digest| (slug.app, digest.clone())).collect()
}

/// The bytes of blobs that no app may use and no slug is made of. An upload that has just become a blob is noted before this looks.
async fn blobs(control: &Control) -> Result<(), SweepError> {
    if strays(control).await?.is_empty() {
        return Ok(());
    }
    let alone = control.images.blobs.write().await;
    let strays = strays(control).await?;
    for key in &strays {
        control.objects.delete(key).await?;
    }
    drop(alone);
    tracing::info!(blobs = strays.len(), "Removed blobs of images that nothing names");
    Ok(())
}

async fn strays(control: &Control) -> Result<Vec<String>, SweepError> {
    let keys = control.objects.list(BLOBS).await?;
    let mut used: BTreeSet<String> = BTreeSet::new();
    let db = control.store.db();
    used.extend(store::image::blobs(db).await?.iter().map(|blob| image_blob_key(&blob.digest)));
    let slugs = store::slug::present(db).await?;
    used.extend(slugs.iter().flat_map(blobs_of).map(|(_, digest)| image_blob_key(&digest)));
    Ok(keys.into_iter().map(|(key, _)| key).filter(|key| !used.contains(key)).collect())
}

/// Unpacked images that no dyno runs or will at its next restart: they are unpacked again when somebody goes back to them.
async fn folders(control: &Control) -> Result<(), SweepError> {
    if unneeded(control).await?.is_empty() {
        return Ok(());
    }
    let Some(_alone) = room::alone(control).await else { return Ok(()) };
    for id in unneeded(control).await? {
        let images = control.images.unpacked.clone();
        let shown = id.clone();
        match tokio::task::spawn_blocking(move || images.forget(&id)).await {
            Ok(Ok(())) => tracing::info!(image = %shown, "Removed an unpacked image that nothing runs"),
            Ok(Err(error)) => tracing::warn!(image = %shown, %error, "An unpacked image was not removed"),
            Err(error) => tracing::error!(image = %shown, %error, "Removing an unpacked image ended in a panic"),
        }
    }
    Ok(())
}

async fn unneeded(control: &Control) -> Result<Vec<Digest>, SweepError> {
    let folders = control.images.unpacked.folders()?;
    if folders.is_empty() {
        return Ok(folders);
    }
    let codes = store::release::codes(control.store.db()).await?;
    let used = model::retention::in_use(&codes, &control.registry.releases());
    let slugs = store::slug::present(control.store.db()).await?;
    let used = slugs.iter().filter(|slug| used.contains(&slug.id)).flat_map(|slug| slug.images.values());
    let used: BTreeSet<&Digest> = used.map(|image| &image.manifest).collect();
    Ok(folders.into_iter().filter(|id| !used.contains(id)).collect())
}

/// What a destroyed app leaves goes at once, and not only at the next sweep.
pub(crate) async fn after_destroy(control: &Control) {
    if let Err(error) = sweep(control).await {
        tracing::warn!(%error, "What a destroyed app's images took was not removed; the next sweep tries again");
    }
}
