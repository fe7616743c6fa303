//! A monitor: how fast web dynos are to answer, and between which quantities they are scaled for that.

use crate::formation::QUANTITY_LIMIT;
use crate::id::{AppId, MonitorId};
use crate::procfile::ProcessType;
use crate::time::Timestamp;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The one thing that a monitor does.
pub const ACTION_TYPE: &str = "scale";

/// The one way that a response time is compared.
pub const OP: &str = "GREATER_OR_EQUAL";

/// Its resolution, in minutes.
pub const PERIOD: i64 = 1;

/// Where it may be said that the maximum is not enough: in the app's log.
pub const CHANNEL: &str = "app";

/// The 95th percentile of response times that can be wished for, in milliseconds: nothing is measured that well below it, and no
/// answer may begin later (H12).
pub const P95_RANGE_MS: RangeInclusive<i64> = 10..=30_000;

/// What it is without being said.
pub const P95_DEFAULT_MS: u32 = 1_000;

/// Minutes between two reminders: up to a week.
pub const NOTIFICATION_PERIOD_RANGE_MIN: RangeInclusive<i64> = 1..=7 * 24 * 60;

/// A day, without being said.
pub const NOTIFICATION_PERIOD_DEFAULT_MIN: u32 = 24 * 60;

/// Characters of its name.
pub const NAME_LIMIT: usize = 100;

/// Scales the dynos of one process type of an app, while it is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Its id.
    pub id: MonitorId,
    /// Whose.
    pub app: AppId,
    /// Which dynos.
    pub process_type: ProcessType,
    /// Does it scale?
    pub is_active: bool,
    /// The fewest dynos.
    pub min_quantity: u32,
    /// The most.
    pub max_quantity: u32,
    /// A 95th percentile of so many milliseconds, or more, is too slow.
    pub p95_ms: u32,
    /// What it is called.
    pub name: String,
    /// Is it said again and again that the maximum is not enough? Else once.
    pub reminds: bool,
    /// How many minutes lie between.
    pub notification_period_min: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What is asked of a monitor; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// `scale`.
    pub action_type: Option<String>,
    /// `GREATER_OR_EQUAL`.
    pub op: Option<String>,
    /// 1.
    pub period: Option<i64>,
    /// Does it scale?
    pub is_active: Option<bool>,
    /// The fewest dynos.
    pub min_quantity: Option<i64>,
    /// The most.
    pub max_quantity: Option<i64>,
    /// Milliseconds.
    pub value: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// `app`, or nothing.
    pub notification_channels: Option<Vec<String>>,
    /// Minutes.
    pub notification_period: Option<i64>,
}

/// What no monitor can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMonitor {
    /// Another kind.
    #[error("action_type must be {ACTION_TYPE}: `{0}` is not done here")]
    ActionType(String),
    /// Another comparison.
    #[error("op must be {OP}, not `{0}`")]
    Op(String),
    /// Another resolution.
    #[error("period must be {PERIOD} (minute), not {0}")]
    Period(i64),
    /// The quantities.
    #[error(
        "min_quantity must be 1 or more, and max_quantity no less than it and at most {QUANTITY_LIMIT}; not {min} and {max}"
    )]
    Quantities {
        /// The fewest.
        min: i64,
        /// The most.
        max: i64,
    },
    /// The response time.
    #[error(
        "value is the 95th percentile of response times in milliseconds, from {least} to {most}; not {0}",
        least = P95_RANGE_MS.start(),
        most = P95_RANGE_MS.end()
    )]
    Value(i64),
    /// Its name.
    #[error("name must have 1 to {NAME_LIMIT} characters that can be seen")]
    Name,
    /// Another way to tell somebody.
    #[error("notification_channels may hold `{CHANNEL}` (the app's log) and nothing else, not `{0}`")]
    Channel(String),
    /// How often.
    #[error(
        "notification_period is a number of minutes from {least} to {most}, not {0}",
        least = NOTIFICATION_PERIOD_RANGE_MIN.start(),
        most = NOTIFICATION_PERIOD_RANGE_MIN.end()
    )]
    NotificationPeriod(i64),
    /// No response times are known of others.
    #[error("Only web dynos answer requests, so only they are scaled by response times; not {0}")]
    NotWeb(ProcessType),
}

impl Monitor {
    /// One that nothing was asked of yet: it needs quantities.
    ///
    /// # Errors
    /// [`BadMonitor::NotWeb`].
    pub fn new(id: MonitorId, app: AppId, process_type: ProcessType, now: Timestamp) -> Result<Self, BadMonitor> {
        if !process_type.is_web() {
            return Err(BadMonitor::NotWeb(process_type));
        }
        Ok(Self {
            id,
            app,
            process_type,
            is_active: true,
            min_quantity: 0,
            max_quantity: 0,
            p95_ms: P95_DEFAULT_MS,
            name: "LATENCY_SCALE".to_owned(),
            reminds: false,
            notification_period_min: NOTIFICATION_PERIOD_DEFAULT_MIN,
            created_at: now,
            updated_at: now,
        })
    }

    /// As it is wished for.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn with(self, wish: &Wish, now: Timestamp) -> Result<Self, BadMonitor> {
        wish.can_be()?;
        let (min_quantity, max_quantity) = quantities(
            wish.min_quantity.unwrap_or(self.min_quantity.into()),
            wish.max_quantity.unwrap_or(self.max_quantity.into()),
        )?;
        let p95_ms = within(wish.value, &P95_RANGE_MS, BadMonitor::Value)?.unwrap_or(self.p95_ms);
        let range = &NOTIFICATION_PERIOD_RANGE_MIN;
        let period = within(wish.notification_period, range, BadMonitor::NotificationPeriod)?;
        Ok(Self {
            is_active: wish.is_active.unwrap_or(self.is_active),
            min_quantity,
            max_quantity,
            p95_ms,
            name: wish.name.clone().unwrap_or(self.name),
            reminds: wish.notification_channels.as_ref().map_or(self.reminds, |channels| !channels.is_empty()),
            notification_period_min: period.unwrap_or(self.notification_period_min),
            updated_at: now,
            ..self
        })
    }

    /// How long it is silent about a maximum that is not enough; `None`: it was said, and is not said again.
    #[must_use]
    pub fn reminds_after(&self) -> Option<Duration> {
        self.reminds.then(|| Duration::from_secs(u64::from(self.notification_period_min) * 60))
    }
}

