//! Freeze windows: times in which nothing is deployed to a stage, as clocks on the wall of a place show them.
//!
//! A window is two moments, found anew for each day from the zone's own rules (the IANA time zone database): on the day on which
//! clocks are put back, what ends within the repeated hour ends with its second turn and does not open in between; on the day on
//! which they are put forward, what begins within the missing hour begins when that hour would have.

use crate::time::Timestamp;
use chrono::offset::LocalResult;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use std::str::FromStr;

/// Windows of one stage.
pub const WINDOWS_LIMIT: usize = 20;

/// A reason's length in characters.
pub const REASON_LIMIT: usize = 200;

/// When nothing is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Which times.
    pub when: When,
    /// Whose clocks.
    pub zone: Tz,
    /// Why, in somebody's words.
    pub reason: Option<String>,
}

/// Which times of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// On these days of each week from one time of day to another; one that is not later is on the next day.
    Weekly {
        /// The days that it begins on.
        days: Vec<Weekday>,
        /// From.
        from: NaiveTime,
        /// Until, exclusive.
        to: NaiveTime,
    },
    /// Once.
    Once {
        /// From.
        from: NaiveDateTime,
        /// Until, exclusive.
        to: NaiveDateTime,
    },
}

/// A window that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFreeze {
    /// Not in the database.
    #[error("`{0}` is no time zone: use a name such as Europe/Berlin or UTC")]
    NoSuchZone(String),
    /// Neither in English nor short.
    #[error("`{0}` is no day: use mon, tue, wed, thu, fri, sat or sun")]
    NoSuchDay(String),
    /// Not a time.
    #[error("`{0}` is no time: use \"16:00\", or with a date \"2026-12-24T16:00\"")]
    BadTime(String),
    /// It ends before it begins, or is empty.
    #[error("A window that ends at {to} cannot begin at {from}")]
    Backwards {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// A time of day without days, or a date with them.
    #[error("A window has either days with times of day (\"16:00\"), or two dates with times (\"2026-12-24T16:00\")")]
    Mixed,
}

/// A window as it is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written<'a> {
    /// `mon` … `sun`.
    pub days: Vec<&'a str>,
    /// `16:00`, or a date and a time.
    pub from: Option<&'a str>,
    /// The same.
    pub to: Option<&'a str>,
    /// `Europe/Berlin`; none: UTC.
    pub zone: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
}

fn day(text: &str) -> Result<Weekday, BadFreeze> {
    Weekday::from_str(text).map_err(|_| BadFreeze::NoSuchDay(text.to_owned()))
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

fn date_and_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.replacen(' ', "T", 1);
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M").ok()
}

impl Freeze {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(written: &Written<'_>) -> Result<Self, BadFreeze> {
        let zone = written.zone.unwrap_or("UTC");
        let zone = Tz::from_str(zone).map_err(|_| BadFreeze::NoSuchZone(zone.to_owned()))?;
        let days: Vec<Weekday> = written.days.iter().map(|text| day(text)).collect::<Result<_, _>>()?;
        let when = if days.is_empty() { Self::once(written)? } else { Self::weekly(days, written)? };
        let reason = written.reason.map(|reason| reason.chars().take(REASON_LIMIT).collect());
        Ok(Self { when, zone, reason })
    }

    fn weekly(days: Vec<Weekday>, written: &Written<'_>) -> Result<When, BadFreeze> {
        let read = |text: Option<&str>| match text {
            None => Ok(NaiveTime::MIN),
            Some("24:00") => Ok(NaiveTime::MIN),
            Some(text) => time_of_day(text).ok_or_else(|| {
                if date_and_time(text).is_some() { BadFreeze::Mixed } else { BadFreeze::BadTime(text.to_owned()) }
            }),
        };
        Ok(When::Weekly { days, from: read(written.from)?, to: read(written.to)? })
    }

    fn once(written: &Written<'_>) -> Result<When, BadFreeze> {
        let (Some(from), Some(to)) = (written.from, written.to) else { return Err(BadFreeze::Mixed) };
        let read = |text: &str| {
            date_and_time(text).ok_or_else(|| {
                if time_of_day(text).is_some() { BadFreeze::Mixed } else { BadFreeze::BadTime(text.to_owned()) }
            })
        };
        let (begins, ends) = (read(from)?, read(to)?);
        if ends <= begins {
            return Err(BadFreeze::Backwards { from: from.to_owned(), to: to.to_owned() });
        }
        Ok(When::Once { from: begins, to: ends })
    }

    /// Until when it holds, if it does now.
    #[must_use]
    pub fn holds_until(&self, now: Timestamp) -> Option<Timestamp> {
        let moment = DateTime::<Utc>::from_timestamp_micros(now.0)?;
        let held = |from: NaiveDateTime, to: NaiveDateTime| {
            let (from, to) = (first(self.zone, from), last(self.zone, to));
            (from <= moment && moment < to).then(|| Timestamp(to.timestamp_micros()))
        };
        match &self.when {
            When::Once { from, to } => held(*from, *to),
            When::Weekly { days, from, to } => {
                let today = moment.with_timezone(&self.zone).date_naive();
                // One of yesterday may go on; a zone may have skipped a date, so one more is looked at.
                let began = (0..=2).filter_map(|back| today.checked_sub_days(Days::new(back)));
                let began = began.filter(|date| days.contains(&date.weekday()));
                began.filter_map(|date| held(date.and_time(*from), end(date, *from, *to)?)).max()
            }
        }
    }
}

