//! Reading archives that strangers made: nothing is ever written outside the folder they are unpacked into.

pub(crate) mod meter;
mod place;
#[cfg(test)]
mod tests;

use crate::tree::Owner;
use flate2::read::MultiGzDecoder;
use meter::Meter;
use place::Place;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tar::{Entry, EntryType};
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

/// The largest checkout, uncompressed: 1 GB (BLD-4).
pub const SOURCE_TREE_LIMIT_BYTES: u64 = 1_000_000_000;

/// The largest unpacked slug: eight times the compressed limit, more than any real app compresses.
pub const SLUG_TREE_LIMIT_BYTES: u64 = 8 * model::slug::SLUG_LIMIT_BYTES;

/// The most files in one archive: ten times a large `node_modules`.
pub const ENTRY_LIMIT: u64 = 250_000;

/// Names and extended headers before one entry: far above the longest path, far below what hurts.
pub(crate) const HEADER_LIMIT_BYTES: u64 = 1024 * 1024;

/// Why an archive is refused. What was unpacked until then is left in the folder, which the caller removes.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A name with `..` in it.
    #[error(
        "The archive holds `{0}`, which climbs out of its folder with `..`; pack it again from inside the app's folder"
    )]
    Climbs(String),
    /// A name that begins with `/`.
    #[error("The archive holds the absolute path `{0}`; pack it again with relative paths")]
    Absolute(String),
    /// A device, a named pipe or a socket.
    #[error("The archive holds `{path}`, a {kind}; an app is made of files, folders and links only")]
    Special {
        /// Its name.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A symbolic or hard link to something outside.
    #[error("The archive's link `{path}` points to `{target}`, outside the app; make it point to a file of the app")]
    LinkLeaves {
        /// Its name.
        path: String,
        /// Where it points.
        target: String,
    },
    /// A hard link to something that is no file of this archive.
    #[error("The archive's hard link `{path}` points to `{target}`, which is not a file that came before it")]
    LinkToNothing {
        /// Its name.
        path: String,
        /// Where it points.
        target: String,
    },
    /// A file with holes in a form that is not read.
    #[error("The archive holds `{0}` as a sparse file of the pax format; pack it again without --sparse")]
    Sparse(String),
    /// An entry below a link that the same archive made.
    #[error("The archive holds `{0}`, which lies behind a symbolic link of the same archive")]
    ThroughLink(String),
    /// A file where a folder is needed, or the other way round.
    #[error("The archive holds `{0}` both as a file and as a folder")]
    Conflict(String),
    /// More than [`Rules::entries`].
    #[error("The archive holds more than {0} files; leave out what the app does not need")]
    TooManyEntries(u64),
    /// More than [`Rules::size_bytes`].
    #[error("The archive unpacks to more than {} MB; leave out what the app does not need", .0 / 1_000_000)]
    TooLarge(u64),
    /// A slug without its one folder (BLD-15).
    #[error("The slug archive has no `./app` folder at its top; pack the app's files below `./app`")]
    NoAppFolder,
    /// Nothing in it.
    #[error("The archive is empty")]
    Empty,
    /// No tar, no gzip, or cut off.
    #[error("The archive cannot be read ({0}); send a complete .tar or .tar.gz")]
    Unreadable(#[source] io::Error),
    /// No space left.
    #[error("The server's disk is full; free some space and try again")]
    DiskFull,
    /// The folder could not be written.
    #[error("Could not write {path}: {source}")]
    Write {
        /// On the server.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// What the top of an archive looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As it is: a git tree.
    Tree,
    /// An uploaded source: one wrapping folder is taken off, `._*` files are left out (CLI-34).
    Source,
}

/// Which symbolic links are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those that stay inside the tree, judged by their text.
    Within,
    /// All: what a built app holds (a virtual environment links to `/usr/bin/python3`). They only ever resolve in a sandbox.
    Kept,
}

/// How an archive is unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Its top.
    pub shape: Shape,
    /// Its symbolic links.
    pub links: Links,
    /// Who gets the files; `None` leaves them to the present user.
    pub owner: Option<Owner>,
    /// The most entries.
    pub entries: u64,
    /// The most bytes, unpacked.
    pub size_bytes: u64,
}

