//! What reads files of strangers here, called with any bytes at all: for the targets in `fuzz/`.

use crate::procfile::PROCFILE_LIMIT_BYTES;
use crate::{app_json, log, procfile};

/// A Procfile: what was read and written again reads the same.
pub fn procfile(bytes: &[u8]) {
    let Ok(types) = procfile::parse(bytes) else { return };
    assert!(bytes.len() <= PROCFILE_LIMIT_BYTES);
    let text: String = types.iter().map(|(name, command)| format!("{name}: {command}\n")).collect();
    assert!(types.values().all(|command| !command.is_empty() && !command.contains('\n')));
    if text.len() <= PROCFILE_LIMIT_BYTES {
        assert_eq!(procfile::parse(text.as_bytes()), Ok(types));
    }
}

/// An app.json: packs are as many as there are strings for them, and an error says something.
pub fn app_json(bytes: &[u8]) {
    match app_json::parse(bytes) {
        Ok(app) => assert!(app.buildpacks.iter().map(String::len).sum::<usize>() <= bytes.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A line of a log file: what was read and written again reads the same.
pub fn log_line(bytes: &[u8]) {
    let Some(line) = std::str::from_utf8(bytes).ok().and_then(log::parse) else { return };
    assert_eq!(log::parse(&line.to_string()), Some(line));
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay;

    #[test]
    fn the_corpora_hold() {
        replay::each("pushed_files", |bytes| {
            super::procfile(bytes);
            super::app_json(bytes);
        });
        replay::each("log_files", super::log_line);
    }
}
