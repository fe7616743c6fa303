//! A dyno's output, cut into lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| runtime::fuzzing::output(bytes));
