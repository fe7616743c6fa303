//! One layer's archive, laid over what the layers below it made.
//!
//! Names beginning with `.wh.` are whiteouts (OCI image specification, "Image layer filesystem changeset"): they hide what
//! lower layers have, and nothing of their own layer, wherever in the archive they stand.

use super::LayerError;
use super::made::Made;
use super::root::{Folder, Root};
use crate::archive::meter::Meter;
use crate::archive::{HEADER_LIMIT_BYTES, is_pax_sparse};
use flate2::read::MultiGzDecoder;
use model::image::Packing;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tar::{Entry, EntryType};

/// The largest image, unpacked: ten times a large image of a web app, and with its copy in the object store still a small
/// part of a server's disk.
pub(super) const IMAGE_TREE_LIMIT_BYTES: u64 = 10 << 30;

/// The most entries of all layers together: a whole distribution with its documentation has a third of it.
pub(super) const ENTRY_LIMIT: u64 = 1_000_000;

/// What is read and written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Hides a name of the lower layers.
pub(super) const WHITEOUT: &[u8] = b".wh.";

/// Hides all that lower layers have in the folder.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Notes that AUFS kept for itself; [`OPAQUE`] alone of them means something to others.
const NOTES: &[u8] = b".wh..wh.";

/// What all layers of one image may still bring.
#[derive(Debug)]
pub(super) struct Allowance {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Allowance {
    pub(super) fn of_an_image() -> Self {
        Self { entries: ENTRY_LIMIT, bytes: IMAGE_TREE_LIMIT_BYTES }
    }

    fn take(&mut self, bytes: u64) -> Result<(), LayerError> {
        self.entries = self.entries.checked_sub(1).ok_or(LayerError::TooManyEntries)?;
        // Also of what is left out: it is read all the same.
        self.bytes = self.bytes.checked_sub(bytes).ok_or(LayerError::TooLarge)?;
        Ok(())
    }
}

/// Unpacks it; blocks.
pub(super) fn apply(
    reader: impl Read,
    packing: Packing,
    root: &mut Root,
    left: &mut Allowance,
) -> Result<(), LayerError> {
    let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
    match packing {
        Packing::Plain => unpack(reader, root, left),
        Packing::Gzip => unpack(MultiGzDecoder::new(reader), root, left),
        Packing::Zstd => unpack(zstd::Decoder::with_buffer(reader).map_err(LayerError::Unreadable)?, root, left),
    }
}

fn unpack(reader: impl Read, root: &mut Root, left: &mut Allowance) -> Result<(), LayerError> {
    let (meter, allowance) = Meter::new(reader);
    let mut archive = tar::Archive::new(meter);
    let mut layer = Layer { root, made: Made::nothing(), buffer: vec![0; BUFFER_BYTES] };
    allowance.set(HEADER_LIMIT_BYTES);
    for entry in archive.entries().map_err(LayerError::Unreadable)? {
        let mut entry = entry.map_err(LayerError::Unreadable)?;
        left.take(entry.size())?;
        allowance.set(entry.size() + HEADER_LIMIT_BYTES);
        layer.take(&mut entry)?;
        // What was left out has its bytes too.
        io::copy(&mut entry, &mut io::sink()).map_err(LayerError::Unreadable)?;
        allowance.set(HEADER_LIMIT_BYTES);
    }
    Ok(())
}

struct Layer<'a> {
    root: &'a mut Root,
    made: Made,
    buffer: Vec<u8>,
}

