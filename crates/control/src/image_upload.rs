//! Blobs on their way in: each upload is a file of its own until all of its bytes are there and have the hash that was announced.

use crate::gate::Authorized;
use crate::image::ImageError;
use crate::objects::{ByteStream, ObjectError, Upload};
use crate::{Control, disk};
use aws_lc_rs::digest::{Context, SHA256};
use builder::image_blob_key;
use futures_util::StreamExt;
use model::app::App;
use model::id::{AppId, ImageUploadId};
use model::image::Digest;
use model::image::manifest::IMAGE_LIMIT_BYTES;
use model::procfile::ProcessType;
use model::time::Timestamp;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

/// Where they lie in the data folder.
pub(crate) const FOLDER: &str = "image-uploads";

/// The largest blob: as much as all layers of an image together.
pub const BLOB_LIMIT_BYTES: u64 = IMAGE_LIMIT_BYTES;

/// Uploads of one app at the same time: clients send five or six layers at once, for some process types…
const OF_APP_LIMIT: usize = 32;

/// …and of all apps: each has a file open while bytes come.
const UPLOADS_LIMIT: usize = 256;

/// An upload that nothing came for in so long has been given up.
const LIFE: Duration = Duration::from_secs(3600);

/// The free space of the disk is looked at again after so many bytes of one upload.
const LOOK_EVERY_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes that are read at once when a blob goes to the object store.
const READ_BYTES: usize = 256 * 1024;

/// The uploads that have begun.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<HashMap<ImageUploadId, Slot>>);

enum Slot {
    Waits(Session),
    /// A request writes to it.
    Busy(AppId),
}

struct Session {
    app: AppId,
    process_type: ProcessType,
    file: PathBuf,
    size_bytes: u64,
    hash: Context,
    at: Timestamp,
}

/// Why an upload does not go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No such upload.
    #[error("there is no such upload; it may be over, or an hour old: begin it again")]
    NoSuchUpload,
    /// Over the limits.
    #[error("too many uploads have begun; end some, or try again in a moment")]
    TooMany,
    /// A part that does not begin where the one before it ended.
    #[error("this part does not begin at byte {0}, where the one before it ended")]
    OutOfOrder(u64),
    /// Over [`BLOB_LIMIT_BYTES`].
    #[error("the blob is larger than {BLOB_LIMIT_BYTES} bytes, which is the limit")]
    TooLarge,
    /// The file.
    #[error("the upload could not be written: {0}")]
    Disk(#[source] std::io::Error),
    /// The server's disk.
    #[error("the server's disk is full; free some space and try again")]
    DiskFull,
    /// What is uploaded.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl UploadError {
    fn disk(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Disk(error),
        }
    }
}

/// Whose upload it is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The app.
    pub app: &'a Authorized<App>,
    /// Its repository.
    pub process_type: &'a ProcessType,
    /// Which.
    pub id: ImageUploadId,
}

/// A session that this request alone writes to. Dropped without being given back it is over, and its file goes: a client that left in
/// the middle of a part does not know how much of it came.
struct Lent<'c> {
    control: &'c Control,
    id: ImageUploadId,
    session: Option<Session>,
}

impl Uploads {
    fn all(&self) -> MutexGuard<'_, HashMap<ImageUploadId, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    fn give_back(mut self) {
        if let Some(mut session) = self.session.take() {
            session.at = self.control.now();
            self.control.images.uploads.all().insert(self.id, Slot::Waits(session));
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.control.images.uploads.all().remove(&self.id);
            forget(&session.file);
        }
    }
}

fn forget(file: &Path) {
    if let Err(error) = std::fs::remove_file(file)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(file = %file.display(), %error, "An upload that is over was not removed; the next start tries again");
    }
}

/// Begins an upload.
///
/// # Errors
/// Too many at once, a disk that is short.
pub async fn begin(
    control: &Control,
    app: &Authorized<App>,
    process_type: &ProcessType,
) -> Result<ImageUploadId, UploadError> {
    sweep(control);
    disk::admits(control, 0).map_err(ImageError::from)?;
    let id: ImageUploadId = control.world.new_id();
    let file = control.settings.dir.join(FOLDER).join(id.to_string());
    let session = Session {
        app: app.id,
        process_type: process_type.clone(),
        file: file.clone(),
        size_bytes: 0,
        hash: Context::new(&SHA256),
        at: control.now(),
    };
    {
        let mut all = control.images.uploads.all();
        let of_app = all.values().filter(|slot| slot.app() == app.id).count();
        if all.len() >= UPLOADS_LIMIT || of_app >= OF_APP_LIMIT {
            return Err(UploadError::TooMany);
        }
        all.insert(id, Slot::Waits(session));
    }
    if let Err(error) = File::create(&file).await {
        control.images.uploads.all().remove(&id);
        return Err(UploadError::disk(error));
    }
    Ok(id)
}

impl Slot {
    fn app(&self) -> AppId {
        match self {
            Self::Waits(session) => session.app,
            Self::Busy(app) => *app,
        }
    }
}

/// How many bytes have come.
///
/// # Errors
/// [`UploadError::NoSuchUpload`].
pub fn size(control: &Control, place: Place<'_>) -> Result<u64, UploadError> {
    match control.images.uploads.all().get(&place.id) {
        Some(Slot::Waits(session)) if place.is_of(session) => Ok(session.size_bytes),
        Some(Slot::Waits(_) | Slot::Busy(_)) | None => Err(UploadError::NoSuchUpload),
    }
}

