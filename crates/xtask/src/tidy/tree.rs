//! The text files of the checkout: what git tracks and what it would track.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::source::Source;

/// Folders that hold no source, for a checkout without git (a release archive).
const SKIPPED_FOLDERS: [&str; 4] = [".git", ".flowline", "target", "node_modules"];

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// Its path from the root, with forward slashes.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
}

/// All text files of a checkout, by path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The files, ordered by path.
    pub(super) files: Vec<File>,
    sources: BTreeMap<String, Source>,
}

/// Why the checkout could not be read.
#[derive(Debug)]
pub struct TreeError {
    path: PathBuf,
    source: std::io::Error,
}

impl std::fmt::Display for TreeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for TreeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl File {
    /// Rust code.
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A program in any language that we keep: Rust, buildpacks and scripts.
    pub(super) fn is_program(&self) -> bool {
        self.is_rust() || self.text.starts_with("#!") || self.path.ends_with(".sh") || self.path.ends_with(".sql")
    }
}

impl Tree {
    /// Reads the text files under `root`.
    ///
    /// # Errors
    /// When a folder or a file cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self, TreeError> {
        let mut files = Vec::new();
        for path in listed_by_git(root).map_or_else(|| walk(root), Ok)? {
            let full = root.join(&path);
            // A link, or a file that git still lists but that is deleted, holds no text of its own.
            if !full.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                continue;
            }
            let bytes = std::fs::read(&full).map_err(|source| TreeError { path: full, source })?;
            if let Ok(text) = String::from_utf8(bytes)
                && !text.contains('\0')
            {
                files.push(File { path, text });
            }
        }
        Ok(Self::of(files))
    }

    /// A tree of these files.
    pub(super) fn of(mut files: Vec<File>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let rust = files.iter().filter(|file| file.is_rust());
        let sources = rust.map(|file| (file.path.clone(), Source::parse(&file.text))).collect();
        Self { files, sources }
    }

    /// One file.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files with their code.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, self.sources.get(&file.path)?)))
    }
}

/// Tracked files, and new ones that are not ignored; `None` where there is no git or no repository.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    if !output.status.success() || !root.join(".git").exists() {
        return None;
    }
    let listed = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Some(listed.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}

fn walk(root: &Path) -> Result<Vec<String>, TreeError> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |source| TreeError { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                if !SKIPPED_FOLDERS.iter().any(|skipped| entry.file_name() == *skipped) {
                    folders.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(root) {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}
