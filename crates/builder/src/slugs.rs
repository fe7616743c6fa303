//! Slugs: archives in the object store by the hash of their bytes, folders on this machine by slug.

use crate::archive::{self, ArchiveError, Rules};
use crate::failure::BuildFailure;
use crate::folders::Folders;
use crate::hashed::Hashed;
use crate::objects;
use crate::packing::{self, AppFiles};
use crate::storage::StorageError;
use crate::tree::Owner;
use aws_lc_rs::digest;
use model::id::SlugId;
use model::slug::SLUG_LIMIT_BYTES;
use object_store::ObjectStore;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// What is said when the disk fails.
const UNPACK_FAILED: &str = "Could not unpack the slug";

/// Why a slug cannot be stored or used.
#[derive(Debug, thiserror::Error)]
pub enum SlugError {
    /// Nothing under its key.
    #[error("The slug's archive {0} is not in the object store; deploy the app again")]
    Missing(String),
    /// Other bytes than were announced (R17).
    #[error("Checksum error: the slug's archive has {found}, expected {expected}; deploy the app again")]
    Checksum {
        /// Of the bytes.
        found: String,
        /// Of the slug.
        expected: String,
    },
    /// An archive that may not be.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The disk, the object store.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A packed slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// `SHA256:<hex>` of the archive (BLD-15).
    pub checksum: String,
    /// Size of the archive.
    pub size_bytes: u64,
    /// Where it lies in the object store.
    pub key: String,
}

/// The slugs of this machine.
#[derive(Clone)]
pub struct Slugs {
    store: Arc<dyn ObjectStore>,
    folders: Folders,
}

impl Slugs {
    /// Opens the folder of unpacked slugs and sweeps out what is half done. `owner`: who dynos run as.
    ///
    /// # Errors
    /// A folder that cannot be made or read.
    pub fn open(store: Arc<dyn ObjectStore>, dir: PathBuf, owner: Option<Owner>) -> io::Result<Self> {
        Ok(Self { store, folders: Folders::open(dir, owner)? })
    }

    /// Packs an app's folder and stores the archive under the hash of its bytes; the same bytes are stored once.
    ///
    /// # Errors
    /// [`BuildFailure::SlugTooLarge`], [`BuildFailure::Slug`].
    pub async fn pack(&self, app: impl Into<AppFiles<'_>>) -> Result<Packed, BuildFailure> {
        let half = tempfile_in(self.folders.dir()).map_err(StorageError::disk("Could not make the slug's archive"))?;
        let app = app.into();
        let (dir, frames, file) = (app.dir.to_owned(), app.frames.to_vec(), half.1);
        let packed = tokio::task::spawn_blocking(move || packing::pack(&dir, &frames, file)).await;
        let packed = packed.unwrap_or_else(|gone| Err(gone.into()));
        let (size_bytes, checksum) = packed.map_err(StorageError::disk("Could not pack the slug"))?;
        if size_bytes > SLUG_LIMIT_BYTES {
            return Err(BuildFailure::SlugTooLarge { size_bytes });
        }
        let key = objects::slug_key(&checksum);
        if !objects::has(&*self.store, &key, size_bytes).await {
            objects::put_file(&*self.store, &key, &half.0.0).await?;
        }
        Ok(Packed { checksum, size_bytes, key })
    }

    /// Takes an archive that a client uploaded under another key: stored under its checksum, which is returned.
    ///
    /// # Errors
    /// [`SlugError::Missing`], or what the object store says.
    pub async fn take(&self, uploaded: &str) -> Result<String, SlugError> {
        let missing = || SlugError::Missing(uploaded.to_owned());
        let mut stream =
            objects::get(&*self.store, uploaded).await.map_err(StorageError::store)?.ok_or_else(missing)?;
        let (mut context, mut buffer) = (digest::Context::new(&digest::SHA256), vec![0; 256 * 1024]);
        loop {
            let count = stream.read(&mut buffer).await.map_err(StorageError::disk("Could not read the upload"))?;
            if count == 0 {
                break;
            }
            context.update(&buffer[..count]);
        }
        let checksum = packing::checksum(context);
        objects::copy(&*self.store, uploaded, &objects::slug_key(&checksum)).await?;
        Ok(checksum)
    }

    /// Makes the folder of a build (same file system) the slug's: dynos run from it without unpacking.
    ///
    /// # Errors
    /// What the file system says.
    pub fn adopt(&self, app_dir: &Path, slug: SlugId) -> Result<PathBuf, SlugError> {
        let failed = StorageError::disk("Could not move the built app to the slugs");
        Ok(self.folders.put(app_dir, &slug.to_string()).map_err(failed)?)
    }

    /// The slug's folder, unpacked from its archive if this machine does not have it yet.
    ///
    /// # Errors
    /// [`SlugError::Checksum`] for other bytes than announced, [`SlugError::Missing`], a bad archive, a full disk.
    pub async fn unpacked(&self, slug: SlugId, checksum: &str) -> Result<PathBuf, SlugError> {
        let (key, expected, store) = (objects::slug_key(checksum), checksum.to_owned(), Arc::clone(&self.store));
        let rules = Rules::slug(self.folders.owner());
        let fill = move |half: &Path| {
            let reader = objects::read(&*store, &key)?.ok_or(SlugError::Missing(key))?;
            unpack_into(reader, half, &rules, &expected)
        };
        self.folders.made(&slug.to_string(), UNPACK_FAILED, fill).await
    }

    /// Removes the slug's folder from this machine; its archive stays. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn forget(&self, slug: SlugId) -> io::Result<()> {
        self.folders.forget(&slug.to_string())
    }
}

/// The app's folder in what an archive unpacks to, if all of it is as it should be.
fn unpack_into(reader: impl Read, half: &Path, rules: &Rules, expected: &str) -> Result<PathBuf, SlugError> {
    let mut hashed = Hashed::new(reader);
    let over = archive::extract(&mut hashed, half, rules);
    // Wrong bytes are the better reason than what they did to the archive; also, the end of the stream counts.
    let found = packing::checksum(hashed.finish().map_err(StorageError::disk(UNPACK_FAILED))?);
    if !found.eq_ignore_ascii_case(expected) {
        return Err(SlugError::Checksum { found, expected: expected.to_owned() });
    }
    over?;
    let app = half.join("app");
    let is_folder = fs::symlink_metadata(&app).is_ok_and(|found| found.is_dir());
    if is_folder { Ok(app) } else { Err(ArchiveError::NoAppFolder.into()) }
}

/// A file that goes away with its handle.
struct Half(PathBuf);

impl Drop for Half {
    fn drop(&mut self) {
        // Already gone, or swept at the next start.
        let _ = fs::remove_file(&self.0);
    }
}

fn tempfile_in(dir: &Path) -> io::Result<(Half, File)> {
    use std::sync::atomic::{AtomicU64, Ordering};
    /// Names the next one; only one process uses the folder.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let path = dir.join(format!(".packing-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let file = File::create(&path)?;
    Ok((Half(path), file))
}
