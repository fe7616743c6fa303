//! `cargo xtask tidy` and `cargo xtask bench [--json] [name...]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal: its output is its product")]

use std::process::ExitCode;
use xtask::bench::Form;

const USAGE: &str = "usage: cargo xtask tidy | cargo xtask bench [--json] [name...]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((task, [])) if task == "tidy" => tidy(),
        Some((task, names)) if task == "bench" => bench(names),
        Some(_) | None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    match xtask::tidy::run(&xtask::repository_root()) {
        Ok(report) if report.findings.is_empty() => {
            println!("tidy: {} files, nothing to say", report.files);
            ExitCode::SUCCESS
        }
        Ok(report) => {
            for finding in &report.findings {
                println!("{finding}");
            }
            eprintln!("tidy: {} findings in {} files", report.findings.len(), report.files);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(names: &[String]) -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) = names.iter().cloned().partition(|name| name == "--json");
    let form = if flags.is_empty() { Form::Table } else { Form::Json };
    match xtask::bench::run(&xtask::repository_root(), &names, form) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
