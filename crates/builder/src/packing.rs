//! A slug's archive: `./app/…` as tar.zst (BLD-15), the same bytes for the same files.

use crate::failure::{BuildFailure, megabytes};
use crate::job::Built;
use crate::output::Output;
use crate::slugs::{Packed, Slugs};
use aws_lc_rs::digest;
use model::slug::{SLUG_LIMIT_BYTES, SLUG_WARN_BYTES};
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};
use tokio::sync::mpsc::Sender;

/// The level that packs a 140 MB app in less than a second; higher ones gain a tenth and take four times as long.
const LEVEL: i32 = 3;

/// Compressing threads; their number does not change the bytes.
const THREADS: u32 = 2;

/// A folder of the app that follows from a key alone: its part of the archive is packed once and kept beside the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Below the app's folder.
    pub(crate) path: PathBuf,
    /// The packed part; made when missing.
    pub(crate) file: PathBuf,
}

/// What a slug is packed from.
#[derive(Debug, Clone, Copy)]
pub struct AppFiles<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) frames: &'a [Frame],
}

impl<'a> From<&'a Built> for AppFiles<'a> {
    fn from(built: &'a Built) -> Self {
        Self { dir: &built.app_dir, frames: &built.frames }
    }
}

impl<'a> From<&'a PathBuf> for AppFiles<'a> {
    fn from(dir: &'a PathBuf) -> Self {
        Self { dir, frames: &[] }
    }
}

/// Packs the built app and says so in the build's output.
///
/// # Errors
/// A slug over the limit, or one that could not be stored; its lines are sent.
pub async fn compress<'a>(
    slugs: &Slugs,
    app: impl Into<AppFiles<'a>>,
    lines: Sender<String>,
) -> Result<Packed, BuildFailure> {
    let output = Output::new(lines);
    output.topic("Compressing...").await;
    let packed = match slugs.pack(app.into()).await {
        Ok(packed) => packed,
        Err(failure) => {
            output.failure(&failure).await;
            return Err(failure);
        }
    };
    output.detail(&format!("Done: {}", megabytes(packed.size_bytes))).await;
    if packed.size_bytes > SLUG_WARN_BYTES {
        let (size, limit) = (packed.size_bytes >> 20, SLUG_WARN_BYTES >> 20);
        let warning = format!("Warning: Your slug size ({size} MB) exceeds our soft limit ({limit} MB)");
        output.line(format!(" !     {warning} which may affect boot time.")).await;
    }
    Ok(packed)
}

