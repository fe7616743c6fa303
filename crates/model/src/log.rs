//! A log line and its text form (LOG-1).

use crate::time::Timestamp;
use std::fmt;

/// A longer line is split into pieces of this size, each its own line (LOG-3).
pub const LINE_LIMIT_BYTES: usize = 10_000;

/// Who says it: the app itself, or the platform about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogSource {
    /// `app[…]`: dyno output, and what people did (`app[api]`).
    App,
    /// `heroku[…]`: the router and the dyno manager.
    Platform,
}

impl LogSource {
    /// The word in the line. `heroku`, because people's filters and parsers look for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Platform => "heroku",
        }
    }
}

/// One line of an app's log. `text` has no line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was said.
    pub at: Timestamp,
    /// Who says it.
    pub source: LogSource,
    /// `web.1`, `router`, `api`, `release.1234` …
    pub ps: String,
    /// What is said.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}[{}]: {}", self.at.log_time(), self.source.word(), self.ps, self.text)
    }
}

/// Which lines a reader wants; all conditions hold together (LOG-13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Exactly this source (`app`, `heroku`).
    pub source: Option<String>,
    /// `web.1` exactly, or `web` for every `web.*`.
    pub ps: Option<String>,
}

impl LogFilter {
    /// Does the reader want this line?
    #[must_use]
    pub fn wants(&self, line: &LogLine) -> bool {
        let source = self.source.as_ref().is_none_or(|source| source == line.source.word());
        let ps = self.ps.as_ref().is_none_or(|ps| {
            *ps == line.ps || line.ps.strip_prefix(ps.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        source && ps
    }
}

/// Reads one line of a log file back; `None` when it is not of this format.
#[must_use]
pub fn parse(text: &str) -> Option<LogLine> {
    let (at, rest) = text.split_once(' ')?;
    let (head, text) = rest.split_once(": ")?;
    let (source, ps) = head.strip_suffix(']')?.split_once('[')?;
    let source = [LogSource::App, LogSource::Platform].into_iter().find(|known| known.word() == source)?;
    Some(LogLine { at: Timestamp::parse(at)?, source, ps: ps.to_owned(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ps: &str) -> LogLine {
        let at = Timestamp(1_767_323_045_678_901);
        LogLine { at, source: LogSource::App, ps: ps.into(), text: "a: b [c]".into() }
    }

    #[test]
    fn log_1_text_form_reads_back() {
        let text = line("web.1").to_string();
        assert_eq!(text, "2026-01-02T03:04:05.678901+00:00 app[web.1]: a: b [c]");
        assert_eq!(parse(&text), Some(line("web.1")));
    }

    #[test]
    fn log_13_filters() {
        let filter = LogFilter { source: Some("app".into()), ps: Some("web".into()) };
        assert!(filter.wants(&line("web.1")) && filter.wants(&line("web")));
        assert!(!filter.wants(&line("webby.1")));
        assert!(!LogFilter { source: Some("heroku".into()), ps: None }.wants(&line("web.1")));
    }
}