impl Layer<'_> {
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), LayerError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let path = clean(&entry.path().map_err(LayerError::Unreadable)?)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        if name.as_bytes() == OPAQUE {
            return self.opaque(parent);
        }
        if path.iter().any(|part| part.as_bytes().starts_with(NOTES)) {
            return Ok(());
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            return self.whiteout(parent, OsStr::from_bytes(hidden), &path);
        }
        if matches!(kind, EntryType::Block | EntryType::Char | EntryType::Fifo) {
            return Ok(());
        }
        let within = self.root.folder(parent, &mut self.made)?;
        self.make(entry, &within, name, &path)?;
        self.made.add(&within.path, name);
        Ok(())
    }

    fn make<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        within: &Folder,
        name: &OsStr,
        path: &Path,
    ) -> Result<(), LayerError> {
        let mode = entry.header().mode().unwrap_or(0o644);
        let failed = || LayerError::write(path);
        match entry.header().entry_type() {
            EntryType::Directory => self.root.make_folder(within, name, mode).map_err(failed()),
            // As archives from before there were types for it.
            EntryType::Regular if entry.path_bytes().ends_with(b"/") => {
                self.root.make_folder(within, name, mode).map_err(failed())
            }
            EntryType::Symlink => {
                let target = entry.link_name().map_err(LayerError::Unreadable)?.unwrap_or_default();
                self.root.make_link(within, name, &target).map_err(failed())
            }
            EntryType::Link => {
                let target = entry.link_name().map_err(LayerError::Unreadable)?.unwrap_or_default();
                self.hard_link(within, name, &target, path)
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                if is_pax_sparse(entry).map_err(LayerError::Unreadable)? {
                    return Err(LayerError::Sparse(path.display().to_string()));
                }
                let mtime = Duration::from_secs(entry.header().mtime().unwrap_or(0));
                let file = self.root.make_file(within, name, mode).map_err(failed())?;
                self.copy(entry, &file, path)?;
                // A time that the file system cannot hold is not worth an error.
                UNIX_EPOCH.checked_add(mtime).map(|time| file.set_modified(time));
                Ok(())
            }
            _ => Err(LayerError::Unknown(path.display().to_string())),
        }
    }

    /// A second name of a file of this layer or a lower one, named from the image's top.
    fn hard_link(&mut self, within: &Folder, name: &OsStr, target: &Path, path: &Path) -> Result<(), LayerError> {
        let nothing =
            || LayerError::LinkToNothing { path: path.display().to_string(), target: target.display().to_string() };
        let from = clean(target)?;
        let (Some(parent), Some(of)) = (from.parent(), from.file_name()) else { return Err(nothing()) };
        let folder = self.root.find(parent)?.ok_or_else(nothing)?;
        let made = self.root.make_hard_link((&folder, of), (within, name)).map_err(LayerError::write(path))?;
        if made { Ok(()) } else { Err(nothing()) }
    }

    fn copy(&mut self, entry: &mut impl Read, mut file: &File, path: &Path) -> Result<(), LayerError> {
        loop {
            let count = entry.read(&mut self.buffer).map_err(LayerError::Unreadable)?;
            if count == 0 {
                return Ok(());
            }
            file.write_all(&self.buffer[..count]).map_err(LayerError::write(path))?;
        }
    }

    fn opaque(&mut self, parent: &Path) -> Result<(), LayerError> {
        let Some(folder) = self.root.find(parent)? else { return Ok(()) };
        if self.made.add_whiteout(&folder.path, OsStr::from_bytes(OPAQUE)) {
            self.root.hide_all(&folder, &self.made).map_err(LayerError::write(parent))?;
        }
        Ok(())
    }

    fn whiteout(&mut self, parent: &Path, hidden: &OsStr, path: &Path) -> Result<(), LayerError> {
        if matches!(hidden.as_bytes(), b"" | b"." | b"..") {
            return Err(LayerError::Climbs(path.display().to_string()));
        }
        let Some(folder) = self.root.find(parent)? else { return Ok(()) };
        if self.made.add_whiteout(&folder.path, hidden) {
            self.root.hide(&folder, hidden, &self.made).map_err(LayerError::write(path))?;
        }
        Ok(())
    }
}

/// A name below the image's top; a `/` in front of it means the same.
fn clean(path: &Path) -> Result<PathBuf, LayerError> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(LayerError::Climbs(path.display().to_string())),
        }
    }
    Ok(clean)
}
