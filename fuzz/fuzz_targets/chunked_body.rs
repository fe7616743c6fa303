//! Bodies in chunks, of clients and of dynos.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| router::fuzzing::chunked_body(bytes));
