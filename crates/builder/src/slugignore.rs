//! `.slugignore`: files that are left out before the packs see the source (BLD-6).

use crate::tree::{ReadError, read_inside};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::fs;
use std::io;
use std::path::Path;

/// No honest list comes near this.
const LIMIT_BYTES: u64 = 256 * 1024;

/// Why `.slugignore` could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum SlugignoreError {
    /// Too large, no plain file, or no text.
    #[error(".slugignore cannot be read: {0}; write one pattern a line, as in .gitignore")]
    Unreadable(String),
    /// A file could not be removed.
    #[error("Could not remove what .slugignore names: {0}")]
    Remove(#[from] io::Error),
}

/// Removes what `.slugignore` names; how many files and folders that were. No such file: none.
///
/// Patterns are those of `.gitignore` without `!`. Lines that are no pattern are passed over, as git does.
///
/// # Errors
/// [`SlugignoreError`].
pub(crate) fn apply(source: &Path) -> Result<usize, SlugignoreError> {
    let bytes = match read_inside(source, ".slugignore", LIMIT_BYTES) {
        Ok(bytes) => bytes,
        Err(ReadError::Missing) => return Ok(0),
        Err(error @ (ReadError::NotAFile | ReadError::TooLarge(_) | ReadError::Io(_))) => {
            return Err(SlugignoreError::Unreadable(error.to_string()));
        }
    };
    let text = String::from_utf8(bytes).map_err(|_| SlugignoreError::Unreadable("it is not UTF-8 text".into()))?;
    let mut builder = GitignoreBuilder::new(source);
    for line in text.lines().filter(|line| !line.starts_with('!')) {
        if let Err(error) = builder.add_line(None, line) {
            tracing::debug!(%error, line, "A line of .slugignore is no pattern");
        }
    }
    let patterns = builder.build().map_err(|error| SlugignoreError::Unreadable(error.to_string()))?;
    Ok(sweep(source, &patterns)?)
}

fn sweep(folder: &Path, patterns: &Gitignore) -> io::Result<usize> {
    let mut removed = 0;
    for child in fs::read_dir(folder)? {
        let child = child?;
        let (path, is_dir) = (child.path(), child.file_type()?.is_dir());
        if patterns.matched(&path, is_dir).is_ignore() {
            if is_dir {
                fs::remove_dir_all(&path)?
            } else {
                fs::remove_file(&path)?
            }
            removed += 1;
        } else if is_dir {
            removed += sweep(&path, patterns)?;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str], patterns: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        fs::write(root.path().join(".slugignore"), patterns).unwrap();
        root
    }

    #[test]
    fn bld_6_patterns_of_gitignore_without_negation() {
        let files = ["a.psd", "art/b.psd", "test/x.js", "src/test/y.js", "docs/z.md", "src/keep.js", "!odd"];
        let root = tree(&files, "# art\n*.psd\n/test\ndocs/\n!a.psd\n\n[\n");
        assert_eq!(apply(root.path()).unwrap(), 4);
        for gone in ["a.psd", "art/b.psd", "test", "docs"] {
            assert!(!root.path().join(gone).exists(), "{gone}");
        }
        for kept in ["src/test/y.js", "src/keep.js", "!odd", ".slugignore"] {
            assert!(root.path().join(kept).exists(), "{kept}");
        }
    }

    #[test]
    fn links_are_removed_not_followed() {
        let outside = tree(&["precious"], "");
        let root = tree(&["a"], "out\n");
        std::os::unix::fs::symlink(outside.path(), root.path().join("out")).unwrap();
        assert_eq!(apply(root.path()).unwrap(), 1);
        assert!(outside.path().join("precious").exists());
    }

    #[test]
    fn bad_ones_say_so_and_none_is_fine() {
        let root = tree(&[], "");
        fs::write(root.path().join(".slugignore"), [0xff, 0xfe]).unwrap();
        assert!(apply(root.path()).unwrap_err().to_string().contains("not UTF-8"));
        assert_eq!(apply(tempfile::tempdir().unwrap().path()).unwrap(), 0);
    }
}
