//! Daily cycling: a dyno that ran for a day is replaced by a fresh one (DYNO-33).

use crate::dyno::{Dyno, DynoRole, DynoState};
use crate::id::DynoId;
use crate::time::Timestamp;
use std::time::Duration;

/// A dyno runs at least this long before it is replaced.
pub const CYCLE: Duration = Duration::from_secs(24 * 3600);

/// And at most so much longer: 216 minutes, so that dynos that were started together do not all go at once.
pub const JITTER_LIMIT_S: u64 = 216 * 60;

/// When a dyno's day is over. Its id, which is random, says how much longer than a day it is; so a restart of the server
/// changes nothing.
#[must_use]
pub fn day_over(dyno: &Dyno) -> Timestamp {
    let jitter_s = dyno.id.0.as_u64_pair().1 % (JITTER_LIMIT_S + 1);
    dyno.created_at.plus(CYCLE + Duration::from_secs(jitter_s))
}

/// The next dyno of an app's formation to be replaced: the one whose day has been over longest; none while another one is
/// on its way up or down, so that the app loses one at a time.
#[must_use]
pub fn due(dynos: &[Dyno], now: Timestamp) -> Option<DynoId> {
    let formation = || dynos.iter().filter(|dyno| dyno.role == DynoRole::Formation);
    let moves = |dyno: &Dyno| match dyno.state {
        DynoState::Starting | DynoState::Stopping => true,
        DynoState::Up | DynoState::Idle => dyno.retired,
        // It is being tried again as it is, perhaps for days; the others do not wait for it.
        DynoState::Crashed { .. } => false,
    };
    if formation().any(moves) {
        return None;
    }
    let over = formation().filter(|dyno| dyno.state == DynoState::Up && day_over(dyno) <= now);
    over.min_by_key(|dyno| (day_over(dyno), dyno.id)).map(|dyno| dyno.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dyno::DynoSize;
    use crate::id::{AppId, ReleaseId};
    use uuid::Uuid;

    const START: Timestamp = Timestamp(0);

    fn dyno(id: u128, state: DynoState) -> Dyno {
        Dyno {
            id: DynoId(Uuid::from_u128(id)),
            app: AppId(Uuid::nil()),
            name: "web.1".parse().unwrap(),
            role: DynoRole::Formation,
            size: DynoSize::Basic,
            command: String::new(),
            release: ReleaseId(Uuid::nil()),
            version: 3,
            addr: None,
            state,
            since: START,
            created_at: START,
            retired: false,
        }
    }

    fn hours(hours: u64) -> Timestamp {
        START.plus(Duration::from_secs(hours * 3600))
    }

    fn id(dyno: &Dyno) -> Option<DynoId> {
        Some(dyno.id)
    }

    #[test]
    fn dyno_33_a_day_is_24_hours_and_up_to_216_minutes() {
        let days: Vec<u64> = (0..1000)
            .map(|n| dyno(n * 0x9e37_79b9_7f4a_7c15, DynoState::Up))
            .map(|dyno| day_over(&dyno).since(START).as_secs())
            .collect();
        let (first, last) = (*days.iter().min().unwrap(), *days.iter().max().unwrap());
        assert!(first >= 86_400 && last <= 86_400 + 216 * 60, "{first} {last}");
        assert!(last - first > 200 * 60, "spread over the whole time: {first} {last}");
    }

    #[test]
    fn dyno_33_one_at_a_time_the_oldest_day_first() {
        let (early, late) = (dyno(0, DynoState::Up), dyno(u128::from(JITTER_LIMIT_S), DynoState::Up));
        let retired = Dyno { retired: true, ..late.clone() };
        let one_off = Dyno { role: DynoRole::OneOff, ..early.clone() };
        let crashed = dyno(7, DynoState::Crashed { retry_at: START });
        let (starting, stopping) = (dyno(8, DynoState::Starting), dyno(9, DynoState::Stopping));
        let both = vec![late.clone(), early.clone()];
        let with = |other: &Dyno| vec![early.clone(), other.clone()];
        for (what, dynos, now, want) in [
            ("nobody", vec![], hours(100), None),
            ("a day that is not over", both.clone(), Timestamp(hours(24).0 - 1), None),
            ("the first", both.clone(), hours(24), id(&early)),
            ("the second alone, too early", vec![late.clone()], hours(27), None),
            ("the second alone", vec![late.clone()], hours(28), id(&late)),
            ("both: the older day", both, hours(28), id(&early)),
            ("while another is retired", with(&retired), hours(28), None),
            ("while another starts", with(&starting), hours(28), None),
            ("while another stops", with(&stopping), hours(28), None),
            ("beside one that crashes", with(&crashed), hours(28), id(&early)),
            ("a crashed one alone", vec![crashed.clone()], hours(28), None),
            ("a one-off dyno", vec![one_off], hours(28), None),
        ] {
            assert_eq!(due(&dynos, now), want, "{what}");
        }
    }
}