impl Rules {
    /// For an uploaded source archive.
    #[must_use]
    pub fn source(owner: Option<Owner>) -> Self {
        let (entries, size_bytes) = (ENTRY_LIMIT, SOURCE_TREE_LIMIT_BYTES);
        Self { shape: Shape::Source, links: Links::Within, owner, entries, size_bytes }
    }

    /// For a commit's tree out of git. Its links are kept as they are, as a checkout would.
    #[must_use]
    pub fn tree(owner: Option<Owner>) -> Self {
        Self { shape: Shape::Tree, links: Links::Kept, ..Self::source(owner) }
    }

    /// For a slug.
    #[must_use]
    pub fn slug(owner: Option<Owner>) -> Self {
        Self { size_bytes: SLUG_TREE_LIMIT_BYTES, ..Self::tree(owner) }
    }
}

/// Unpacks a tar, tar.gz or tar.zst into an existing empty folder; modes (without set-id bits) and file times are kept.
///
/// Blocks: call it from a blocking thread.
///
/// # Errors
/// [`ArchiveError`] for the first entry that may not be; the folder is then half full.
pub fn extract(reader: impl Read, into: &Path, rules: &Rules) -> Result<(), ArchiveError> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let magic = reader.fill_buf().map_err(ArchiveError::Unreadable)?;
    if magic.is_empty() {
        return Err(ArchiveError::Empty);
    }
    if magic.starts_with(&[0x1f, 0x8b]) {
        unpack(MultiGzDecoder::new(reader), into, rules)?;
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        unpack(zstd::Decoder::with_buffer(reader).map_err(ArchiveError::Unreadable)?, into, rules)?;
    } else {
        unpack(reader, into, rules)?;
    }
    if rules.shape == Shape::Source { unwrap(into) } else { Ok(()) }
}

/// [`extract`] from an asynchronous stream, on a blocking thread.
///
/// # Errors
/// As [`extract`].
pub async fn extract_stream(
    reader: impl AsyncRead + Unpin + Send + 'static,
    into: &Path,
    rules: Rules,
) -> Result<(), ArchiveError> {
    let into = into.to_owned();
    // The bridge keeps a handle of the runtime, so it is made here and only used on the blocking thread.
    let reader = SyncIoBridge::new(reader);
    let over = tokio::task::spawn_blocking(move || extract(reader, &into, &rules)).await;
    over.unwrap_or_else(|gone| Err(ArchiveError::Unreadable(io::Error::other(gone))))
}

fn unpack(reader: impl Read, into: &Path, rules: &Rules) -> Result<(), ArchiveError> {
    let (meter, allowance) = Meter::new(reader);
    let mut archive = tar::Archive::new(meter);
    let mut place = Place::new(into, rules);
    let mut left_bytes = rules.size_bytes;
    let mut count = 0;
    allowance.set(HEADER_LIMIT_BYTES);
    for entry in archive.entries().map_err(ArchiveError::Unreadable)? {
        let mut entry = entry.map_err(ArchiveError::Unreadable)?;
        count += 1;
        if count > rules.entries {
            return Err(ArchiveError::TooManyEntries(rules.entries));
        }
        if entry.size() > left_bytes {
            return Err(ArchiveError::TooLarge(rules.size_bytes));
        }
        allowance.set(entry.size() + HEADER_LIMIT_BYTES);
        left_bytes -= take(&mut entry, &mut place, left_bytes, rules)?;
        allowance.set(HEADER_LIMIT_BYTES);
    }
    if count == 0 { Err(ArchiveError::Empty) } else { Ok(()) }
}

