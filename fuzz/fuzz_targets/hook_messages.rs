//! Messages between git's hook and `serve`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| git::fuzzing::messages(bytes));