/// Adds bytes at its end; how many there are then. `from`: where the client thinks that this is.
///
/// # Errors
/// No such upload, another place than its end, too many bytes, a disk that is full, a client that stopped.
pub async fn append(
    control: &Control,
    place: Place<'_>,
    from: Option<u64>,
    upload: Upload,
) -> Result<u64, UploadError> {
    disk::admits(control, upload.announced_bytes).map_err(ImageError::from)?;
    let mut lent = lend(control, place)?;
    let Some(session) = &mut lent.session else { return Err(UploadError::NoSuchUpload) };
    let end = session.size_bytes;
    if from.is_some_and(|from| from != end) {
        lent.give_back();
        return Err(UploadError::OutOfOrder(end));
    }
    // Said before it is sent, where the client announces it.
    if end.saturating_add(upload.announced_bytes) > BLOB_LIMIT_BYTES {
        return Err(UploadError::TooLarge);
    }
    write(control, session, upload.body).await?;
    let size_bytes = session.size_bytes;
    lent.give_back();
    Ok(size_bytes)
}

/// Ends it: the bytes are the app's blob, if they are those that were announced.
///
/// # Errors
/// As [`append`], and [`ImageError::OtherDigest`].
pub async fn finish(
    control: &Control,
    place: Place<'_>,
    from: Option<u64>,
    digest: &Digest,
    rest: Upload,
) -> Result<(), UploadError> {
    append(control, place, from, rest).await?;
    let lent = lend(control, place)?;
    let Some(session) = &lent.session else { return Err(UploadError::NoSuchUpload) };
    let mut hash = [0; 32];
    hash.copy_from_slice(session.hash.clone().finish().as_ref());
    let found = Digest::of_hash(&hash);
    if found != *digest {
        return Err(ImageError::OtherDigest { found, announced: digest.clone() }.into());
    }
    keep(control, session, digest).await?;
    Ok(())
}

/// Forgets it.
///
/// # Errors
/// [`UploadError::NoSuchUpload`].
pub fn cancel(control: &Control, place: Place<'_>) -> Result<(), UploadError> {
    lend(control, place).map(drop)
}

/// Ends uploads that were given up.
pub(crate) fn sweep(control: &Control) {
    let now = control.now();
    let old = |_: &ImageUploadId, slot: &mut Slot| match slot {
        Slot::Waits(session) => now.since(session.at) >= LIFE,
        Slot::Busy(_) => false,
    };
    let gone: Vec<Slot> = control.images.uploads.all().extract_if(old).map(|(_, slot)| slot).collect();
    for slot in gone {
        if let Slot::Waits(session) = slot {
            forget(&session.file);
        }
    }
}

impl Place<'_> {
    fn is_of(&self, session: &Session) -> bool {
        session.app == self.app.id && session.process_type == *self.process_type
    }
}

fn lend<'c>(control: &'c Control, place: Place<'_>) -> Result<Lent<'c>, UploadError> {
    let mut all = control.images.uploads.all();
    let slot = all.get_mut(&place.id).ok_or(UploadError::NoSuchUpload)?;
    match std::mem::replace(slot, Slot::Busy(place.app.id)) {
        Slot::Waits(session) if place.is_of(&session) => Ok(Lent { control, id: place.id, session: Some(session) }),
        other => {
            *slot = other;
            Err(UploadError::NoSuchUpload)
        }
    }
}

async fn write(control: &Control, session: &mut Session, mut body: ByteStream) -> Result<(), UploadError> {
    let mut file = File::options().append(true).open(&session.file).await.map_err(UploadError::disk)?;
    let mut unseen_bytes = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|why| ImageError::Object(ObjectError::BrokeOff(why)))?;
        let bytes = chunk.len() as u64;
        session.size_bytes += bytes;
        if session.size_bytes > BLOB_LIMIT_BYTES {
            return Err(UploadError::TooLarge);
        }
        unseen_bytes += bytes;
        if unseen_bytes > LOOK_EVERY_BYTES {
            disk::admits(control, 0).map_err(ImageError::from)?;
            unseen_bytes = 0;
        }
        session.hash.update(&chunk);
        file.write_all(&chunk).await.map_err(UploadError::disk)?;
    }
    file.flush().await.map_err(UploadError::disk)
}

/// Puts the bytes where blobs lie, and notes that the app may use them.
async fn keep(control: &Control, session: &Session, digest: &Digest) -> Result<(), ImageError> {
    let key = image_blob_key(digest);
    // What is there is not removed before it is noted that it is the app's.
    let _kept = control.images.blobs.read().await;
    if !control.objects.has(&key).await {
        disk::admits(control, session.size_bytes)?;
        let file = File::open(&session.file).await.map_err(|error| ObjectError::BrokeOff(error.to_string()))?;
        let bytes = ReaderStream::with_capacity(file, READ_BYTES).map(|chunk| chunk.map_err(|error| error.to_string()));
        control.objects.put(&key, bytes.boxed(), BLOB_LIMIT_BYTES).await?;
    }
    let mut tx = control.store.begin().await?;
    store::image::put_blob(&mut tx, session.app, digest, session.size_bytes, control.now()).await?;
    tx.commit().await?;
    Ok(())
}
