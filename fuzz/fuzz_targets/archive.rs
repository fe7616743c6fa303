//! Uploaded archives.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(folder) = tempfile::tempdir() {
        builder::fuzzing::archive(bytes, folder.path());
    }
});
