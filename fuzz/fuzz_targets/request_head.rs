//! Heads of clients' requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| router::fuzzing::request_head(bytes));
