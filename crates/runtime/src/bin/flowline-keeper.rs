//! `flowline keeper …` alone, for this crate's own tests and examples.

fn main() -> std::process::ExitCode {
    // Behind the program and the word `keeper`.
    runtime::keeper::main(std::env::args_os().skip(2))
}
