//! The server's own log: one searchable line per event on stderr.

use clap::ValueEnum;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: time, level, sentence, name=value.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins logging. `FLOWLINE_LOG` narrows or widens it (`debug`, `control=debug,info`).
pub(crate) fn start(format: Format, process: &'static str) {
    let filter = EnvFilter::try_from_env("FLOWLINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A line that cannot be written is lost: to report that on stderr, which is what failed, would end the task with a panic.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
    tracing::debug!(process, pid = std::process::id(), "Logging");
}

/// Says on stderr why the program cannot go on.
pub(crate) fn fail(why: &str) -> ExitCode {
    // Nothing is left to tell it to when stderr is gone.
    let _unheard = writeln!(std::io::stderr(), " ▸    {why}");
    ExitCode::FAILURE
}
