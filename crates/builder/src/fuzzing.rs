//! What reads archives and files of strangers here, called with any bytes at all: for the targets in `fuzz/`.

use crate::archive::{Links, Rules, extract};
use crate::handmade::Pack;
use crate::{images, release_yaml, slugignore};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

/// Small, so that a round is quick.
const ENTRIES: u64 = 40;
const SIZE_BYTES: u64 = 200_000;

/// An archive, unpacked in the empty folder `dir`: nothing beside its own folder is touched, its limits hold, and no link
/// of a source leaves the tree. The first byte says by which rules, and whether the rest is the archive itself or a list
/// of entries to make one of (a check sum is hard to guess).
pub fn archive(bytes: &[u8], dir: &Path) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let root = dir.join("root");
    if fs::create_dir(&root).and_then(|()| fs::write(dir.join("precious"), "untouched")).is_err() {
        return;
    }
    let rules = [Rules::source, Rules::tree, Rules::slug][usize::from(how >> 1) % 3](None);
    let rules = Rules { entries: ENTRIES, size_bytes: SIZE_BYTES, ..rules };
    let made = if how & 1 == 0 { bytes.to_vec() } else { packed(bytes) };
    let over = extract(&made[..], &root, &rules);
    assert_eq!(fs::read(dir.join("precious")).ok().as_deref(), Some(&b"untouched"[..]));
    assert_eq!(fs::read_dir(dir).map(Iterator::count).ok(), Some(2), "something was written outside");
    let mut found = Found::default();
    look(&root, 0, &mut found, rules.links == Links::Within);
    assert!(found.files <= ENTRIES && found.bytes <= SIZE_BYTES, "{found:?} after {over:?}");
}

/// The layers of an image in the empty folder `dir`, lists of entries with a byte 0xff in between: nothing beside their own
/// folder is touched, limits hold, and what is made is files, folders and links that their owner may use.
pub fn image_layers(bytes: &[u8], dir: &Path) {
    let root = dir.join("root");
    if fs::create_dir(&root).and_then(|()| fs::write(dir.join("precious"), "untouched")).is_err() {
        return;
    }
    let layers: Vec<_> = bytes.split(|byte| *byte == 0xff).map(packed).collect();
    let over = images::lay_all(&layers, &root, ENTRIES, SIZE_BYTES);
    assert_eq!(fs::read(dir.join("precious")).ok().as_deref(), Some(&b"untouched"[..]));
    assert_eq!(fs::metadata(dir.join("precious")).map(|about| about.nlink()).ok(), Some(1));
    assert_eq!(fs::read_dir(dir).map(Iterator::count).ok(), Some(2), "something was written outside");
    let mut found = Found::default();
    look(&root, 0, &mut found, false);
    look_at_modes(&root);
    // The accounts come on top.
    assert!(found.files <= ENTRIES + 2 && found.bytes <= SIZE_BYTES + 1000, "{found:?} after {over:?}");
}

fn look_at_modes(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else { continue };
        let mode = about.mode();
        assert!(
            about.is_symlink() || mode & 0o6000 == 0 && mode & 0o600 == 0o600,
            "{mode:o}: {}",
            entry.path().display()
        );
        assert!(!entry.file_name().as_encoded_bytes().starts_with(b".wh."), "{}", entry.path().display());
        if about.is_dir() {
            assert!(mode & 0o700 == 0o700);
            look_at_modes(&entry.path());
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    files: u64,
    bytes: u64,
}

/// What was made, in folders that lie `depth` below the root.
fn look(folder: &Path, depth: usize, found: &mut Found, links_stay: bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            look(&entry.path(), depth + 1, found, links_stay);
        } else if about.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            assert!(!links_stay || stays(&target, depth), "{} -> {}", entry.path().display(), target.display());
        } else {
            assert!(about.is_file(), "{} is a device or a pipe", entry.path().display());
            found.files += 1;
            found.bytes += about.len();
        }
    }
}

/// Walked by its text: a tree in which no link is absolute or climbs out holds no way out.
fn stays(target: &Path, depth: usize) -> bool {
    let walked = target.components().try_fold(depth, |depth, part| match part {
        Component::Normal(_) => Some(depth + 1),
        Component::CurDir => Some(depth),
        Component::ParentDir => depth.checked_sub(1),
        Component::RootDir | Component::Prefix(_) => None,
    });
    walked.is_some()
}

/// An archive of entries: a kind, the lengths of name, target and contents, then these.
fn packed(mut bytes: &[u8]) -> Vec<u8> {
    let mut archive = Pack::new();
    while let Some(([kind, name, target, size], rest)) = bytes.split_first_chunk::<4>() {
        let mut rest = rest;
        let mut part = |length: u8, most: usize| {
            let (part, behind) = rest.split_at(usize::from(length).min(most).min(rest.len()));
            rest = behind;
            part
        };
        let (name, target, contents) = (part(*name, 99), part(*target, 99), part(*size, 255));
        archive = archive.entry(tar::EntryType::new(*kind), name, target, 0o4755, contents);
        bytes = rest;
    }
    archive.bytes()
}

/// A `.slugignore` over a small tree in the empty folder `dir`: nothing beside the tree is touched, and it counts what it
/// removes.
pub fn slugignore(bytes: &[u8], dir: &Path) {
    let root = dir.join("root");
    let files = ["a", "b.log", "c/d", "c/e.log", "c/f/g", "h i"];
    let made = fs::create_dir_all(root.join("c/f")).and_then(|()| fs::create_dir(dir.join("outside")));
    let made = made.and_then(|()| files.iter().try_for_each(|file| fs::write(root.join(file), "x")));
    let made = made.and_then(|()| fs::write(dir.join("outside/precious"), "untouched"));
    let made = made.and_then(|()| std::os::unix::fs::symlink("../outside", root.join("link")));
    if made.and_then(|()| fs::write(root.join(".slugignore"), bytes)).is_err() {
        return;
    }
    let removed = slugignore::apply(&root);
    assert_eq!(fs::read(dir.join("outside/precious")).ok().as_deref(), Some(&b"untouched"[..]));
    let left = ["a", "b.log", "c", "c/d", "c/e.log", "c/f", "c/f/g", "h i", "link", ".slugignore"];
    let gone = left.iter().filter(|path| fs::symlink_metadata(root.join(path)).is_err()).count();
    match removed {
        Ok(removed) => assert!(removed <= gone && (removed > 0) == (gone > 0), "{removed} of {gone}"),
        Err(_) => assert_eq!(gone, 0),
    }
}

/// What a pack's `bin/release` prints: process types that were read have commands.
pub fn release_yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match release_yaml::default_process_types(text) {
        Ok(types) => assert!(types.values().all(|command| !command.is_empty())),
        Err(why) => assert!(!why.is_empty()),
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay;

    #[test]
    fn the_corpora_hold() {
        replay::each("archive", |bytes| super::archive(bytes, tempfile::tempdir().unwrap().path()));
        replay::each("image_layers", |bytes| super::image_layers(bytes, tempfile::tempdir().unwrap().path()));
        replay::each("pushed_files", |bytes| {
            super::slugignore(bytes, tempfile::tempdir().unwrap().path());
            super::release_yaml(bytes);
        });
    }
}
