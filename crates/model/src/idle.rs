//! Idle apps: when one is put to sleep, and how deeply.

use crate::dyno::{Dyno, DynoRole, DynoState};
use crate::time::Timestamp;
use std::time::Duration;

/// The shortest time without a request before an app may be put to sleep.
pub const SLEEP_AFTER_MIN: Duration = Duration::from_secs(1);

/// The longest: a week. Whoever wants longer wants it off.
pub const SLEEP_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How deeply an app sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Its processes are there but get no CPU: the next request goes on within milliseconds.
    Frozen,
    /// Its processes are gone: the next request waits for a boot.
    Stopped,
}

impl Depth {
    /// As people read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Stopped => "stopped",
        }
    }
}

/// An app that sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asleep {
    /// Since when.
    pub since: Timestamp,
    /// How deeply.
    pub depth: Depth,
}

/// A time that no app can be put to sleep after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "sleep_after is the number of minutes without a request after which the app sleeps: more than 0.016 (a second) and at most 10080 (a week), or null for never"
)]
pub struct BadSleepAfter;

/// Reads minutes, as the API takes them; fractions of a minute are kept to the second.
///
/// # Errors
/// [`BadSleepAfter`] outside [`SLEEP_AFTER_MIN`] to [`SLEEP_AFTER_MAX`].
pub fn sleep_after(minutes: f64) -> Result<Duration, BadSleepAfter> {
    let wanted = Duration::try_from_secs_f64((minutes * 60.0).round()).map_err(|_| BadSleepAfter)?;
    (SLEEP_AFTER_MIN..=SLEEP_AFTER_MAX).contains(&wanted).then_some(wanted).ok_or(BadSleepAfter)
}

/// What the router and the dynos tell of an app that is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet<'a> {
    /// Its dynos.
    pub dynos: &'a [Dyno],
    /// Requests that are being answered or wait, WebSockets included.
    pub in_flight: u64,
    /// How long ago the last request began or ended; at most since somebody counts.
    pub idle: Duration,
}

/// Shall an app that is awake be put to sleep? Only requests count as use (DYNO-80), and only an app with a web dyno
/// can be woken by one. A boot, a deploy or a crash under way is waited for: a dyno that changed lately counts as use.
#[must_use]
pub fn is_due(quiet: Quiet<'_>, after: Duration, now: Timestamp) -> bool {
    let formation = || quiet.dynos.iter().filter(|dyno| dyno.role == DynoRole::Formation);
    quiet.in_flight == 0
        && quiet.idle >= after
        && formation().any(|dyno| dyno.name.process_type.is_web())
        && formation().all(|dyno| dyno.state == DynoState::Up && now.since(dyno.since) >= after)
}

