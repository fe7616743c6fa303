//! Images that people pushed: blobs, manifests, tags.

use crate::Control;
use crate::gate::Authorized;
use crate::image_upload::Uploads;
use crate::objects::{ByteStream, ObjectError};
use builder::image_blob_key;
use model::app::App;
use model::image::config::{BadConfig, CONFIG_LIMIT_BYTES};
use model::image::kept::LATEST;
use model::image::manifest::{BadManifest, MANIFEST_LIMIT_BYTES, MediaType};
use model::image::platform::Platform;
use model::image::{BadDigest, Digest};
use model::permission::Right;
use model::procfile::{BadProcessType, ProcessType};
use store::StoreError;
pub use store::image::StoredManifest;
use tokio::sync::RwLock;

/// Manifests of one app: with those of indexes and attestations, a hundred pushes in the hour in which none goes.
pub const MANIFESTS_LIMIT: i64 = 1000;

/// Tags of one app: `latest` of every process type, and what people call theirs.
pub const TAGS_LIMIT: i64 = 1000;

/// The longest tag (distribution specification, "Pulling manifests").
const TAG_LIMIT_BYTES: usize = 128;

/// Why something of an image is not taken or found.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No such blob, or one that only other apps may use.
    #[error("there is no blob {0} in this app; push the image again")]
    NoSuchBlob(Digest),
    /// No such manifest.
    #[error("there is no image `{0}` here; push it first")]
    NoSuchManifest(String),
    /// Neither a digest nor a tag.
    #[error(
        "`{0}` is neither a digest nor a tag: a tag has letters, digits, `_`, `.` and `-`, and at most 128 of them"
    )]
    BadReference(String),
    /// Not a digest.
    #[error(transparent)]
    BadDigest(#[from] BadDigest),
    /// Not a process type.
    #[error(transparent)]
    BadType(#[from] BadProcessType),
    /// Other bytes than were announced.
    #[error("these bytes are {found}, announced was {announced}; push again")]
    OtherDigest {
        /// Of the bytes.
        found: Digest,
        /// Of the address.
        announced: Digest,
    },
    /// A manifest that cannot be.
    #[error(transparent)]
    Manifest(#[from] BadManifest),
    /// Over [`MANIFEST_LIMIT_BYTES`].
    #[error("the manifest is larger than {MANIFEST_LIMIT_BYTES} bytes")]
    LargeManifest,
    /// A configuration that cannot be.
    #[error(transparent)]
    Config(#[from] BadConfig),
    /// Over [`CONFIG_LIMIT_BYTES`].
    #[error("the image's configuration is larger than {CONFIG_LIMIT_BYTES} bytes")]
    LargeConfig,
    /// A manifest names a blob that is not there.
    #[error("the manifest names {0}, which was not pushed; push the image again")]
    MissingPart(Digest),
    /// A manifest has another size for a blob.
    #[error("the manifest says that {digest} has {said} bytes; it has {found}")]
    OtherSize {
        /// Which.
        digest: Digest,
        /// By the manifest.
        said: u64,
        /// Of the blob.
        found: u64,
    },
    /// `latest` must be something that runs.
    #[error("this is no image that a dyno can run; push an image of a Dockerfile as `{LATEST}`")]
    NoImage,
    /// An index without one for this machine.
    #[error("the image is for {found}, and this server runs {here}: build it with `--platform {here}`")]
    NoneForHere {
        /// What there is.
        found: String,
        /// The server's.
        here: Platform,
    },
    /// Over [`MANIFESTS_LIMIT`] or [`TAGS_LIMIT`].
    #[error(
        "the app has {MANIFESTS_LIMIT} images or tags, which is the limit; what is not released goes an hour after it was pushed"
    )]
    TooMany,
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

/// What is kept of images on this machine.
pub(crate) struct Images {
    /// Those that are unpacked.
    pub(crate) unpacked: builder::Images,
    /// What is on its way in.
    pub(crate) uploads: Uploads,
    /// As [`crate::Parts::archives`], for blobs. Not one lock for both: to store a large layer takes minutes, and builds would wait
    /// for it.
    pub(crate) blobs: RwLock<()>,
}

impl Images {
    pub(crate) fn new(unpacked: builder::Images) -> Self {
        Self { unpacked, uploads: Uploads::default(), blobs: RwLock::new(()) }
    }
}

/// The machine that images must be for.
pub(crate) fn here() -> Platform {
    Platform::linux(std::env::consts::ARCH)
}

/// What a manifest is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By its bytes.
    Digest(Digest),
    /// By a name.
    Tag(String),
}

impl std::str::FromStr for Reference {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        if text.contains(':') {
            return Ok(Self::Digest(text.parse()?));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let begins = text.bytes().next().is_some_and(|byte| plain(byte) && byte != b'.' && byte != b'-');
        if begins && text.len() <= TAG_LIMIT_BYTES && text.bytes().all(plain) {
            Ok(Self::Tag(text.to_owned()))
        } else {
            Err(ImageError::BadReference(text.to_owned()))
        }
    }
}

/// The size of a blob that the app may use. Whoever is told that it is there will not send it: it stays for a while.
///
/// # Errors
/// [`ImageError::NoSuchBlob`].
pub async fn blob_size(control: &Control, app: &Authorized<App>, digest: &Digest) -> Result<u64, ImageError> {
    let mut tx = control.store.begin().await?;
    let size = store::image::blob_size(tx.db(), app.id, digest).await?;
    let size = size.ok_or_else(|| ImageError::NoSuchBlob(digest.clone()))?;
    store::image::put_blob(&mut tx, app.id, digest, size, control.now()).await?;
    tx.commit().await?;
    Ok(size)
}

/// A blob that the app may use: its size and its bytes.
///
/// # Errors
/// [`ImageError::NoSuchBlob`].
pub async fn blob(control: &Control, app: &Authorized<App>, digest: &Digest) -> Result<(u64, ByteStream), ImageError> {
    let size = store::image::blob_size(control.store.db(), app.id, digest).await?;
    let size = size.ok_or_else(|| ImageError::NoSuchBlob(digest.clone()))?;
    Ok((size, control.objects.get(&image_blob_key(digest)).await?))
}

/// Lets an app use a blob of another app, which its caller may pull from. `false`: there is none, and nothing says whether there is such
/// an app.
///
/// # Errors
/// When the database fails.
pub async fn mount(control: &Control, app: &Authorized<App>, from: &str, digest: &Digest) -> Result<bool, ImageError> {
    let Ok(from) = control.app(app.by(), from, Right::Deploy).await else { return Ok(false) };
    // Nobody removes it meanwhile.
    let _kept = control.images.blobs.read().await;
    let mut tx = control.store.begin().await?;
    let Some(size) = store::image::blob_size(tx.db(), from.id, digest).await? else { return Ok(false) };
    store::image::put_blob(&mut tx, app.id, digest, size, control.now()).await?;
    tx.commit().await?;
    Ok(true)
}

/// A manifest; where it is an index and the client takes none (`indexes`), and does not ask for it by its digest, the one for this
/// machine.
///
/// # Errors
/// [`ImageError::NoSuchManifest`].
pub async fn manifest(
    control: &Control,
    app: &Authorized<App>,
    process_type: &ProcessType,
    reference: &Reference,
    indexes: bool,
) -> Result<StoredManifest, ImageError> {
    let db = control.store.db();
    let unknown = |what: &str| ImageError::NoSuchManifest(what.to_owned());
    let digest = match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(tag) => store::image::tagged(db, app.id, process_type, tag).await?,
    };
    let named = reference.to_string();
    let digest = digest.ok_or_else(|| unknown(&named))?;
    let found = store::image::manifest(db, app.id, process_type, &digest).await?.ok_or_else(|| unknown(&named))?;
    match (&found.for_here, reference) {
        (Some(here), Reference::Tag(_)) if !indexes => {
            store::image::manifest(db, app.id, process_type, here).await?.ok_or_else(|| unknown(&named))
        }
        (Some(_) | None, Reference::Tag(_) | Reference::Digest(_)) => Ok(found),
    }
}

