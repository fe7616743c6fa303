//! Errors of an app, counted by hour: the H codes of its router, the R and L codes of its dynos.

use crate::dyno::DynoName;
use crate::id::AppId;
use crate::log::{LogLine, LogSource};
use crate::procfile::ProcessType;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How fine errors are counted.
pub const HOUR: Duration = Duration::from_secs(3600);

/// How long counts are kept.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// `H12`, `R14`, `L10`: one capital letter and two digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode([u8; 3]);

/// A text that is no error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no error code such as H12")]
pub struct BadErrorCode(pub String);

impl FromStr for ErrorCode {
    type Err = BadErrorCode;

    fn from_str(text: &str) -> Result<Self, BadErrorCode> {
        match text.as_bytes() {
            &[letter @ b'A'..=b'Z', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Ok(Self([letter, tens, ones])),
            _ => Err(BadErrorCode(text.to_owned())),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

/// Where an error happens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorPlace {
    /// A request met it.
    Router,
    /// A dyno of this process type met it.
    Dynos(ProcessType),
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorBucket {
    /// Whose.
    pub app: AppId,
    /// The beginning of its hour.
    pub hour: Timestamp,
    /// Where.
    pub place: ErrorPlace,
    /// Which.
    pub code: ErrorCode,
}

impl ErrorBucket {
    /// The bucket of a log line, when it is the platform's and tells of an error. What an app prints counts for nothing.
    #[must_use]
    pub fn of_line(app: AppId, line: &LogLine) -> Option<Self> {
        if line.source != LogSource::Platform {
            return None;
        }
        // The visitor's own words come later in the line.
        let (place, rest) = match line.text.strip_prefix("at=error code=") {
            Some(rest) if line.ps == "router" => (ErrorPlace::Router, rest),
            Some(_) | None => {
                let rest = line.text.strip_prefix("Error ")?;
                (ErrorPlace::Dynos(line.ps.parse::<DynoName>().ok()?.process_type), rest)
            }
        };
        let code = rest.get(..3)?.parse().ok().filter(|_| rest[3..].starts_with(' '))?;
        Some(Self { app, hour: hour(line.at), place, code })
    }
}

/// The beginning of the hour of a moment.
#[must_use]
pub fn hour(at: Timestamp) -> Timestamp {
    let hour_us = i64::try_from(HOUR.as_micros()).unwrap_or(i64::MAX);
    Timestamp(at.0.div_euclid(hour_us) * hour_us)
}

/// The hours from the one of `from` to the one of `to`, both included; none when `to` lies before it.
pub fn hours(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    std::iter::successors(Some(hour(from)), |at| Some(at.plus(HOUR))).take_while(move |at| *at <= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn bucket(source: LogSource, ps: &str, text: &str) -> Option<(ErrorPlace, String)> {
        let line = LogLine { at: Timestamp(0), source, ps: ps.into(), text: text.into() };
        ErrorBucket::of_line(AppId(Uuid::nil()), &line).map(|bucket| (bucket.place, bucket.code.to_string()))
    }

    #[test]
    fn errors_of_the_router_and_of_dynos_are_told_from_everything_else() {
        let dynos = |name: &str| ErrorPlace::Dynos(name.parse().unwrap());
        let platform = |ps, text| bucket(LogSource::Platform, ps, text);
        let h12 = "at=error code=H12 desc=\"Request timeout\" method=GET path=\"/\"";
        assert_eq!(platform("router", h12), Some((ErrorPlace::Router, "H12".into())));
        assert_eq!(platform("web.1", "Error R14 (Memory quota exceeded)"), Some((dynos("web"), "R14".into())));
        assert_eq!(platform("my-worker.2", "Error L10 (output)"), Some((dynos("my-worker"), "L10".into())));
        for (ps, text) in [
            ("router", "at=info method=GET path=\"/ at=error code=H12 \""),
            ("router", "at=error code=H1234 desc"),
            ("router", "at=error code=H1"),
            ("router", "at=error code=éé desc"),
            ("web.1", h12),
            ("web.1", "Error of its own"),
            ("api", "Error R14 (x)"),
        ] {
            assert_eq!(platform(ps, text), None, "{ps}: {text}");
        }
        assert_eq!(bucket(LogSource::App, "web.1", "Error R14 (says the app)"), None);
    }

    #[test]
    fn hours_begin_where_the_clock_says() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(hour(at("2026-01-02T03:59:59.9Z")), at("2026-01-02T03:00:00Z"));
        let between: Vec<_> = hours(at("2026-01-02T03:59:59Z"), at("2026-01-02T05:00:00Z")).collect();
        assert_eq!(between.len(), 3, "{between:?}");
        assert_eq!(hours(at("2026-01-02T03:00:00Z"), at("2026-01-02T02:00:00Z")).count(), 0);
    }
}
