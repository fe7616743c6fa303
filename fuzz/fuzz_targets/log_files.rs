//! An app's log files, and the pieces of a long line.
#![no_main]

use std::sync::LazyLock;
use tempfile::TempDir;

static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    model::fuzzing::log_line(bytes);
    logs::fuzzing::pieces(bytes);
    if let Some(folder) = &*FOLDER {
        logs::fuzzing::files(bytes, folder.path());
    }
});
