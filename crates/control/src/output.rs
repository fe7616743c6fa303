//! What builds and release commands print: kept in a file, and followed live by any number of readers.

use bytes::Bytes;
use model::failing_line::first_failing;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;

/// What is kept of one build or release command; the rest is dropped with a line that says so (CI-9 allows 300 MB).
const OUTPUT_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// So much of an output's end is looked through for what failed.
const LOOKED_THROUGH_BYTES: u64 = 2 * 1024 * 1024;

/// Bytes handed on at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// All outputs of a data folder.
#[derive(Clone)]
pub struct Outputs {
    dir: PathBuf,
    live: Arc<Mutex<HashMap<String, watch::Receiver<u64>>>>,
}

/// The one who writes an output; it is complete when this is dropped.
pub(crate) struct OutputWriter {
    key: String,
    file: File,
    size_bytes: u64,
    progress: watch::Sender<u64>,
    outputs: Outputs,
}

/// Reads an output from its beginning to its end, waiting while it grows.
pub struct OutputReader {
    file: File,
    progress: Option<watch::Receiver<u64>>,
    /// Bytes that are still wanted.
    left_bytes: u64,
}

impl Outputs {
    /// Outputs in `dir`, which is made.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, live: Arc::default() })
    }

    /// Begins an output; one of that key is replaced.
    pub(crate) fn create(&self, key: &str) -> io::Result<OutputWriter> {
        let (progress, follow) = watch::channel(0);
        // Under the lock, as in `read`: nobody may see the file without its writer and take it for complete.
        let mut live = self.live();
        let file = File::create(self.dir.join(key))?;
        live.insert(key.to_owned(), follow);
        drop(live);
        Ok(OutputWriter { key: key.to_owned(), file, size_bytes: 0, progress, outputs: self.clone() })
    }

    /// Goes on with the output of a program that outlived the server before this one.
    pub(crate) fn resume(&self, key: &str) -> io::Result<OutputWriter> {
        let mut live = self.live();
        let file = File::options().append(true).create(true).open(self.dir.join(key))?;
        let size_bytes = file.metadata()?.len();
        let (progress, follow) = watch::channel(size_bytes);
        live.insert(key.to_owned(), follow);
        drop(live);
        Ok(OutputWriter { key: key.to_owned(), file, size_bytes, progress, outputs: self.clone() })
    }

    /// Reads an output; `None` while nothing has begun under that key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&self, key: &str) -> io::Result<Option<OutputReader>> {
        let live = self.live();
        match File::open(self.dir.join(key)) {
            Ok(file) => Ok(Some(OutputReader { file, progress: live.get(key).cloned(), left_bytes: u64::MAX })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first line that says why it failed, of what was printed last.
    pub(crate) async fn first_failing(&self, key: &str) -> Option<String> {
        let path = self.dir.join(key);
        let read = tokio::task::spawn_blocking(move || {
            let mut file = File::open(path).ok()?;
            let from = file.metadata().ok()?.len().saturating_sub(LOOKED_THROUGH_BYTES);
            file.seek(SeekFrom::Start(from)).ok()?;
            let mut text = Vec::new();
            file.take(LOOKED_THROUGH_BYTES).read_to_end(&mut text).ok()?;
            first_failing(String::from_utf8_lossy(&text).lines())
        });
        read.await.ok().flatten()
    }

    /// The outputs that there are, when each was last written, and its bytes.
    pub(crate) fn written(&self) -> Vec<(String, SystemTime, u64)> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let read = |entry: std::fs::DirEntry| {
            let about = entry.metadata().ok()?;
            Some((entry.file_name().into_string().ok()?, about.modified().ok()?, about.len()))
        };
        entries.filter_map(read).collect()
    }

    /// Removes an output; whoever reads it reads to its end.
    pub(crate) fn remove(&self, key: &str) {
        if let Err(error) = std::fs::remove_file(self.dir.join(key)) {
            tracing::warn!(output = key, %error, "An old output was not removed");
        }
    }

    /// The same, when there is one.
    pub(crate) fn remove_if_there(&self, key: &str) {
        if self.dir.join(key).exists() {
            self.remove(key);
        }
    }

    /// The end of a complete output, from a whole line on; what is not UTF-8 in it becomes U+FFFD.
    pub(crate) fn tail(&self, key: &str, limit_bytes: u64) -> io::Result<String> {
        let mut file = File::open(self.dir.join(key))?;
        let size_bytes = file.metadata()?.len();
        let skipped = size_bytes.saturating_sub(limit_bytes);
        file.seek(SeekFrom::Start(skipped))?;
        let mut bytes = Vec::new();
        file.take(limit_bytes).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        if skipped == 0 {
            return Ok(text.into_owned());
        }
        let whole = text.split_once('\n').map_or("", |(_, rest)| rest);
        Ok(format!("[The output is {size_bytes} bytes long; this is its end]\n{whole}"))
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Receiver<u64>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputWriter {
    /// Is nothing more kept of it?
    pub(crate) fn is_full(&self) -> bool {
        self.size_bytes > OUTPUT_LIMIT_BYTES
    }

    /// Adds one line. A disk that is full costs the output, never the build that it tells of.
    pub(crate) fn line(&mut self, text: &str) {
        if self.size_bytes > OUTPUT_LIMIT_BYTES {
            return;
        }
        let mut line = Vec::with_capacity(text.len() + 1);
        line.extend_from_slice(text.as_bytes());
        line.push(b'\n');
        if self.size_bytes + line.len() as u64 > OUTPUT_LIMIT_BYTES {
            line =
                format!("[The output is longer than {OUTPUT_LIMIT_BYTES} bytes; the rest is not kept]\n").into_bytes();
            self.size_bytes = OUTPUT_LIMIT_BYTES;
        }
        self.append(&line);
    }

    /// Adds one line of the platform's own at the end, also to an output that is full.
    pub(crate) fn last_line(&mut self, text: &str) {
        self.append(format!("{text}\n").as_bytes());
    }

    fn append(&mut self, line: &[u8]) {
        if let Err(error) = self.file.write_all(line) {
            tracing::warn!(output = self.key, %error, "A line of output was not kept");
        }
        self.size_bytes += line.len() as u64;
        self.progress.send_replace(self.size_bytes);
    }
}

impl Drop for OutputWriter {
    fn drop(&mut self) {
        self.outputs.live().remove(&self.key);
    }
}

impl OutputReader {
    /// How many bytes it has; `None` while it may grow.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub fn complete_bytes(&self) -> io::Result<Option<u64>> {
        // Asked before measuring: one that ends in between counts as growing, which its reader does not mind.
        let growing = self.progress.as_ref().is_some_and(|progress| progress.has_changed().is_ok());
        if growing { Ok(None) } else { Ok(Some(self.file.metadata()?.len())) }
    }

    /// Only the bytes from `first` to `last`, counted from 0; of a growing output also those that are not there yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn only(&mut self, first: u64, last: Option<u64>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(first))?;
        self.left_bytes = last.map_or(u64::MAX, |last| (last + 1).saturating_sub(first));
        Ok(())
    }

    /// The next bytes; `None` at the end of a complete output.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            // Asked before reading: an end that comes in between is seen on the next round.
            let over = match &mut self.progress {
                None => true,
                Some(progress) => {
                    progress.borrow_and_update();
                    progress.has_changed().is_err()
                }
            };
            let wanted = usize::try_from(self.left_bytes).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            if wanted == 0 {
                return Ok(None);
            }
            let mut chunk = vec![0; wanted];
            let length = self.file.read(&mut chunk)?;
            if length > 0 {
                chunk.truncate(length);
                self.left_bytes -= length as u64;
                return Ok(Some(chunk.into()));
            }
            if over {
                return Ok(None);
            }
            if let Some(progress) = &mut self.progress {
                // An error is the writer's end, which the next round sees.
                let _end = progress.changed().await.is_err();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_gets_all_of_it_and_then_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs::open(dir.path().to_owned()).unwrap();
        assert!(outputs.read("build-1").unwrap().is_none());
        let mut writer = outputs.create("build-1").unwrap();
        writer.line("one");
        let mut reader = outputs.read("build-1").unwrap().unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), "one\n");
        let rest = tokio::spawn(async move { (reader.next().await.unwrap(), reader.next().await.unwrap()) });
        writer.line("two");
        drop(writer);
        assert_eq!(rest.await.unwrap(), (Some("two\n".into()), None));
        let mut late = outputs.read("build-1").unwrap().unwrap();
        assert_eq!(late.next().await.unwrap().unwrap(), "one\ntwo\n");
        assert!(late.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn relph_41_a_reader_goes_on_where_it_was_also_beyond_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs::open(dir.path().to_owned()).unwrap();
        let mut writer = outputs.create("release-1").unwrap();
        writer.line("one");
        let mut ahead = outputs.read("release-1").unwrap().unwrap();
        assert_eq!(ahead.complete_bytes().unwrap(), None);
        ahead.only(6, None).unwrap();
        let rest = tokio::spawn(async move { (ahead.next().await.unwrap(), ahead.next().await.unwrap()) });
        writer.line("two");
        drop(writer);
        assert_eq!(rest.await.unwrap(), (Some("o\n".into()), None));
        let mut part = outputs.read("release-1").unwrap().unwrap();
        assert_eq!(part.complete_bytes().unwrap(), Some(8));
        part.only(2, Some(5)).unwrap();
        assert_eq!((part.next().await.unwrap(), part.next().await.unwrap()), (Some("e\ntw".into()), None));
    }

    #[test]
    fn the_end_of_a_long_output_begins_with_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs::open(dir.path().to_owned()).unwrap();
        let mut writer = outputs.create("setup-1").unwrap();
        ["one", "two", "three"].iter().for_each(|line| writer.line(line));
        drop(writer);
        assert_eq!(outputs.tail("setup-1", 100).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(outputs.tail("setup-1", 8).unwrap(), "[The output is 14 bytes long; this is its end]\nthree\n");
        outputs.remove_if_there("setup-1");
        outputs.remove_if_there("setup-1");
        assert!(outputs.tail("setup-1", 8).is_err());
    }
}