/// Counts and hashes what passes; keeps it only up to the limit, so that a huge app does not fill the disk.
struct Measured<W> {
    inner: W,
    context: digest::Context,
    size_bytes: u64,
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size_bytes += bytes.len() as u64;
        if self.size_bytes <= SLUG_LIMIT_BYTES {
            self.inner.write_all(bytes)?;
            self.context.update(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Packs an app into `file`: its size and `SHA256:<hex>`. Over the limit only the size is true. Blocks.
pub(crate) fn pack(dir: &Path, frames: &[Frame], file: File) -> io::Result<(u64, String)> {
    let context = digest::Context::new(&digest::SHA256);
    let measured = Measured { inner: io::BufWriter::with_capacity(1 << 20, file), context, size_bytes: 0 };
    let mut archive = tar::Builder::new(Framed::Whole(encoder(measured)?));
    folder(&mut archive, dir, Path::new(""), frames)?;
    let mut measured = archive.into_inner()?.finish()?;
    measured.flush()?;
    Ok((measured.size_bytes, checksum(measured.context)))
}

fn encoder<W: Write>(inner: W) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(inner, LEVEL)?;
    encoder.multithread(THREADS)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

/// An archive out of zstd frames, one after the other: readers take them as one stream.
enum Framed {
    /// Into the archive itself.
    Whole(zstd::Encoder<'static, Measured<io::BufWriter<File>>>),
    /// Into a part that is kept; the archive waits.
    Part(zstd::Encoder<'static, io::BufWriter<File>>, Measured<io::BufWriter<File>>),
    /// Between two of them, or after an error.
    Closed,
}

impl Framed {
    /// Ends the frame; the next one is not begun.
    fn finish(&mut self) -> io::Result<Measured<io::BufWriter<File>>> {
        match std::mem::replace(self, Self::Closed) {
            Self::Whole(encoder) => encoder.finish(),
            Self::Part(..) | Self::Closed => Err(io::Error::other("the archive is already closed")),
        }
    }

    /// What is written from here on is a part of its own.
    fn begin_part(&mut self, half: &Path) -> io::Result<()> {
        let whole = self.finish()?;
        *self = Self::Part(encoder(io::BufWriter::new(File::create(half)?))?, whole);
        Ok(())
    }

    /// Ends the part: it is on the disk, whole, under its name.
    fn end_part(&mut self, half: &Path, file: &Path) -> io::Result<()> {
        let Self::Part(part, whole) = std::mem::replace(self, Self::Closed) else {
            return Err(io::Error::other("the archive has no open part"));
        };
        part.finish()?.into_inner()?.sync_all()?;
        fs::rename(half, file)?;
        *self = Self::Whole(encoder(whole)?);
        self.insert(file)
    }

    /// Puts a part that is already packed into the archive.
    fn insert(&mut self, file: &Path) -> io::Result<()> {
        let mut whole = self.finish()?;
        io::copy(&mut File::open(file)?, &mut whole)?;
        *self = Self::Whole(encoder(whole)?);
        Ok(())
    }
}

impl Write for Framed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Whole(encoder) => encoder.write(bytes),
            Self::Part(encoder, _) => encoder.write(bytes),
            Self::Closed => Err(io::Error::other("the archive is already closed")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `SHA256:<hex>` of what was fed.
pub(crate) fn checksum(context: digest::Context) -> String {
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("SHA256:{hex}")
}

/// Adds the folder `path` of the app, in the order of names.
fn folder(archive: &mut tar::Builder<Framed>, app: &Path, path: &Path, frames: &[Frame]) -> io::Result<()> {
    let from = app.join(path);
    let found = fs::symlink_metadata(&from)?;
    archive.append_data(&mut header(&found, EntryType::Directory, 0), Path::new("./app").join(path), io::empty())?;
    let mut children = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
    children.sort_by_key(fs::DirEntry::file_name);
    for child in children {
        let (place, path) = (child.path(), path.join(child.file_name()));
        let name = Path::new("./app").join(&path);
        let found = fs::symlink_metadata(&place)?;
        if found.is_dir() {
            match frames.iter().find(|frame| frame.path == path) {
                Some(frame) => part(archive, app, frame)?,
                None => folder(archive, app, &path, frames)?,
            }
        } else if found.is_symlink() {
            archive.append_link(&mut header(&found, EntryType::Symlink, 0), &name, fs::read_link(&place)?)?;
        } else if found.is_file() {
            let mut head = header(&found, EntryType::Regular, found.len());
            // A file that shrank or grew since would break the archive: as many bytes as were announced, or an error.
            archive.append_data(&mut head, &name, io::Read::take(File::open(&place)?, found.len()))?;
        }
        // Sockets and pipes have no place in a slug.
    }
    Ok(())
}

/// Adds a folder whose part of the archive may be there already.
fn part(archive: &mut tar::Builder<Framed>, app: &Path, frame: &Frame) -> io::Result<()> {
    if frame.file.is_file() {
        return archive.get_mut().insert(&frame.file);
    }
    let half = frame.file.with_extension("half");
    archive.get_mut().begin_part(&half)?;
    folder(archive, app, &frame.path, &[])?;
    archive.get_mut().end_part(&half, &frame.file)
}

/// Owner 0; mode and, for files, time as they are: byte-code caches and `Last-Modified` depend on the time.
fn header(found: &Metadata, kind: EntryType, size_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size_bytes);
    header.set_mode(found.mode() & 0o777);
    // A folder's time says when it was put together, which is never the same twice.
    header.set_mtime(if kind == EntryType::Directory { 0 } else { u64::try_from(found.mtime()).unwrap_or(0) });
    header.set_uid(0);
    header.set_gid(0);
    header
}
