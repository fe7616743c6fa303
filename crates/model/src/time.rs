//! A moment, to the microsecond, always UTC.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A day, leap seconds aside.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// Microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `later` after this one; saturates at the end of time.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment `earlier` before this one; saturates at the beginning of time.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds, as the Platform API prints times: `2026-01-02T03:04:05Z` (API-11).
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// The same to the microsecond, for what is put in order by it: `2026-01-02T03:04:05.678901Z`.
    #[must_use]
    pub fn rfc3339_us(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// As log lines print times: `2026-01-02T03:04:05.678901+00:00` (LOG-1).
    #[must_use]
    pub fn log_time(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Micros, false)
    }

    /// Reads both forms back; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_micros()))
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_and_api_times_read_back() {
        let at = Timestamp(1_767_323_045_678_901);
        assert_eq!(at.log_time(), "2026-01-02T03:04:05.678901+00:00");
        assert_eq!(at.rfc3339(), "2026-01-02T03:04:05Z");
        assert_eq!(at.rfc3339_us(), "2026-01-02T03:04:05.678901Z");
        assert_eq!(Timestamp::parse(&at.log_time()), Some(at));
    }
}
