//! `flowline doctor`: what this machine gives, and what is missing.

use crate::args::Doctor;
use crate::logging;
use runtime::Level;
use serde::Serialize;
use std::io::Write;
use std::process::ExitCode;

pub(crate) fn main(args: &Doctor) -> ExitCode {
    let checks = runtime::doctor();
    let failed = checks.iter().any(|check| check.level == Level::Bad);
    let said = if args.json { json(&checks) } else { text(&checks, failed) };
    match std::io::stdout().lock().write_all(said.as_bytes()) {
        Ok(()) if failed => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => logging::fail(&error.to_string()),
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Good => "ok",
        Level::Warning => "reduced",
        Level::Bad => "missing",
    }
}

/// A check as JSON.
#[derive(Serialize)]
struct Finding<'a> {
    name: &'a str,
    level: &'a str,
    detail: &'a str,
    hint: &'a str,
}

impl<'a> Finding<'a> {
    fn of(check: &'a runtime::Check) -> Self {
        Self { name: check.name, level: word(check.level), detail: &check.detail, hint: &check.hint }
    }
}

fn json(checks: &[runtime::Check]) -> String {
    let findings: Vec<Finding<'_>> = checks.iter().map(Finding::of).collect();
    serde_json::to_string(&findings).unwrap_or_default() + "\n"
}

fn text(checks: &[runtime::Check], failed: bool) -> String {
    let mut said = String::new();
    for check in checks {
        said.push_str(&format!("{:<8} {:<22} {}\n", word(check.level), check.name, check.detail));
        if !check.hint.is_empty() {
            said.push_str(&format!("{:<31} {}\n", "", check.hint));
        }
    }
    said.push_str(if failed {
        "\nSomething is missing that dynos cannot run without.\n"
    } else {
        "\nThis machine can run Flowline. Next: flowline demo\n"
    });
    said
}