/// Takes a tag away, or a manifest with all of its tags. What is released runs on.
///
/// # Errors
/// [`ImageError::NoSuchManifest`].
pub async fn delete_manifest(
    control: &Control,
    app: &Authorized<App>,
    process_type: &ProcessType,
    reference: &Reference,
) -> Result<(), ImageError> {
    let mut tx = control.store.begin().await?;
    let gone = match reference {
        Reference::Digest(digest) => store::image::delete_manifest(&mut tx, app.id, process_type, digest).await?,
        Reference::Tag(tag) => store::image::delete_tag(&mut tx, app.id, process_type, tag).await?,
    };
    tx.commit().await?;
    if gone { Ok(()) } else { Err(ImageError::NoSuchManifest(reference.to_string())) }
}

/// The tags of a repository, in alphabetical order.
///
/// # Errors
/// When the database fails.
pub async fn tags(
    control: &Control,
    app: &Authorized<App>,
    process_type: &ProcessType,
) -> Result<Vec<String>, ImageError> {
    Ok(store::image::tags(control.store.db(), app.id, process_type).await?)
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
        }
    }
}

/// Which kinds of manifest a client takes that are indexes, by its `Accept`.
#[must_use]
pub fn takes_indexes(accept: &str) -> bool {
    let kinds = accept.split(',').filter_map(MediaType::from_word);
    kinds.into_iter().any(MediaType::is_index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_push::digest_of;

    #[test]
    fn a_reference_is_a_digest_or_a_tag() {
        let digest = digest_of(b"");
        assert_eq!(digest.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.as_str().parse::<Reference>().ok(), Some(Reference::Digest(digest)));
        let long = "x".repeat(128);
        for tag in ["latest", "v1.2-3_x", "_", &long] {
            assert_eq!(tag.parse::<Reference>().ok(), Some(Reference::Tag(tag.to_owned())), "{tag}");
        }
        for bad in ["", ".a", "-a", "a/b", "ä", "sha256:12", "sha512:00", &format!("{long}x")] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn who_takes_an_index() {
        let both =
            "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json;q=0.5";
        assert!(takes_indexes(both));
        for none in ["", "*/*", "application/vnd.docker.distribution.manifest.v2+json", "application/json"] {
            assert!(!takes_indexes(none), "{none}");
        }
    }
}
