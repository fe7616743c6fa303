//! Slugs: packed, stored, taken, unpacked.

use crate::gated::Gated;
use crate::sandbox::{Workshop, write};
use builder::{BuildFailure, SlugError, Slugs, StorageError, compress, slug_key};
use model::id::SlugId;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn open(root: &Path) -> (Slugs, Arc<dyn ObjectStore>) {
    fs::create_dir_all(root.join("objects")).unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(root.join("objects")).unwrap());
    (Slugs::open(Arc::clone(&store), root.join("slugs"), None).unwrap(), store)
}

fn id(number: u128) -> SlugId {
    SlugId(uuid::Uuid::from_u128(number))
}

fn app(root: &Path) -> std::path::PathBuf {
    let app = root.join("app");
    write(&app, &[("bin/run", "#!/bin/sh\n"), ("b", "2"), ("a/x", "1")]);
    symlink("/usr/bin/python3", app.join("python")).unwrap();
    app
}

#[tokio::test]
async fn bld_15_packs_the_same_bytes_and_unpacks_them() {
    let root = tempfile::tempdir().unwrap();
    let (slugs, _) = open(root.path());
    let app = app(root.path());
    let packed = slugs.pack(&app).await.unwrap();
    assert_eq!(slugs.pack(&app).await.unwrap(), packed);
    assert_eq!(packed.key, slug_key(&packed.checksum));
    assert!(packed.checksum.starts_with("SHA256:") && packed.checksum.len() == 71);
    let archive = root.path().join("objects").join(&packed.key);
    assert_eq!(fs::metadata(&archive).unwrap().len(), packed.size_bytes);
    let listed = std::process::Command::new("tar").arg("--zstd").arg("-tf").arg(&archive).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let places: Vec<_> = listed.lines().map(|line| line.trim_start_matches("./").trim_end_matches('/')).collect();
    assert_eq!(places, ["app", "app/a", "app/a/x", "app/b", "app/bin", "app/bin/run", "app/python"]);

    // Many callers, one unpacking.
    let (one, two) = tokio::join!(slugs.unpacked(id(1), &packed.checksum), slugs.unpacked(id(1), &packed.checksum));
    let (place, again) = (one.unwrap(), two.unwrap());
    assert_eq!(place, again);
    assert_eq!(fs::read_to_string(place.join("a/x")).unwrap(), "1");
    assert_eq!(fs::read_link(place.join("python")).unwrap(), Path::new("/usr/bin/python3"));
    slugs.forget(id(1)).unwrap();
    assert!(!place.exists());
    slugs.forget(id(1)).unwrap();
}

#[tokio::test]
async fn a_slug_built_here_is_not_unpacked() {
    let root = tempfile::tempdir().unwrap();
    let (slugs, _) = open(root.path());
    let place = slugs.adopt(&app(root.path()), id(2)).unwrap();
    assert_eq!(slugs.unpacked(id(2), "SHA256:none").await.unwrap(), place);
    assert!(place.join("bin/run").is_file());
    // What a crash left half done is gone at the next start; slugs stay.
    write(&root.path().join("slugs/.half-x"), &[("a", "b")]);
    fs::write(root.path().join("slugs/.packing-7"), "x").unwrap();
    open(root.path());
    assert_eq!(fs::read_dir(root.path().join("slugs")).unwrap().count(), 1);
}

#[tokio::test]
async fn r17_other_bytes_than_announced_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let (slugs, _) = open(root.path());
    let packed = slugs.pack(&app(root.path())).await.unwrap();
    let archive = root.path().join("objects").join(&packed.key);
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, &bytes).unwrap();
    let error = slugs.unpacked(id(3), &packed.checksum).await.unwrap_err();
    assert!(matches!(&error, SlugError::Checksum { .. }), "{error}");
    fs::remove_file(&archive).unwrap();
    let error = slugs.unpacked(id(3), &packed.checksum).await.unwrap_err();
    assert!(matches!(error, SlugError::Missing(_)));
    assert_eq!(fs::read_dir(root.path().join("slugs")).unwrap().count(), 0, "nothing half done is left");
}

#[tokio::test]
async fn who_stops_waiting_disturbs_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (slugs, store) = open(root.path());
    let checksum = slugs.pack(&app(root.path())).await.unwrap().checksum;
    let store = Arc::new(Gated::new(store));
    let slugs = Slugs::open(store.clone(), root.path().join("slugs"), None).unwrap();
    let mut begun = Box::pin(slugs.unpacked(id(6), &checksum));
    tokio::select! {
        over = &mut begun => panic!("unpacked without its bytes: {over:?}"),
        () = store.reading() => {}
    }
    // The work goes on without whoever began it; whoever comes now waits for it, and does not begin another in its folder.
    drop(begun);
    let mut waiting = Box::pin(slugs.unpacked(id(6), &checksum));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    store.open();
    let place = waiting.await.unwrap();
    assert_eq!(fs::read_to_string(place.join("a/x")).unwrap(), "1");
    assert_eq!(store.gets(), 1);
    assert_eq!(fs::read_dir(root.path().join("slugs")).unwrap().count(), 1, "nothing half done is left");
}

