//! What a test pushes: a fixture folder, or a few files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files of an app.
#[derive(Debug, Clone, Default)]
pub struct Source {
    folder: Option<PathBuf>,
    files: BTreeMap<String, String>,
}

impl Source {
    /// A folder below `crates/testkit/fixtures`.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn fixture(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        assert!(folder.is_dir(), "there is no fixture {name}");
        Self { folder: Some(folder), files: BTreeMap::new() }
    }

    /// No files yet.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// An app that needs no toolchain to build: Python answers `text` on every path.
    #[must_use]
    pub fn answering(text: &str) -> Self {
        Self::fixture("answering").with("answer.txt", text)
    }

    /// With one more file, or another text in one that is there.
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// All of it as a gzipped tar.
    ///
    /// # Panics
    /// When it cannot be packed.
    #[must_use]
    pub fn archive(&self) -> bytes::Bytes {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        let packed = std::process::Command::new("tar").args(["-czf", "-", "."]).current_dir(folder.path()).output();
        packed.unwrap().stdout.into()
    }

    /// Writes all of it.
    pub(crate) fn write(&self, into: &Path) {
        if let Some(folder) = &self.folder {
            copy(folder, into);
        }
        for (path, text) in &self.files {
            let path = into.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}
