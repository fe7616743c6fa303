//! Messages between `serve`, the nursery and keepers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| runtime::fuzzing::messages(bytes));
