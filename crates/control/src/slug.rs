//! Slugs that clients make themselves: announce, upload, release (BLD-15).

use crate::gate::Authorized;
use crate::objects::{ByteStream, ObjectError, Upload};
use crate::{Control, disk, sweep};
use aws_lc_rs::digest::{Context, SHA256};
use builder::{ArchiveError, SlugError, StorageError};
use futures_util::{StreamExt, TryStreamExt};
use model::app::App;
use model::id::SlugId;
use model::procfile::{BadProcessType, ProcessTypes};
use model::slug::{SLUG_LIMIT_BYTES, Slug};
use model::stack::{NoSuchStack, Stack};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::StoreError;

/// Where uploads lie until they are known to be slugs.
pub(crate) const UPLOADS: &str = "uploads";

/// A slug as a client announces it.
#[derive(Debug, Clone, Default)]
pub struct NewSlug {
    /// Commands by process type.
    pub process_types: BTreeMap<String, String>,
    /// `SHA256:<hex>` that the upload must have.
    pub checksum: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// What the client says about it.
    pub commit_description: Option<String>,
    /// What built it.
    pub buildpack: Option<String>,
    /// What it runs on.
    pub stack: Option<String>,
}

/// Why a slug is not made, found or uploaded.
#[derive(Debug, thiserror::Error)]
pub enum SlugDoorError {
    /// No such slug.
    #[error("Couldn't find that slug.")]
    NoSuchSlug,
    /// RLS-11.
    #[error("That slug was removed to make room on the server's disk; build it again")]
    Expired,
    /// A process type without a command.
    #[error("Process type `{0}` has no command")]
    NoCommand(String),
    /// Not `SHA256:<64 hex digits>`.
    #[error("checksum must look like SHA256:<64 hex digits>")]
    BadChecksum,
    /// The upload is not what was announced (R17 is found here, before any dyno starts).
    #[error("The upload's checksum is {found}, announced was {announced}; upload it again")]
    OtherChecksum {
        /// Of the bytes.
        found: String,
        /// Of the announcement.
        announced: String,
    },
    /// A bad process type.
    #[error(transparent)]
    BadType(#[from] BadProcessType),
    /// An unknown stack.
    #[error(transparent)]
    Stack(#[from] NoSuchStack),
    /// The bytes.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The archive is none, or none of an app.
    #[error(transparent)]
    Archive(ArchiveError),
    /// The disk is nearly full.
    #[error(transparent)]
    Short(#[from] model::disk::Short),
    /// There was room to begin with, and then there was none.
    #[error("The server's disk is full, so nothing of the upload was kept; free some space and send it again")]
    DiskFull,
    /// Another upload to the same address was through first, or the app was destroyed.
    #[error("The upload was replaced or removed while it was looked at; send it again")]
    Gone,
    /// The slugs' store or disk failed.
    #[error(transparent)]
    Slug(SlugError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SlugError> for SlugDoorError {
    fn from(error: SlugError) -> Self {
        match error {
            // The disk is this machine's, not the sender's.
            SlugError::Storage(StorageError::DiskFull) | SlugError::Archive(ArchiveError::DiskFull) => Self::DiskFull,
            SlugError::Archive(ArchiveError::Write { path, source }) => {
                Self::Slug(SlugError::Archive(ArchiveError::Write { path, source }))
            }
            SlugError::Archive(bad) => Self::Archive(bad),
            SlugError::Missing(_) => Self::Gone,
            // Of bytes that this server hashed itself a moment ago: the store or the disk has changed them.
            ours @ (SlugError::Checksum { .. }
            | SlugError::Storage(StorageError::Store(_) | StorageError::Disk { .. })) => Self::Slug(ours),
        }
    }
}

/// Announces a slug; its content is uploaded next.
///
/// # Errors
/// Bad process types, checksum or stack, a disk that is short.
pub async fn create(control: &Control, app: &Authorized<App>, new: NewSlug) -> Result<Slug, SlugDoorError> {
    disk::admits(control, 0)?;
    let mut process_types = ProcessTypes::new();
    for (name, command) in new.process_types {
        if command.trim().is_empty() {
            return Err(SlugDoorError::NoCommand(name));
        }
        process_types.insert(name.parse()?, command);
    }
    if new.checksum.as_deref().is_some_and(|checksum| !is_checksum(checksum)) {
        return Err(SlugDoorError::BadChecksum);
    }
    let slug = Slug {
        id: control.world.new_id(),
        app: app.id,
        checksum: new.checksum,
        size_bytes: 0,
        process_types,
        commit: new.commit,
        commit_description: new.commit_description,
        buildpack: new.buildpack,
        stack: new.stack.as_deref().map_or_else(|| Ok(app.stack.clone()), Stack::named)?,
        images: BTreeMap::new(),
        secret: control.world.secret::<32>(),
        created_at: control.now(),
        expired_at: None,
    };
    let mut tx = control.store.begin().await?;
    store::slug::insert(&mut tx, &slug).await?;
    tx.commit().await?;
    Ok(slug)
}

/// A slug of an app.
///
/// # Errors
/// [`SlugDoorError::NoSuchSlug`].
pub async fn find(control: &Control, app: &Authorized<App>, id: SlugId) -> Result<Slug, SlugDoorError> {
    let slug = store::slug::by_id(control.store.db(), id).await?.ok_or(SlugDoorError::NoSuchSlug)?;
    // Also one that was promoted to it.
    let theirs = slug.app == app.id || store::slug::released_by(control.store.db(), id, app.id).await?;
    if theirs { Ok(slug) } else { Err(SlugDoorError::NoSuchSlug) }
}

/// Stores the archive of an announced slug, once it is known that dynos can be started from it.
///
/// # Errors
/// A wrong address, an archive over 500 MB or one that is no app, another checksum than announced, a disk that is short or
/// full.
pub async fn put_blob(control: &Control, id: SlugId, secret: &str, upload: Upload) -> Result<(), SlugDoorError> {
    let slug = by_secret(control, id, secret).await?;
    if slug.expired_at.is_some() {
        return Err(SlugDoorError::Expired);
    }
    let waiting = format!("{UPLOADS}/{id}");
    disk::admits(control, upload.announced_bytes)?;
    let (body, hash) = hashed(upload.body);
    let size_bytes = control.objects.put(&waiting, body, SLUG_LIMIT_BYTES).await?;
    let found = hash.lock().unwrap_or_else(PoisonError::into_inner).clone().finish();
    let found: String = found.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = keep(control, slug, &waiting, &format!("SHA256:{found}"), size_bytes).await;
    control.objects.delete(&waiting).await?;
    kept
}

/// Makes an upload the slug's archive.
async fn keep(control: &Control, slug: Slug, waiting: &str, found: &str, size_bytes: u64) -> Result<(), SlugDoorError> {
    if let Some(announced) = slug.checksum.filter(|announced| !announced.eq_ignore_ascii_case(found)) {
        return Err(SlugDoorError::OtherChecksum { found: found.to_owned(), announced });
    }
    let making = control.archives.read().await;
    let taken = control.slugs.take(waiting).await?;
    // Unpacked at once: what is no app is told to the one who sent it, not to the dynos' log later.
    if let Err(error) = control.slugs.unpacked(slug.id, &taken).await {
        drop(making);
        sweep::unused_archive(control, &taken).await;
        return Err(error.into());
    }
    let mut tx = control.store.begin().await?;
    store::slug::set_blob(&mut tx, slug.id, &taken, size_bytes).await?;
    tx.commit().await?;
    drop(making);
    Ok(())
}

/// The same bytes, and the hash of those that have passed.
fn hashed(body: ByteStream) -> (ByteStream, Arc<Mutex<Context>>) {
    let hash = Arc::new(Mutex::new(Context::new(&SHA256)));
    let fed = Arc::clone(&hash);
    let body = body.inspect_ok(move |chunk| fed.lock().unwrap_or_else(PoisonError::into_inner).update(chunk));
    (body.boxed(), hash)
}

/// The archive of a slug.
///
/// # Errors
/// A wrong address, or nothing uploaded yet.
pub async fn get_blob(control: &Control, id: SlugId, secret: &str) -> Result<ByteStream, SlugDoorError> {
    let slug = by_secret(control, id, secret).await?;
    if slug.expired_at.is_some() {
        return Err(SlugDoorError::Expired);
    }
    let checksum = slug.checksum.filter(|_| slug.size_bytes > 0).ok_or(ObjectError::Missing)?;
    Ok(control.objects.get(&builder::slug_key(&checksum)).await?)
}

async fn by_secret(control: &Control, id: SlugId, secret: &str) -> Result<Slug, SlugDoorError> {
    let slug = store::slug::by_id(control.store.db(), id).await?;
    slug.filter(|slug| crate::same_secret(&slug.secret, secret)).ok_or(SlugDoorError::NoSuchSlug)
}

fn is_checksum(text: &str) -> bool {
    let hex = text.strip_prefix("SHA256:").or_else(|| text.strip_prefix("sha256:"));
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bld_15_whose_fault_an_upload_is() {
        let of = |error: SlugError| match SlugDoorError::from(error) {
            SlugDoorError::DiskFull => "full",
            SlugDoorError::Archive(_) => "sender",
            SlugDoorError::Gone => "gone",
            SlugDoorError::Slug(_) => "server",
            other => panic!("{other}"),
        };
        let io = || std::io::Error::other("broken");
        assert_eq!(of(StorageError::DiskFull.into()), "full");
        assert_eq!(of(ArchiveError::DiskFull.into()), "full");
        assert_eq!(of(ArchiveError::Empty.into()), "sender");
        assert_eq!(of(ArchiveError::NoAppFolder.into()), "sender");
        assert_eq!(of(ArchiveError::Write { path: "/".into(), source: io() }.into()), "server");
        assert_eq!(of(StorageError::Disk { what: "x", source: io() }.into()), "server");
        assert_eq!(of(SlugError::Checksum { found: "a".into(), expected: "b".into() }), "server");
        assert_eq!(of(SlugError::Missing("uploads/x".into())), "gone");
    }
}
