//! Layers of container images.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(folder) = tempfile::tempdir() {
        builder::fuzzing::image_layers(bytes, folder.path());
    }
});