fn end(date: NaiveDate, from: NaiveTime, to: NaiveTime) -> Option<NaiveDateTime> {
    let date = if to <= from { date.checked_add_days(Days::new(1))? } else { date };
    Some(date.and_time(to))
}

/// The first moment at which clocks show this or a later time.
fn first(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
        LocalResult::None => after_gap(zone, wall),
    }
}

/// The last moment at which clocks show this time.
fn last(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => at.to_utc(),
        LocalResult::None => after_gap(zone, wall),
    }
}

/// Clocks never show this time: what they would have shown had they not been put forward.
fn after_gap(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    // No zone ever put its clocks forward by more than a day.
    let before = wall.checked_sub_signed(TimeDelta::days(1)).unwrap_or(wall);
    match zone.from_local_datetime(&before) {
        LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => at.to_utc() + TimeDelta::days(1),
        LocalResult::None => wall.and_utc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn weekly(days: &[&'static str], from: &'static str, to: &'static str, zone: &'static str) -> Freeze {
        let written = Written { days: days.to_vec(), from: Some(from), to: Some(to), zone: Some(zone), reason: None };
        Freeze::read(&written).unwrap()
    }

    fn once(from: &'static str, to: &'static str, zone: &'static str) -> Freeze {
        Freeze::read(&Written { from: Some(from), to: Some(to), zone: Some(zone), ..Written::default() }).unwrap()
    }

    #[test]
    fn a_weekend_in_berlin() {
        let freeze = weekly(&["fri", "sat", "sun"], "16:00", "08:00", "Europe/Berlin");
        // Friday, November 20, 2026, 15:59 and 16:00 in Berlin.
        assert_eq!(freeze.holds_until(at("2026-11-20T14:59:59Z")), None);
        assert_eq!(freeze.holds_until(at("2026-11-20T15:00:00Z")), Some(at("2026-11-21T07:00:00Z")));
        // Monday before eight: Sunday's goes on.
        assert_eq!(freeze.holds_until(at("2026-11-23T06:59:59Z")), Some(at("2026-11-23T07:00:00Z")));
        assert_eq!(freeze.holds_until(at("2026-11-23T07:00:00Z")), None);
    }

    #[test]
    fn whole_days() {
        let freeze = Freeze::read(&Written { days: vec!["Saturday"], ..Written::default() }).unwrap();
        assert_eq!(freeze.holds_until(at("2026-11-21T00:00:00Z")), Some(at("2026-11-22T00:00:00Z")));
        assert_eq!(freeze.holds_until(at("2026-11-22T00:00:00Z")), None);
    }

    #[test]
    fn clocks_put_back_open_nothing_in_between() {
        // On October 25, 2026 the hour from two to three comes twice in Berlin: 00:00Z to 01:00Z and 01:00Z to 02:00Z.
        let freeze = once("2026-10-25T00:00", "2026-10-25T02:30", "Europe/Berlin");
        for held in ["2026-10-25T00:29:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:29:59Z"] {
            assert_eq!(freeze.holds_until(at(held)), Some(at("2026-10-25T01:30:00Z")), "{held}");
        }
        assert_eq!(freeze.holds_until(at("2026-10-25T01:30:00Z")), None);
        let freeze = weekly(&["sun"], "02:15", "02:45", "Europe/Berlin");
        assert_eq!(freeze.holds_until(at("2026-10-25T00:15:00Z")), Some(at("2026-10-25T01:45:00Z")));
    }

    #[test]
    fn clocks_put_forward_lose_no_window() {
        // On March 29, 2026 clocks go from two to three in Berlin, at 01:00Z.
        let freeze = once("2026-03-29T02:30", "2026-03-29T04:00", "Europe/Berlin");
        assert_eq!(freeze.holds_until(at("2026-03-29T01:29:59Z")), None);
        assert_eq!(freeze.holds_until(at("2026-03-29T01:30:00Z")), Some(at("2026-03-29T02:00:00Z")));
        let night = weekly(&["sat"], "22:00", "06:00", "Europe/Berlin");
        assert_eq!(night.holds_until(at("2026-03-28T21:00:00Z")), Some(at("2026-03-29T04:00:00Z")));
        // Samoa had no December 30, 2011: who freezes Thursdays is not frozen on Saturday.
        let thursday = weekly(&["thu"], "00:00", "24:00", "Pacific/Apia");
        assert_eq!(thursday.holds_until(at("2011-12-30T09:59:59Z")), Some(at("2011-12-30T10:00:00Z")));
        assert_eq!(thursday.holds_until(at("2011-12-30T10:00:00Z")), None);
    }

    #[test]
    fn what_cannot_be_says_what_to_write() {
        let wrong = |written: Written<'_>| Freeze::read(&written).unwrap_err();
        assert_eq!(
            wrong(Written { zone: Some("Berlin"), ..Written::default() }),
            BadFreeze::NoSuchZone("Berlin".into())
        );
        assert_eq!(wrong(Written { days: vec!["fr1"], ..Written::default() }), BadFreeze::NoSuchDay("fr1".into()));
        assert_eq!(wrong(Written { from: Some("16:00"), to: Some("18:00"), ..Written::default() }), BadFreeze::Mixed);
        let backwards = Written { from: Some("2026-12-24T16:00"), to: Some("2026-12-24 16:00"), ..Written::default() };
        assert!(matches!(wrong(backwards), BadFreeze::Backwards { .. }));
        let bad = Written { days: vec!["mon"], from: Some("4pm"), ..Written::default() };
        assert_eq!(wrong(bad), BadFreeze::BadTime("4pm".into()));
    }
}
