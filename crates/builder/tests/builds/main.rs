//! Whole builds with real packs in a real sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests: a wrong build ends the test, and the machine's registries are found in the environment"
)]

mod gated;
mod images;
mod ladder;
mod node;
mod python;
mod sandbox;
mod slugs;
mod test_compile;
