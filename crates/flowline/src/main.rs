//! One binary: read the configuration once, build the parts, start, drain on signal.
fn main() {}