/// Makes one entry's file, folder or link; the bytes it took.
fn take<R: Read>(
    entry: &mut Entry<'_, R>,
    place: &mut Place<'_>,
    left_bytes: u64,
    rules: &Rules,
) -> Result<u64, ArchiveError> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(0);
    }
    let path = place::inside(&entry.path().map_err(ArchiveError::Unreadable)?, &name)?;
    let skipped = rules.shape == Shape::Source && place::is_apple_double(&path);
    if path.as_os_str().is_empty() || skipped {
        return Ok(0);
    }
    let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
    match kind {
        EntryType::Directory => place.folder(&path, mode).map(|()| 0),
        EntryType::Symlink => {
            let target = entry.link_name().map_err(ArchiveError::Unreadable)?.unwrap_or_default();
            place.symlink(&path, &target).map(|()| 0)
        }
        EntryType::Link => {
            let target = entry.link_name().map_err(ArchiveError::Unreadable)?.unwrap_or_default();
            place.hard_link(&path, &target).map(|()| 0)
        }
        EntryType::Block | EntryType::Char => Err(ArchiveError::Special { path: name, kind: "device" }),
        EntryType::Fifo => Err(ArchiveError::Special { path: name, kind: "named pipe" }),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            if is_pax_sparse(entry).map_err(ArchiveError::Unreadable)? {
                return Err(ArchiveError::Sparse(name));
            }
            let mtime = Duration::from_secs(entry.header().mtime().unwrap_or(0));
            let file = place.file(&path, mode)?;
            let size_bytes = copy(entry, &file, left_bytes, rules, place, &path)?;
            // A time that the file system cannot hold is not worth an error.
            UNIX_EPOCH.checked_add(mtime).map(|time| file.set_modified(time));
            Ok(size_bytes)
        }
        _ => Err(ArchiveError::Special { path: name, kind: "thing of an unknown kind" }),
    }
}

/// Such a file's contents begin with the list of its holes; taken as they are they would be garbage.
pub(crate) fn is_pax_sparse<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<bool> {
    let Some(records) = entry.pax_extensions()? else { return Ok(false) };
    Ok(records.flatten().any(|record| record.key_bytes().starts_with(b"GNU.sparse.")))
}

fn copy(
    entry: &mut impl Read,
    mut file: &File,
    left_bytes: u64,
    rules: &Rules,
    place: &mut Place<'_>,
    path: &Path,
) -> Result<u64, ArchiveError> {
    let mut size_bytes = 0;
    loop {
        let count = entry.read(&mut place.buffer).map_err(ArchiveError::Unreadable)?;
        if count == 0 {
            return Ok(size_bytes);
        }
        size_bytes += count as u64;
        if size_bytes > left_bytes {
            return Err(ArchiveError::TooLarge(rules.size_bytes));
        }
        let written = io::Write::write_all(&mut file, &place.buffer[..count]);
        written.map_err(|error| place::write_error(&place.on_disk(path), error))?;
    }
}

/// Takes one wrapping folder off (CLI-34).
fn unwrap(into: &Path) -> Result<(), ArchiveError> {
    let failed = |error| place::write_error(into, error);
    let mut top = std::fs::read_dir(into).map_err(failed)?;
    let (Some(only), None) = (top.next().transpose().map_err(failed)?, top.next()) else { return Ok(()) };
    if !only.file_type().map_err(failed)?.is_dir() {
        return Ok(());
    }
    // Renamed first: the folder may hold something of its own name.
    let wrapper = into.join(".unwrapping");
    std::fs::rename(only.path(), &wrapper).map_err(failed)?;
    for child in std::fs::read_dir(&wrapper).map_err(failed)? {
        let child = child.map_err(failed)?;
        std::fs::rename(child.path(), into.join(child.file_name())).map_err(failed)?;
    }
    std::fs::remove_dir(&wrapper).map_err(failed)
}
