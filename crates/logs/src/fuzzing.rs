//! What reads log files here, called with any bytes at all: for the targets in `fuzz/`.

use crate::history::backwards;
use crate::segment::{self, Segment};
use crate::{KEPT_LINES, piece};
use model::log::{LINE_LIMIT_BYTES, LogFilter, LogLine, LogSource};
use model::time::Timestamp;
use std::fs;
use std::path::Path;

/// The files of an app's log in the folder `dir`, with anything in them: what is shown is what a plain read from the
/// front shows, a torn end is cut away and nothing else, and what is appended then comes last.
pub fn files(bytes: &[u8], dir: &Path) {
    let Some(([block, count, cut], text)) = bytes.split_first_chunk::<3>() else { return };
    let (previous, current) = text.split_at(text.len() * usize::from(*cut) / 255);
    let count = usize::from(*count);
    fs::write(dir.join(segment::PREVIOUS), previous).unwrap_or_default();
    fs::write(dir.join(segment::CURRENT), current).unwrap_or_default();
    read(dir, usize::from(*block) + 1, count, &[previous, current]);
    let Ok(mut segment) = Segment::open(dir) else { return };
    let whole = current.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &current[..=end]);
    assert_eq!(fs::read(dir.join(segment::CURRENT)).ok().as_deref(), Some(whole));
    let line = line("the last").to_string() + "\n";
    assert!(segment.append(dir, line.as_bytes(), 1).is_ok());
    let appended = [whole, line.as_bytes()].concat();
    assert_eq!(fs::read(dir.join(segment::CURRENT)).ok(), Some(appended.clone()));
    read(dir, usize::from(*block) + 1, count, &[previous, &appended]);
    assert!(!segment.is_full() || appended.iter().filter(|byte| **byte == b'\n').count() >= KEPT_LINES as usize);
}

/// Compares what is read backwards, in blocks of this size, with a plain read.
fn read(dir: &Path, block_bytes: usize, count: usize, files: &[&[u8]; 2]) {
    let plainly: Vec<LogLine> =
        files.iter().flat_map(|text| text.split(|byte| *byte == b'\n')).filter_map(parsed).collect();
    let newest = plainly[plainly.len().saturating_sub(count)..].to_vec();
    let snapshot = segment::snapshot(dir);
    let shown = snapshot.and_then(|files| files.last(&LogFilter::default(), count)).unwrap_or_default();
    assert_eq!(shown, newest);
    let (mut lines, snapshot) = (Vec::new(), segment::snapshot(dir));
    for (file, len) in snapshot.iter().flat_map(|snapshot| &snapshot.newest_first) {
        let over = backwards(file, *len, block_bytes, |line| {
            lines.extend(parsed(line));
            true
        });
        assert!(over.is_ok());
    }
    lines.reverse();
    assert_eq!(lines, plainly, "in blocks of {block_bytes}");
}

fn parsed(line: &[u8]) -> Option<LogLine> {
    std::str::from_utf8(line).ok().and_then(model::log::parse)
}

/// LOG-3: a line of any text becomes lines that each fit, of which none is empty but by itself, and no text is lost.
pub fn pieces(bytes: &[u8]) {
    let Some((times, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text).repeat(1 + usize::from(*times));
    let pieces: Vec<String> = piece::pieces(line(&text)).map(|line| line.text).collect();
    assert!(pieces.iter().all(|text| text.len() <= LINE_LIMIT_BYTES && !text.contains('\n')));
    assert_eq!(pieces.concat(), text.replace('\n', ""));
}

fn line(text: &str) -> LogLine {
    LogLine { at: Timestamp(0), source: LogSource::App, ps: "web.1".to_owned(), text: text.to_owned() }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay;

    #[test]
    fn the_corpora_hold() {
        let dir = tempfile::tempdir().unwrap();
        replay::each("log_files", |bytes| {
            super::files(bytes, dir.path());
            super::pieces(bytes);
        });
    }
}
