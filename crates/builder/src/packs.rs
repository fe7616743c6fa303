//! The packs that this server has: the embedded ones, and those that an operator adds.

use aws_lc_rs::digest;
use include_dir::{Dir, DirEntry, include_dir};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../buildpacks");

/// Detection asks them in this order: an app with a package.json and a Procfile is Node.js.
const DETECTION_ORDER: [&str; 4] = ["nodejs", "python", "static", "procfile"];

/// The embedded packs could not be written.
#[derive(Debug, thiserror::Error)]
#[error("Could not write the built-in buildpacks to {path}: {source}")]
pub struct PacksError {
    /// On the server.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// One pack on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pack {
    /// `heroku/nodejs`.
    pub(crate) reference: String,
    /// Where it lies; every build works on a copy.
    pub(crate) dir: PathBuf,
    /// Is it tried when the app names no pack?
    pub(crate) detectable: bool,
}

/// The packs that this server has.
#[derive(Debug, Clone, Default)]
pub struct Packs {
    packs: Vec<Pack>,
}

impl Packs {
    /// Writes the embedded packs to a folder named by their contents, once, and takes them from there.
    ///
    /// # Errors
    /// [`PacksError`] when the folder cannot be written.
    pub fn install(dir: &Path) -> Result<Self, PacksError> {
        let root = dir.join(fingerprint(&EMBEDDED));
        if !root.is_dir() {
            write_all(dir, &root).map_err(|source| PacksError { path: root.clone(), source })?;
        }
        let packs = DETECTION_ORDER.iter().map(|name| Pack {
            reference: format!("heroku/{name}"),
            dir: root.join(name),
            detectable: true,
        });
        Ok(Self { packs: packs.collect() })
    }

    /// Adds a pack of the operator's under a name; it is used where an app asks for it.
    #[must_use]
    pub fn with(mut self, reference: &str, dir: &Path) -> Self {
        self.packs.push(Pack { reference: reference.to_owned(), dir: dir.to_owned(), detectable: false });
        self
    }

    /// The pack of that name: `heroku/nodejs`, just `nodejs`, or where everybody else finds it.
    pub(crate) fn find(&self, asked: &str) -> Option<&Pack> {
        let name = model::buildpack::short_name(asked);
        let last = |pack: &Pack| pack.reference.rsplit('/').next() == Some(asked);
        let exact = self.packs.iter().find(|pack| pack.reference == asked);
        let elsewhere = || self.packs.iter().find(|pack| pack.reference == name);
        exact.or_else(elsewhere).or_else(|| self.packs.iter().find(|pack| last(pack)))
    }

    /// Those to try, in order.
    pub(crate) fn detectable(&self) -> impl Iterator<Item = &Pack> {
        self.packs.iter().filter(|pack| pack.detectable)
    }

    /// All names, for a message.
    pub(crate) fn names(&self) -> String {
        self.packs.iter().map(|pack| pack.reference.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn write_all(dir: &Path, root: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let half = root.with_extension("new");
    crate::tree::remove(&half)?;
    write_folder(&EMBEDDED, &half)?;
    fs::rename(&half, root)
}

/// Embedded files have no modes: all that lies in `bin` is a program.
fn write_folder(folder: &Dir<'_>, root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join(folder.path()))?;
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => write_folder(folder, root)?,
            DirEntry::File(file) => {
                let path = root.join(file.path());
                fs::write(&path, file.contents())?;
                let in_bin = file.path().parent().is_some_and(|parent| parent.ends_with("bin"));
                fs::set_permissions(&path, Permissions::from_mode(if in_bin { 0o755 } else { 0o644 }))?;
            }
        }
    }
    Ok(())
}

/// The first half of a SHA-256 over all names and contents, in hex.
fn fingerprint(folder: &Dir<'_>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    feed(folder, &mut context);
    context.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn feed(folder: &Dir<'_>, context: &mut digest::Context) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => feed(folder, context),
            DirEntry::File(file) => {
                let (name, contents) = (file.path().as_os_str().as_encoded_bytes(), file.contents());
                for part in [name, contents] {
                    context.update(&part.len().to_le_bytes());
                    context.update(part);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_once_with_programs_executable() {
        let dir = tempfile::tempdir().unwrap();
        let packs = Packs::install(dir.path()).unwrap();
        let node = packs.find("nodejs").unwrap();
        let mode = |file: &str| fs::metadata(node.dir.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bin/detect"), mode("bin/compile")), (0o755, 0o755));
        assert_eq!(Packs::install(dir.path()).unwrap().find("heroku/nodejs"), Some(node));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_embedded_pack_has_the_whole_api() {
        for name in DETECTION_ORDER {
            for program in ["detect", "compile", "release", "test-compile"] {
                assert!(EMBEDDED.get_file(format!("{name}/bin/{program}")).is_some(), "{name}/bin/{program}");
            }
        }
        // The others know no tests: an app names its own.
        for name in ["nodejs", "python"] {
            assert!(EMBEDDED.get_file(format!("{name}/bin/test")).is_some(), "{name}");
        }
    }
}