impl Wish {
    fn can_be(&self) -> Result<(), BadMonitor> {
        if let Some(other) = self.action_type.as_ref().filter(|word| *word != ACTION_TYPE) {
            return Err(BadMonitor::ActionType(other.clone()));
        }
        if let Some(other) = self.op.as_ref().filter(|word| *word != OP) {
            return Err(BadMonitor::Op(other.clone()));
        }
        if let Some(other) = self.period.filter(|period| *period != PERIOD) {
            return Err(BadMonitor::Period(other));
        }
        let readable = |name: &String| {
            (1..=NAME_LIMIT).contains(&name.trim().chars().count()) && !name.chars().any(char::is_control)
        };
        if !self.name.as_ref().is_none_or(readable) {
            return Err(BadMonitor::Name);
        }
        let mut channels = self.notification_channels.iter().flatten();
        channels.find(|channel| *channel != CHANNEL).map_or(Ok(()), |other| Err(BadMonitor::Channel(other.clone())))
    }
}

fn quantities(min: i64, max: i64) -> Result<(u32, u32), BadMonitor> {
    let bad = || BadMonitor::Quantities { min, max };
    let (min_quantity, max_quantity) = (u32::try_from(min).map_err(|_| bad())?, u32::try_from(max).map_err(|_| bad())?);
    if min_quantity < 1 || max_quantity < min_quantity || max_quantity > QUANTITY_LIMIT {
        return Err(bad());
    }
    Ok((min_quantity, max_quantity))
}

fn within(
    wished: Option<i64>,
    range: &RangeInclusive<i64>,
    bad: impl Fn(i64) -> BadMonitor,
) -> Result<Option<u32>, BadMonitor> {
    let Some(wished) = wished else { return Ok(None) };
    if !range.contains(&wished) {
        return Err(bad(wished));
    }
    u32::try_from(wished).map(Some).map_err(|_| bad(wished))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn new(process_type: &str) -> Result<Monitor, BadMonitor> {
        let (id, app) = (MonitorId(Uuid::from_u128(1)), AppId(Uuid::from_u128(2)));
        Monitor::new(id, app, process_type.parse().unwrap(), Timestamp(1))
    }

    fn quantities(min: i64, max: i64) -> Wish {
        Wish { min_quantity: Some(min), max_quantity: Some(max), ..Wish::default() }
    }

    #[test]
    fn what_is_absent_stays() {
        let monitor = new("web").unwrap().with(&quantities(1, 5), Timestamp(2)).unwrap();
        assert_eq!((monitor.min_quantity, monitor.max_quantity, monitor.p95_ms), (1, 5, P95_DEFAULT_MS));
        assert_eq!((monitor.is_active, monitor.reminds_after()), (true, None));
        let off = Wish { is_active: Some(false), op: Some(OP.into()), period: Some(1), ..Wish::default() };
        let off = monitor.clone().with(&off, Timestamp(3)).unwrap();
        assert_eq!(off, Monitor { is_active: false, updated_at: Timestamp(3), ..monitor.clone() });
        let reminding = Wish {
            notification_channels: Some(vec![CHANNEL.into()]),
            notification_period: Some(60),
            value: Some(500),
            ..Wish::default()
        };
        let reminding = monitor.with(&reminding, Timestamp(3)).unwrap();
        assert_eq!((reminding.p95_ms, reminding.reminds_after()), (500, Some(Duration::from_secs(3600))));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(matches!(new("worker"), Err(BadMonitor::NotWeb(_))));
        let monitor = new("web").unwrap();
        assert!(matches!(monitor.clone().with(&Wish::default(), Timestamp(2)), Err(BadMonitor::Quantities { .. })));
        for (min, max) in [(0, 3), (3, 2), (-1, 2), (1, 101), (1, i64::MAX), (i64::MIN, 1)] {
            let refused = monitor.clone().with(&quantities(min, max), Timestamp(2));
            assert_eq!(refused, Err(BadMonitor::Quantities { min, max }));
        }
        let good = monitor.with(&quantities(1, 2), Timestamp(2)).unwrap();
        for (wish, says) in [
            (Wish { value: Some(9), ..Wish::default() }, "from 10 to 30000; not 9"),
            (Wish { value: Some(30_001), ..Wish::default() }, "not 30001"),
            (Wish { action_type: Some("alert".into()), ..Wish::default() }, "`alert` is not done here"),
            (Wish { op: Some("LESS".into()), ..Wish::default() }, "op must be GREATER_OR_EQUAL"),
            (Wish { period: Some(5), ..Wish::default() }, "period must be 1"),
            (Wish { name: Some(" ".into()), ..Wish::default() }, "1 to 100 characters"),
            (Wish { name: Some("a\nb".into()), ..Wish::default() }, "1 to 100 characters"),
            (Wish { notification_channels: Some(vec!["pager".into()]), ..Wish::default() }, "not `pager`"),
            (Wish { notification_period: Some(0), ..Wish::default() }, "from 1 to 10080, not 0"),
        ] {
            let error = good.clone().with(&wish, Timestamp(3)).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
