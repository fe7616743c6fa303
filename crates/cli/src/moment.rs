//! Times as people read them.

use model::time::Timestamp;
use std::time::Duration;

const HOUR_S: u64 = 3600;

/// `2026/01/02 03:04:05 +0000 (~ 5m ago)`; without the part in brackets when it is longer than a day ago.
/// Text that is no time stays as it is.
pub(crate) fn ago(text: &str, now: Timestamp) -> String {
    let Some(at) = Timestamp::parse(text) else { return text.to_owned() };
    let date = date(at);
    match now.since(at).as_secs() {
        seconds @ ..60 => format!("{date} (~ {seconds}s ago)"),
        seconds @ ..HOUR_S => format!("{date} (~ {}m ago)", seconds / 60),
        seconds if seconds < 25 * HOUR_S => format!("{date} (~ {}h ago)", seconds / HOUR_S),
        _ => date,
    }
}

/// The moment so many seconds from now.
pub(crate) fn after(seconds: u64, now: Timestamp) -> String {
    date(now.plus(Duration::from_secs(seconds)))
}

fn date(at: Timestamp) -> String {
    at.rfc3339().replace('-', "/").replace('T', " ").replace('Z', " +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dyno_38_relative_times() {
        let now = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
        assert_eq!(ago("2026-01-02T03:04:02Z", now), "2026/01/02 03:04:02 +0000 (~ 3s ago)");
        assert_eq!(ago("2026-01-02T02:54:05Z", now), "2026/01/02 02:54:05 +0000 (~ 10m ago)");
        assert_eq!(ago("2026-01-01T03:04:05Z", now), "2026/01/01 03:04:05 +0000 (~ 24h ago)");
        assert_eq!(ago("2025-12-02T03:04:05Z", now), "2025/12/02 03:04:05 +0000");
        assert_eq!(ago("2026-01-02T03:09:00Z", now), "2026/01/02 03:09:00 +0000 (~ 0s ago)");
        assert_eq!(ago("soon", now), "soon");
    }
}
