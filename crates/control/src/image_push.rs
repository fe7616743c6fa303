//! A manifest is pushed: what it names is there, and what it says can run here.

use crate::gate::Authorized;
use crate::image::{ImageError, MANIFESTS_LIMIT, Reference, StoredManifest, TAGS_LIMIT};
use crate::objects::ObjectError;
use crate::{Control, disk, image, journal};
use aws_lc_rs::digest::{SHA256, digest as hash};
use builder::image_blob_key;
use futures_util::TryStreamExt;
use model::app::App;
use model::image::config::{self, BadConfig, CONFIG_LIMIT_BYTES};
use model::image::kept::LATEST;
use model::image::manifest::{self, MANIFEST_LIMIT_BYTES, Manifest};
use model::image::{Digest, Image};
use model::procfile::ProcessType;
use model::time::Timestamp;
use store::Tx;

/// Takes a manifest, under a tag or its digest.
///
/// # Errors
/// One that cannot be, parts that are not there, an image that this machine cannot run under the tag `latest`, a disk that is short.
pub async fn put(
    control: &Control,
    app: &Authorized<App>,
    process_type: &ProcessType,
    reference: &Reference,
    content_type: &str,
    bytes: &[u8],
) -> Result<StoredManifest, ImageError> {
    disk::admits(control, bytes.len() as u64)?;
    if bytes.len() > MANIFEST_LIMIT_BYTES {
        return Err(ImageError::LargeManifest);
    }
    let digest = digest_of(bytes);
    if let Reference::Digest(announced) = reference
        && *announced != digest
    {
        return Err(ImageError::OtherDigest { found: digest, announced: announced.clone() });
    }
    let (media_type, manifest) = manifest::read(content_type, bytes)?;
    // It was JSON.
    let content = String::from_utf8_lossy(bytes).into_owned();
    let names: Vec<Digest> = manifest.parts().into_iter().map(|(digest, _)| digest.clone()).collect();
    let now = control.now();
    let mut new = StoredManifest {
        app: app.id,
        process_type: process_type.clone(),
        digest,
        media_type,
        content,
        names,
        image: None,
        for_here: None,
        pushed_at: now,
    };
    let tag = match reference {
        Reference::Digest(_) => None,
        Reference::Tag(tag) => Some(tag.as_str()),
    };
    new.image = runnable(control, &new, &manifest, tag).await?;
    let mut tx = control.store.begin().await?;
    check_parts(&mut tx, &new, &manifest, now).await?;
    new.for_here = for_here(&mut tx, &new, &manifest, tag).await?;
    if store::image::count(tx.db(), app.id).await? >= MANIFESTS_LIMIT {
        return Err(ImageError::TooMany);
    }
    store::image::put_manifest(&mut tx, &new).await?;
    if let Some(tag) = tag {
        if store::image::tag_count(tx.db(), app.id).await? >= TAGS_LIMIT {
            return Err(ImageError::TooMany);
        }
        store::image::put_tag(&mut tx, app.id, process_type, tag, &new.digest).await?;
    }
    tx.commit().await?;
    if let Some(tag) = tag {
        let said = format!("Pushed image {process_type}:{tag} ({}) by user {}", new.digest.short(), app.by().email);
        journal::api(control, app.id, now, said).await;
    }
    Ok(new)
}

/// What a dyno needs of the image of a manifest; `None`: it is not of one that runs here, and is kept for whoever asks by its digest.
async fn runnable(
    control: &Control,
    new: &StoredManifest,
    manifest: &Manifest,
    tag: Option<&str>,
) -> Result<Option<Image>, ImageError> {
    let (config, layers) = match manifest {
        Manifest::Image { config, layers } => (config, layers),
        Manifest::Other(_) if tag == Some(LATEST) => return Err(ImageError::NoImage),
        Manifest::Other(_) | Manifest::Index(_) => return Ok(None),
    };
    if config.size > CONFIG_LIMIT_BYTES {
        return Err(ImageError::LargeConfig);
    }
    let size = store::image::blob_size(control.store.db(), new.app, &config.digest).await?;
    if size.is_none_or(|size| size > CONFIG_LIMIT_BYTES) {
        return Err(ImageError::MissingPart(config.digest.clone()));
    }
    let sent = control.objects.get(&image_blob_key(&config.digest)).await?;
    let sent: Vec<u8> = sent
        .try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
        .map_err(ObjectError::BrokeOff)?;
    let read = match config::read(&sent, &image::here()) {
        // One of several: the index says which is for which machine.
        Err(BadConfig::OtherPlatform { .. }) if tag.is_none() => return Ok(None),
        read => read?,
    };
    let size_bytes = manifest.parts().iter().fold(0, |total: u64, (_, bytes)| total.saturating_add(*bytes));
    let (id, manifest) = (config.digest.clone(), new.digest.clone());
    Ok(Some(Image { id, manifest, layers: layers.clone(), config: read, size_bytes }))
}

/// Are the blobs there that it names? They stay for a while.
async fn check_parts(tx: &mut Tx, new: &StoredManifest, manifest: &Manifest, now: Timestamp) -> Result<(), ImageError> {
    if manifest.is_index() {
        return Ok(());
    }
    for (digest, said) in manifest.parts() {
        let found = store::image::blob_size(tx.db(), new.app, digest).await?;
        let found = found.ok_or_else(|| ImageError::MissingPart(digest.clone()))?;
        if found != said {
            return Err(ImageError::OtherSize { digest: digest.clone(), said, found });
        }
        store::image::put_blob(tx, new.app, digest, found, now).await?;
    }
    Ok(())
}

/// The manifest of an index that this machine runs. Only that one must be there: clients that have no image but their own push no
/// other.
async fn for_here(
    tx: &mut Tx,
    new: &StoredManifest,
    manifest: &Manifest,
    tag: Option<&str>,
) -> Result<Option<Digest>, ImageError> {
    let parts = match manifest {
        Manifest::Index(parts) => parts,
        Manifest::Image { .. } | Manifest::Other(_) => return Ok(None),
    };
    let here = image::here();
    let Some(chosen) = manifest::choose(parts, &here) else {
        let found = manifest::platforms(parts);
        return if tag.is_some() { Err(ImageError::NoneForHere { found, here }) } else { Ok(None) };
    };
    let child = store::image::manifest(tx.db(), new.app, &new.process_type, &chosen.digest).await?;
    let child = child.ok_or_else(|| ImageError::MissingPart(chosen.digest.clone()))?;
    if child.image.is_none() && tag.is_some() {
        return Err(ImageError::NoImage);
    }
    Ok(Some(chosen.digest.clone()))
}

/// The name of some bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    let found = hash(&SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(found.as_ref());
    Digest::of_hash(&out)
}
