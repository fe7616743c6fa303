//! Container images: their layers taken from the object store, checked, unpacked once.

use crate::slugs::SmallDisk;
use builder::{ImageError, Images, StorageError, image_blob_key};
use model::image::{Digest, Layer, Packing};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

struct Registry {
    root: tempfile::TempDir,
    store: Arc<dyn ObjectStore>,
}

impl Registry {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("objects")).unwrap();
        let store = Arc::new(LocalFileSystem::new_with_prefix(root.path().join("objects")).unwrap());
        Self { root, store }
    }

    fn images(&self) -> Images {
        let owner = rustix::process::geteuid().is_root().then_some(crate::sandbox::OWNER);
        Images::open(Arc::clone(&self.store), self.root.path().join("images"), owner).unwrap()
    }

    /// A layer made by the machine's own tar.
    async fn layer(&self, files: &[(&str, &str)], packing: Packing) -> Layer {
        let dir = tempfile::tempdir().unwrap();
        crate::sandbox::write(dir.path(), files);
        let mut tar = Command::new("tar");
        match packing {
            Packing::Plain => tar.arg("-cC"),
            Packing::Gzip => tar.arg("-czC"),
            Packing::Zstd => tar.args(["--zstd", "-cC"]),
        };
        let bytes = tar.arg(dir.path()).arg(".").output().unwrap().stdout;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let digest = Digest::of_hash(hash.as_ref().first_chunk().unwrap());
        let size_bytes = bytes.len() as u64;
        self.store.put(&image_blob_key(&digest).into(), PutPayload::from(bytes)).await.unwrap();
        Layer { digest, packing, size_bytes }
    }

    fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.root.path().join("images")).unwrap();
        names.map(|child| child.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn digest(number: u8) -> Digest {
    Digest::of_hash(&[number; 32])
}

#[tokio::test]
async fn layers_become_one_folder_once() {
    let registry = Registry::new();
    let images = registry.images();
    let layers = [
        registry
            .layer(&[("etc/passwd", "root:x:0:0::/:/sh\n"), ("etc/old", "1"), ("bin/sh", "#!")], Packing::Gzip)
            .await,
        registry.layer(&[("etc/.wh.old", ""), ("app/run", "1")], Packing::Zstd).await,
        registry.layer(&[("app/run", "2")], Packing::Plain).await,
    ];
    let (image, other) = (digest(1), digest(2));
    let (one, two) = tokio::join!(images.unpacked(&image, &layers), images.unpacked(&image, &layers));
    let place = one.unwrap();
    assert_eq!(two.unwrap(), place);
    assert_eq!(place, registry.root.path().join("images").join(image.hex()));
    assert_eq!(fs::read_to_string(place.join("app/run")).unwrap(), "2");
    assert!(!place.join("etc/old").exists() && !place.join("etc/.wh.old").exists());
    assert!(fs::read_to_string(place.join("etc/passwd")).unwrap().contains("\ndyno:x:2000000001:"));
    let owner = if rustix::process::geteuid().is_root() {
        crate::sandbox::OWNER.0
    } else {
        rustix::process::geteuid().as_raw()
    };
    for path in ["", "etc", "etc/passwd", "bin/sh", "app", "app/run", "etc/group"] {
        assert_eq!(fs::metadata(place.join(path)).unwrap().uid(), owner, "{path}");
    }
    // From its folder, whatever the layers are said to be.
    assert_eq!(images.unpacked(&image, &[]).await.unwrap(), place);
    images.unpacked(&other, &layers[..1]).await.unwrap();
    let mut folders = images.folders().unwrap();
    folders.sort();
    assert_eq!(folders, [image.clone(), other.clone()]);
    images.forget(&image).unwrap();
    images.forget(&image).unwrap();
    assert_eq!(images.folders().unwrap(), [other]);
    assert_eq!(images.unpacked(&image, &layers).await.unwrap(), place);
}

#[tokio::test]
async fn half_done_work_is_swept_at_the_start() {
    let registry = Registry::new();
    registry.images();
    crate::sandbox::write(&registry.root.path().join("images/.half-x/deep"), &[("a", "b")]);
    crate::sandbox::write(&registry.root.path().join("images/.gone-x"), &[("a", "b")]);
    registry.images();
    assert!(registry.left().is_empty());
}

#[tokio::test]
async fn a_missing_layer_and_other_bytes_are_said() {
    let registry = Registry::new();
    let images = registry.images();
    let good = registry.layer(&[("a", "1")], Packing::Gzip).await;
    let missing = Layer { digest: digest(9), ..good.clone() };
    let error = images.unpacked(&digest(1), &[good.clone(), missing]).await.unwrap_err();
    assert!(matches!(&error, ImageError::Missing(gone) if *gone == digest(9)), "{error}");
    assert!(error.to_string().contains("push the image again"));
    let path = registry.root.path().join("objects").join(image_blob_key(&good.digest));
    let mut bytes = fs::read(&path).unwrap();
    // Behind the archive too: nothing of what was pushed goes unread.
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    let error = images.unpacked(&digest(1), std::slice::from_ref(&good)).await.unwrap_err();
    assert!(matches!(&error, ImageError::Checksum { expected, .. } if *expected == good.digest), "{error}");
    bytes.pop();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = images.unpacked(&digest(1), std::slice::from_ref(&good)).await.unwrap_err();
    assert!(matches!(&error, ImageError::Checksum { .. }), "{error}");
    assert!(registry.left().is_empty(), "nothing half done is left");
    // The right bytes, of which the manifest says something wrong.
    let good = registry.layer(&[("a", "1")], Packing::Gzip).await;
    let wrong = Layer { packing: Packing::Zstd, ..good.clone() };
    let error = images.unpacked(&digest(1), &[wrong]).await.unwrap_err();
    assert!(matches!(&error, ImageError::Layer { layer, .. } if *layer == good.digest), "{error}");
    images.unpacked(&digest(1), &[good]).await.unwrap();
}

#[tokio::test]
async fn who_stops_waiting_disturbs_nobody() {
    let registry = Registry::new();
    let images = registry.images();
    let layers = [registry.layer(&[("a/b", "1"), ("c", "2")], Packing::Gzip).await];
    let image = digest(3);
    for _ in 0..5 {
        // Begun, and left alone.
        let mut begun = Box::pin(images.unpacked(&image, &layers));
        assert!(futures_util::poll!(&mut begun).is_pending());
        drop(begun);
        let place = images.unpacked(&image, &layers).await.unwrap();
        assert_eq!(fs::read_to_string(place.join("a/b")).unwrap(), "1");
        images.forget(&image).unwrap();
    }
    assert!(registry.left().is_empty() && Path::new(&registry.root.path().join("images")).is_dir());
}

#[tokio::test]
async fn a_full_disk_is_said_and_leaves_nothing() {
    if crate::sandbox::cannot_mount() {
        return;
    }
    let registry = Registry::new();
    let place = registry.root.path().join("images");
    fs::create_dir(&place).unwrap();
    let small_disk = SmallDisk::mount(&place);
    let images = registry.images();
    let layers = [registry.layer(&[("a/b", "1"), ("a/noise", &"x".repeat(3_000_000))], Packing::Gzip).await];
    let error = images.unpacked(&digest(1), &layers).await.unwrap_err();
    assert!(
        matches!(error, ImageError::Storage(StorageError::DiskFull)) && error.to_string().contains("disk is full"),
        "{error}"
    );
    assert!(registry.left().is_empty(), "nothing half done is left");
    drop(small_disk);
}
