//! Files of a push that the platform itself reads: Procfile, app.json, .slugignore, and what `bin/release` printed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    model::fuzzing::procfile(bytes);
    model::fuzzing::app_json(bytes);
    builder::fuzzing::release_yaml(bytes);
    if let Ok(folder) = tempfile::tempdir() {
        builder::fuzzing::slugignore(bytes, folder.path());
    }
});
