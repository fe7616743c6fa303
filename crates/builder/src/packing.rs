//! A slug's archive: `./app/…` as tar.zst (BLD-15), the same bytes for the same files.

use crate::failure::{BuildFailure, megabytes};
use crate::output::Output;
use crate::slugs::{Packed, Slugs};
use aws_lc_rs::digest;
use model::slug::{SLUG_LIMIT_BYTES, SLUG_WARN_BYTES};
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tar::{EntryType, Header};
use tokio::sync::mpsc::Sender;

/// The level that packs a 140 MB app in less than a second; higher ones gain a tenth and take four times as long.
const LEVEL: i32 = 3;

/// Compressing threads; their number does not change the bytes.
const THREADS: u32 = 2;

/// Packs the built app and says so in the build's output.
///
/// # Errors
/// A slug over the limit, or one that could not be stored; its lines are sent.
pub async fn compress(slugs: &Slugs, app_dir: &Path, lines: Sender<String>) -> Result<Packed, BuildFailure> {
    let output = Output::new(lines);
    output.topic("Compressing...").await;
    let packed = match slugs.pack(app_dir).await {
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

/// Packs a folder into `file`: its size and `SHA256:<hex>`. Over the limit only the size is true. Blocks.
pub(crate) fn pack(app_dir: &Path, file: File) -> io::Result<(u64, String)> {
    let context = digest::Context::new(&digest::SHA256);
    let measured = Measured { inner: io::BufWriter::with_capacity(1 << 20, file), context, size_bytes: 0 };
    let mut encoder = zstd::Encoder::new(measured, LEVEL)?;
    encoder.multithread(THREADS)?;
    encoder.include_checksum(true)?;
    let mut archive = tar::Builder::new(encoder);
    folder(&mut archive, app_dir, Path::new("./app"))?;
    let mut measured = archive.into_inner()?.finish()?;
    measured.flush()?;
    Ok((measured.size_bytes, checksum(measured.context)))
}

/// `SHA256:<hex>` of what was fed.
pub(crate) fn checksum(context: digest::Context) -> String {
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("SHA256:{hex}")
}

fn folder(archive: &mut tar::Builder<impl Write>, from: &Path, name: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    archive.append_data(&mut header(&found, EntryType::Directory, 0), name, io::empty())?;
    let mut children = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
    children.sort_by_key(fs::DirEntry::file_name);
    for child in children {
        let (path, name) = (child.path(), name.join(child.file_name()));
        let found = fs::symlink_metadata(&path)?;
        if found.is_dir() {
            folder(archive, &path, &name)?;
        } else if found.is_symlink() {
            archive.append_link(&mut header(&found, EntryType::Symlink, 0), &name, fs::read_link(&path)?)?;
        } else if found.is_file() {
            let mut head = header(&found, EntryType::Regular, found.len());
            // A file that shrank or grew since would break the archive: as many bytes as were announced, or an error.
            archive.append_data(&mut head, &name, io::Read::take(File::open(&path)?, found.len()))?;
        }
        // Sockets and pipes have no place in a slug.
    }
    Ok(())
}

/// Owner 0, mode and time as they are: byte-code caches and `Last-Modified` depend on the time.
fn header(found: &Metadata, kind: EntryType, size_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size_bytes);
    header.set_mode(found.mode() & 0o777);
    header.set_mtime(u64::try_from(found.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header
}
