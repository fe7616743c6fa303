//! What a server that was killed left half done. Called before anything is begun, so nothing of it is anybody's.

use std::io;
use std::path::{Path, PathBuf};

/// Removes it. What cannot be removed is said and left: it keeps no server from starting.
pub(crate) fn clear(dir: &Path) {
    let mut removed = 0;
    for file in half_objects(&dir.join("objects")) {
        removed += u32::from(gone(&file, std::fs::remove_file(&file)));
    }
    // Complete, but their slugs never were.
    for upload in children(&dir.join("objects").join(crate::slug::UPLOADS)) {
        removed += u32::from(gone(&upload, std::fs::remove_file(&upload)));
    }
    for upload in children(&dir.join(crate::image_upload::FOLDER)) {
        removed += u32::from(gone(&upload, std::fs::remove_file(&upload)));
    }
    for cache in children(&dir.join("cache")) {
        let named = cache.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if named.starts_with('.') {
            removed += u32::from(gone(&cache, runtime::remove_dir(&cache)));
        } else {
            builder::sweep_cache(&cache);
        }
    }
    crate::test_cache::clear(dir);
    if removed > 0 {
        tracing::info!(removed, "Removed what the last server left half done");
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn gone(path: &Path, removed: io::Result<()>) -> bool {
    if let Err(error) = &removed {
        tracing::warn!(path = %path.display(), %error, "What the last server left half done could not be removed");
    }
    removed.is_ok()
}

/// The object store writes `key#1`, `key#2` and so on, and renames what is whole.
fn half_objects(objects: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![objects.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
            if kind.is_dir() {
                folders.push(entry.path());
            } else if number
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
            {
                found.push(entry.path());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_objects_go_and_whole_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let objects = dir.path().join("objects");
        for folder in ["slugs", "sources", "uploads", "sources/deeper"] {
            std::fs::create_dir_all(objects.join(folder)).unwrap();
        }
        let stay = ["slugs/abc.tar.zst", "sources/one", "sources/name#not", "sources/deeper/#"];
        for name in stay.into_iter().chain(["slugs/abc.tar.zst#1", "sources/deeper/one#23", "uploads/whole"]) {
            std::fs::write(objects.join(name), "x").unwrap();
        }
        clear(dir.path());
        assert!(stay.iter().all(|name| objects.join(name).exists()));
        assert_eq!(half_objects(&objects), Vec::<PathBuf>::new());
        assert!(!objects.join("uploads/whole").exists());
    }
}
