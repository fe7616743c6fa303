//! The two files of one app: `current.log` grows; when it holds enough it becomes `previous.log`.

use crate::history::Snapshot;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// At least so many last lines of an app stay on disk (LOG-14).
pub const KEPT_LINES: u32 = 1_500;

/// A file is left for a new one when it holds [`KEPT_LINES`] lines and this size. Ordinary lines: 2 MiB for an app in
/// all; 1,500 lines of the full 10,000 bytes twice, plus a batch: 33 MB at worst.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// Read at once when a file is opened or read backwards.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;

pub(crate) const CURRENT: &str = "current.log";
pub(crate) const PREVIOUS: &str = "previous.log";

/// The growing file, and how much is in it. Closed it costs 24 bytes, and opening it again reads nothing.
#[derive(Debug)]
pub(crate) struct Segment {
    file: Option<File>,
    lines: u32,
    bytes: u64,
}

impl Segment {
    /// Opens or makes the growing file. A last line that a crash tore off is cut away: nobody was told it was written.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = open_current(dir)?;
        let (len, mut lines, mut whole) = (file.metadata()?.len(), 0, 0);
        let (mut at, mut block) = (0, vec![0; BLOCK_BYTES]);
        while at < len {
            let read = file.read_at(&mut block, at)?;
            if read == 0 {
                break;
            }
            for (offset, _) in block[..read].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                lines += 1;
                whole = at + offset as u64 + 1;
            }
            at += read as u64;
        }
        if whole < len {
            file.set_len(whole)?;
        }
        Ok(Self { file: Some(file), lines, bytes: whole })
    }

    /// Appends whole lines with one write.
    pub(crate) fn append(&mut self, dir: &Path, text: &[u8], lines: u32) -> Result<(), Torn> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open_current(dir).map_err(|why| Torn { healed: false, why })?),
        };
        match file.write_all(text) {
            Ok(()) => {
                self.bytes += text.len() as u64;
                self.lines += lines;
                Ok(())
            }
            Err(why) => Err(Torn { healed: file.set_len(self.bytes).is_ok(), why }),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    /// Is it time for a new file?
    pub(crate) fn is_full(&self) -> bool {
        self.lines >= KEPT_LINES && self.bytes >= SEGMENT_BYTES
    }
}

fn open_current(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(dir.join(CURRENT))
}

/// A write that failed, perhaps in the middle.
#[derive(Debug)]
pub(crate) struct Torn {
    /// The half line is cut away already; otherwise the file must be opened again, which does it.
    pub(crate) healed: bool,
    /// Why.
    pub(crate) why: io::Error,
}

/// The full file becomes the previous one; what was previous is gone.
pub(crate) fn rotate(dir: &Path) -> io::Result<()> {
    std::fs::rename(dir.join(CURRENT), dir.join(PREVIOUS))
}

/// Both files as they are now: they can be read while the log goes on. Empty when the app has no log.
pub(crate) fn snapshot(dir: &Path) -> io::Result<Snapshot> {
    let mut files = Vec::new();
    for name in [CURRENT, PREVIOUS] {
        match File::open(dir.join(name)) {
            Ok(file) => {
                let len = file.metadata()?.len();
                files.push((file, len));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Snapshot { newest_first: files })
}