/// How an app that was noted as asleep is found by the next server. What has ended, or is being ended, does not count.
/// `None`: a dyno runs, so the app was just being woken or put to sleep when the server before ended.
#[must_use]
pub fn found(noted: Timestamp, dynos: &[Dyno]) -> Option<Asleep> {
    let over = |dyno: &&Dyno| matches!(dyno.state, DynoState::Stopping | DynoState::Crashed { .. });
    let mut alive = dynos.iter().filter(|dyno| dyno.role == DynoRole::Formation && !over(dyno)).peekable();
    let depth = if alive.peek().is_none() { Depth::Stopped } else { Depth::Frozen };
    alive.all(|dyno| dyno.state == DynoState::Idle).then_some(Asleep { since: noted, depth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dyno::DynoSize;
    use crate::id::{AppId, DynoId, ReleaseId};
    use uuid::Uuid;

    fn dyno(name: &str, role: DynoRole, state: DynoState, since_s: i64) -> Dyno {
        Dyno {
            id: DynoId(Uuid::from_u128(1)),
            app: AppId(Uuid::from_u128(2)),
            name: name.parse().unwrap(),
            role,
            size: DynoSize::Eco,
            command: "serve".into(),
            release: ReleaseId(Uuid::from_u128(3)),
            version: 3,
            addr: None,
            state,
            since: Timestamp(since_s * 1_000_000),
            created_at: Timestamp(0),
            retired: false,
        }
    }

    const HALF_HOUR: Duration = Duration::from_secs(1800);

    fn due(dynos: &[Dyno], in_flight: u64, idle_s: u64) -> bool {
        let quiet = Quiet { dynos, in_flight, idle: Duration::from_secs(idle_s) };
        is_due(quiet, HALF_HOUR, Timestamp(10_000 * 1_000_000))
    }

    #[test]
    fn dyno_80_sleeps_after_half_an_hour_without_a_request() {
        let web = [dyno("web.1", DynoRole::Formation, DynoState::Up, 0)];
        assert!(due(&web, 0, 1800));
        assert!(!due(&web, 0, 1799), "a request 1799 seconds ago");
        assert!(!due(&web, 1, 9999), "a WebSocket is open");
    }

    #[test]
    fn dyno_80_worker_only_apps_never_sleep_but_workers_sleep_with_their_web() {
        let worker = dyno("worker.1", DynoRole::Formation, DynoState::Up, 0);
        assert!(!due(std::slice::from_ref(&worker), 0, 9999));
        assert!(due(&[dyno("web.1", DynoRole::Formation, DynoState::Up, 0), worker], 0, 9999));
        assert!(!due(&[], 0, 9999));
    }

    #[test]
    fn a_boot_a_crash_and_a_young_dyno_keep_it_awake_and_a_one_off_does_not() {
        let web = dyno("web.1", DynoRole::Formation, DynoState::Up, 0);
        for state in [DynoState::Starting, DynoState::Stopping, DynoState::Crashed { retry_at: Timestamp(0) }] {
            assert!(!due(&[web.clone(), dyno("web.2", DynoRole::Formation, state, 0)], 0, 9999), "{state:?}");
        }
        assert!(!due(&[dyno("web.1", DynoRole::Formation, DynoState::Up, 9000)], 0, 9999), "up for 1000 seconds");
        assert!(due(&[web, dyno("run.7", DynoRole::OneOff, DynoState::Up, 9990)], 0, 9999));
    }

    #[test]
    fn what_is_being_ended_says_nothing_about_how_an_app_slept() {
        let found = |states: &[DynoState]| {
            let dynos: Vec<Dyno> = states.iter().map(|state| dyno("web.1", DynoRole::Formation, *state, 0)).collect();
            super::found(Timestamp(7), &dynos).map(|asleep| asleep.depth)
        };
        assert_eq!(found(&[]), Some(Depth::Stopped));
        assert_eq!(found(&[DynoState::Stopping]), Some(Depth::Stopped), "its last dyno was still ending");
        assert_eq!(found(&[DynoState::Crashed { retry_at: Timestamp(0) }]), Some(Depth::Stopped));
        assert_eq!(found(&[DynoState::Idle, DynoState::Idle]), Some(Depth::Frozen));
        assert_eq!(found(&[DynoState::Idle, DynoState::Stopping]), Some(Depth::Frozen));
        assert_eq!(found(&[DynoState::Idle, DynoState::Up]), None, "it was just being woken, or put to sleep");
        assert_eq!(found(&[DynoState::Starting]), None);
        let one_off = dyno("run.7", DynoRole::OneOff, DynoState::Up, 0);
        assert_eq!(super::found(Timestamp(7), &[one_off]).map(|asleep| asleep.depth), Some(Depth::Stopped));
    }

    #[test]
    fn minutes_are_read_and_nonsense_is_refused() {
        assert_eq!(sleep_after(30.0), Ok(HALF_HOUR));
        assert_eq!(sleep_after(0.05), Ok(Duration::from_secs(3)));
        for bad in [0.0, -1.0, 0.001, 10_081.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(sleep_after(bad), Err(BadSleepAfter), "{bad}");
        }
    }
}
