//! The hook as git starts it, without the rest of the flowline binary.

fn main() -> std::process::ExitCode {
    git::hook::pre_receive()
}
