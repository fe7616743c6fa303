//! How a line looks on its way: octet-counted frames (LOG-24, LOG-25).

use model::log::{LogLine, LogSource};
use std::io::Write;
use std::sync::Arc;

/// Text of one batch (LOG-27: about 100 KB).
pub const BATCH_BYTES: usize = 100 * 1024;

/// What a frame is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dialect<'a> {
    /// LOG-24: the host is the drain's token; no structured data.
    Syslog { token: &'a str },
    /// LOG-25: the host is no host, and the field for structured data is missing.
    Post,
}

/// All frames of a batch, one behind the other.
pub(crate) fn frames(lines: &[Arc<LogLine>], dialect: Dialect<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let message = message(line, dialect);
        // Writing to a Vec cannot fail.
        let _ok = write!(out, "{} {message}", message.len());
    }
    out
}

fn message(line: &LogLine, dialect: Dialect<'_>) -> String {
    let (host, gap) = match dialect {
        Dialect::Syslog { token } => (token, "- -"),
        Dialect::Post => ("host", "-"),
    };
    let (priority, at, source) = (priority(line), line.at.log_time(), line.source.word());
    format!("<{priority}>1 {at} {host} {source} {} {gap} {}\n", line.ps, line.text)
}

/// Facility and severity: local7.info for what the app says, local3.info for the platform, local5.warning where lines are
/// missing (LOG-24, LOG-28).
fn priority(line: &LogLine) -> u8 {
    match line.source {
        LogSource::App => 190,
        LogSource::Platform if line.ps == "logplex" => 172,
        LogSource::Platform => 158,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    #[test]
    fn log_24_and_25_the_two_dialects() {
        let line = |source, ps: &str| {
            let at = Timestamp(1_767_323_045_678_901);
            [Arc::new(LogLine { at, source, ps: ps.into(), text: "State ü".into() })]
        };
        let text = |line: &[Arc<LogLine>], dialect| String::from_utf8(frames(line, dialect)).unwrap();
        assert_eq!(
            text(&line(LogSource::App, "web.1"), Dialect::Syslog { token: "d.1" }),
            "67 <190>1 2026-01-02T03:04:05.678901+00:00 d.1 app web.1 - - State ü\n"
        );
        assert_eq!(
            text(&line(LogSource::Platform, "router"), Dialect::Post),
            "70 <158>1 2026-01-02T03:04:05.678901+00:00 host heroku router - State ü\n"
        );
        assert!(text(&line(LogSource::Platform, "logplex"), Dialect::Post).contains(" <172>1 "));
    }
}
