//! The last lines of an app, read backwards from its files.

use crate::segment::BLOCK_BYTES;
use model::log::{LogFilter, LogLine};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The files of one app at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Each with its length at that moment.
    pub(crate) newest_first: Vec<(File, u64)>,
}

impl Snapshot {
    /// The last `count` lines that the filter wants, oldest first. What is no line of ours is passed over.
    pub(crate) fn last(&self, filter: &LogFilter, count: usize) -> io::Result<Vec<LogLine>> {
        let mut newest_first = Vec::new();
        for (file, len) in &self.newest_first {
            backwards(file, *len, BLOCK_BYTES, |line| {
                if newest_first.len() < count
                    && let Some(line) = std::str::from_utf8(line).ok().and_then(model::log::parse)
                    && filter.wants(&line)
                {
                    newest_first.push(line);
                }
                newest_first.len() < count
            })?;
        }
        newest_first.reverse();
        Ok(newest_first)
    }
}

/// Longer than any line of ours: a damaged file must not cost more than reading it once.
const CUT_LIMIT_BYTES: usize = 64 * 1024;

/// Calls `each` with the lines of a file, last one first, while it returns true.
pub(crate) fn backwards(
    file: &File,
    len: u64,
    block_bytes: usize,
    mut each: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let (mut end, mut block) = (len, vec![0; block_bytes]);
    // The beginning of this line lies in the block before.
    let mut cut: Vec<u8> = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(block_bytes as u64);
        let block = &mut block[..usize::try_from(end - start).unwrap_or(block_bytes)];
        file.read_exact_at(block, start)?;
        let mut rest = &block[..];
        while let Some(at) = rest.iter().rposition(|byte| *byte == b'\n') {
            let line = [&rest[at + 1..], &cut].concat();
            cut.clear();
            rest = &rest[..at];
            if !line.is_empty() && !each(&line) {
                return Ok(());
            }
        }
        cut = if cut.len() > CUT_LIMIT_BYTES { rest.to_vec() } else { [rest, &cut].concat() };
        end = start;
    }
    if !cut.is_empty() {
        each(&cut);
    }
    Ok(())
}
