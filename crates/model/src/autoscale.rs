//! Autoscaling: what the response times of the last minutes say about the number of dynos.

use crate::latency::Latency;
use crate::monitor::Monitor;
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Response times of this long are looked at. It is also the time that a change gets to show its effect: shorter, and the requests
/// from before it would ask for the next one.
pub const WINDOW: Duration = Duration::from_secs(120);

/// Of fewer requests a 95th percentile says nothing: it is that of the slowest one.
pub const LEAST_REQUESTS: u64 = 20;

/// A dyno goes only after so many windows without a change: too many dynos cost memory, too few cost visitors.
const DOWN_AFTER_WINDOWS: u32 = 5;

/// It goes when requests are faster than this part of what is too slow: with one of two dynos gone, the other one has twice as much to do.
const DOWN_BELOW_PART: u64 = 2;

/// The window moves on by such a part of itself.
const SLOTS: u32 = 12;

/// Response times of the last minutes.
#[derive(Debug, Clone)]
pub struct Recent {
    window: Duration,
    /// Since when it is watched.
    since: Timestamp,
    /// By the beginning of each slot; the newest last, [`SLOTS`] and one more at most.
    slots: VecDeque<(Timestamp, Latency)>,
}

impl Recent {
    /// Nothing yet.
    #[must_use]
    pub fn new(window: Duration, since: Timestamp) -> Self {
        Self { window, since, slots: VecDeque::new() }
    }

    /// A request that ended now took so long.
    pub fn note(&mut self, at: Timestamp, took_ms: u64) {
        let slot_us = i64::try_from((self.window / SLOTS).as_micros()).unwrap_or(i64::MAX).max(1);
        let begin = Timestamp(at.0.div_euclid(slot_us) * slot_us);
        // One that was told late, or after the clock was set back, counts as the newest.
        if self.slots.back().is_none_or(|(newest, _)| *newest < begin) {
            self.slots.push_back((begin, Latency::default()));
            self.forget_before(at.minus(self.window));
        }
        if let Some((_, latency)) = self.slots.back_mut() {
            latency.note(took_ms);
        }
    }

    /// Those of the window that ends now.
    #[must_use]
    pub fn seen(&mut self, now: Timestamp) -> Latency {
        self.forget_before(now.minus(self.window));
        let mut all = Latency::default();
        self.slots.iter().filter(|(begin, _)| *begin <= now).for_each(|(_, latency)| all.merge(latency));
        all
    }

    /// How long it has been watched.
    #[must_use]
    pub fn watched(&self, now: Timestamp) -> Duration {
        now.since(self.since)
    }

    fn forget_before(&mut self, first: Timestamp) {
        while self.slots.front().is_some_and(|(begin, _)| *begin < first) {
            self.slots.pop_front();
        }
    }
}

/// What is known at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The 95th percentile of the window's requests.
    pub p95_ms: Option<u64>,
    /// How many those are.
    pub requests: u64,
    /// How many dynos are wanted.
    pub quantity: u32,
    /// Nothing is deployed, maintained or asleep: the response times are those of these dynos.
    pub is_settled: bool,
    /// Since the quantity last changed, by whomever.
    pub unchanged: Duration,
    /// Since requests are watched.
    pub watched: Duration,
}

/// What a look comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Stay,
    /// So many dynos.
    Scale {
        /// How many.
        to: u32,
        /// For what reason.
        why: Why,
    },
    /// One more would be needed, and there may be no more.
    AtMaximum,
}

/// For what reason it is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody wants at least so many.
    BelowMinimum,
    /// Somebody wants no more than so many.
    AboveMaximum,
    /// Requests take this many milliseconds.
    Slow(u64),
    /// Requests take only this many milliseconds.
    Fast(u64),
    /// There are no requests.
    Silent,
}

/// One look: one dyno more at a time, and fewer more slowly. People who scale to zero, deploy, or let an app sleep are let alone.
#[must_use]
pub fn decide(monitor: &Monitor, window: Duration, seen: &Seen) -> Decision {
    let Monitor { min_quantity, max_quantity, p95_ms, .. } = *monitor;
    if !monitor.is_active || !seen.is_settled || seen.quantity == 0 {
        return Decision::Stay;
    }
    if seen.quantity < min_quantity {
        return Decision::Scale { to: min_quantity, why: Why::BelowMinimum };
    }
    if seen.quantity > max_quantity {
        return Decision::Scale { to: max_quantity, why: Why::AboveMaximum };
    }
    if seen.unchanged < window {
        return Decision::Stay;
    }
    let slow = seen.p95_ms.filter(|took_ms| *took_ms >= u64::from(p95_ms));
    if let Some(took_ms) = slow {
        return match seen.requests {
            ..LEAST_REQUESTS => Decision::Stay,
            _ if seen.quantity == max_quantity => Decision::AtMaximum,
            _ => Decision::Scale { to: seen.quantity + 1, why: Why::Slow(took_ms) },
        };
    }
    let may_go = seen.quantity > min_quantity
        && seen.unchanged >= window * DOWN_AFTER_WINDOWS
        && seen.watched >= window * DOWN_AFTER_WINDOWS;
    match seen.p95_ms {
        None if may_go => Decision::Scale { to: seen.quantity - 1, why: Why::Silent },
        Some(took_ms) if may_go && took_ms * DOWN_BELOW_PART < u64::from(p95_ms) => {
            Decision::Scale { to: seen.quantity - 1, why: Why::Fast(took_ms) }
        }
        None | Some(_) => Decision::Stay,
    }
}

/// The reason, for the app's log.
#[must_use]
pub fn because(monitor: &Monitor, window: Duration, why: Why) -> String {
    let Monitor { min_quantity, max_quantity, p95_ms, .. } = monitor;
    let window = Span(window);
    match why {
        Why::BelowMinimum => format!("its minimum is {min_quantity}"),
        Why::AboveMaximum => format!("its maximum is {max_quantity}"),
        Why::Slow(took_ms) => format!("p95 of {took_ms} ms over the last {window} is not below {p95_ms} ms"),
        Why::Fast(took_ms) => {
            format!("p95 of {took_ms} ms over the last {window} is below half of {p95_ms} ms")
        }
        Why::Silent => format!("no requests over the last {window}"),
    }
}

/// `5 minutes`; seconds when it is not whole minutes.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            60 => f.write_str("minute"),
            seconds if seconds >= 60 && seconds % 60 == 0 => write!(f, "{} minutes", seconds / 60),
            seconds => write!(f, "{seconds} seconds"),
        }
    }
}

/// Who is in the audit log for it.
pub const ACTOR: &str = "autoscaler";

/// What is kept in the audit log of a change, beside who made it.
#[derive(Debug, Serialize)]
pub struct Scaled<'a> {
    /// How many dynos there were.
    pub from: u32,
    /// How many there are to be.
    pub to: u32,
    /// For what reason.
    pub why: &'a str,
}

impl Scaled<'_> {
    /// As JSON.
    #[must_use]
    pub fn json(&self) -> String {
        // Numbers and a text: there is nothing in them that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "autoscale_tests.rs"]
mod tests;