#[tokio::test]
async fn bld_15_a_client_uploads_a_tgz() {
    let root = tempfile::tempdir().unwrap();
    let (slugs, store) = open(root.path());
    write(&root.path().join("up/app"), &[("run", "x")]);
    write(&root.path().join("bad"), &[("run", "x")]);
    for (folder, name) in [("up", "./app"), ("bad", "run")] {
        let tgz =
            std::process::Command::new("tar").arg("-czC").arg(root.path().join(folder)).arg(name).output().unwrap();
        store.put(&format!("uploads/{folder}").into(), PutPayload::from(tgz.stdout)).await.unwrap();
    }
    let checksum = slugs.take("uploads/up").await.unwrap();
    let place = slugs.unpacked(id(4), &checksum).await.unwrap();
    assert_eq!(fs::read_to_string(place.join("run")).unwrap(), "x");
    let checksum = slugs.take("uploads/bad").await.unwrap();
    let error = slugs.unpacked(id(5), &checksum).await.unwrap_err();
    assert!(error.to_string().contains("no `./app` folder"), "{error}");
    assert!(matches!(slugs.take("uploads/none").await, Err(SlugError::Missing(_))));
}

#[tokio::test]
async fn the_layout_of_compressing() {
    let root = tempfile::tempdir().unwrap();
    let (slugs, _) = open(root.path());
    let (lines, mut seen) = tokio::sync::mpsc::channel(8);
    compress(&slugs, &app(root.path()), lines).await.unwrap();
    assert_eq!(seen.recv().await.unwrap(), "-----> Compressing...");
    assert!(seen.recv().await.unwrap().starts_with("       Done: 0."));
    let (lines, _) = tokio::sync::mpsc::channel(8);
    let error = compress(&slugs, &root.path().join("none"), lines).await.unwrap_err();
    assert!(matches!(error, BuildFailure::Slug(SlugError::Storage(StorageError::Disk { .. }))), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_said_and_leaves_nothing() {
    if crate::sandbox::cannot_mount() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let small = root.path().join("small");
    fs::create_dir(&small).unwrap();
    let small_disk = SmallDisk::mount(&small);
    let (slugs, _) = open(&small);
    write(&root.path().join("app"), &[]);
    let mut noise = vec![0_u8; 3_000_000];
    rustix::rand::getrandom(&mut noise, rustix::rand::GetRandomFlags::empty()).unwrap();
    fs::write(root.path().join("app/noise"), &noise).unwrap();
    let error = slugs.pack(&root.path().join("app")).await.unwrap_err();
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert_eq!(fs::read_dir(small.join("slugs")).unwrap().count(), 0);
    // It fits into the folder, but not a second time into the store.
    fs::write(root.path().join("app/noise"), &noise[..1_200_000]).unwrap();
    let error = slugs.pack(&root.path().join("app")).await.unwrap_err();
    assert!(error.to_string().contains("disk is full"), "{error}");
    let left = walk(&small);
    assert!(left.is_empty(), "{left:?}");
    drop(small_disk);
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for child in fs::read_dir(dir).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

/// Two megabytes of memory as a disk.
pub(crate) struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    pub(crate) fn mount(at: &Path) -> Self {
        let mount =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).status();
        assert!(mount.unwrap().success());
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        assert!(std::process::Command::new("umount").arg("-l").arg(&self.0).status().unwrap().success());
    }
}

#[tokio::test]
async fn unchanged_dependencies_are_packed_once() {
    if crate::sandbox::cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let install = "#!/bin/sh\nmkdir -p $1/deps/sub\necho lib >$1/deps/sub/lib\nln -s sub/lib $1/deps/link\n";
    shop.pack(
        "pack",
        &[
            ("bin/detect", "#!/bin/sh\necho Fixture\n"),
            ("bin/layers", "#!/bin/sh\necho deps k1\n"),
            ("bin/install", install),
            ("bin/compile", "#!/bin/sh\n[ ! -f $1/touch ] || echo more >$1/deps/more\n"),
        ],
    );
    let root = tempfile::tempdir().unwrap();
    let (slugs, _) = open(root.path());
    let app = [("a", "1"), ("z", "2")];
    let first = shop.build(&["pack"], &app).await;
    let one = slugs.pack(first.built()).await.unwrap();
    let frames =
        || walk(&shop.cache_dir()).into_iter().filter(|path| path.extension().is_some_and(|end| end == "frame"));
    let frame = frames().next().unwrap();
    // The kept part is what goes into the next slug: this one says so by being another.
    let second = shop.build(&["pack"], &app).await;
    let two = slugs.pack(second.built()).await.unwrap();
    let names = |key: &str| {
        let archive = root.path().join("objects").join(key);
        let listed = std::process::Command::new("tar").arg("--zstd").arg("-tf").arg(archive).output().unwrap();
        assert!(listed.status.success());
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&one.key), names(&two.key));
    let place = slugs.unpacked(id(9), &two.checksum).await.unwrap();
    assert_eq!(fs::read_to_string(place.join("deps/link")).unwrap(), "lib\n");
    assert_eq!(fs::read_to_string(place.join("z")).unwrap(), "2");
    // A spoilt kept part spoils the slug: it is really used.
    fs::write(&frame, "no zstd frame").unwrap();
    let third = shop.build(&["pack"], &app).await;
    let three = slugs.pack(third.built()).await.unwrap();
    assert!(slugs.unpacked(id(10), &three.checksum).await.is_err(), "the kept part was not used");
    // A build that changed them packs them anew.
    let fourth = shop.build(&["pack"], &[("a", "1"), ("touch", "")]).await;
    let four = slugs.pack(fourth.built()).await.unwrap();
    let place = slugs.unpacked(id(11), &four.checksum).await.unwrap();
    assert_eq!(fs::read_to_string(place.join("deps/more")).unwrap(), "more\n");
    assert_eq!(fs::read_to_string(place.join("deps/sub/lib")).unwrap(), "lib\n");
}
