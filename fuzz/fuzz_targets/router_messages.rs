//! Messages between `serve`, the router and its successor, and the saved table.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| router::fuzzing::messages(bytes));
