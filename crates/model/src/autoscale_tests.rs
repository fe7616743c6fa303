//! When dynos are added and taken away.

use super::*;
use crate::id::{AppId, MonitorId};
use uuid::Uuid;

fn monitor(min_quantity: u32, max_quantity: u32) -> Monitor {
    let (id, app) = (MonitorId(Uuid::from_u128(1)), AppId(Uuid::from_u128(2)));
    let new = Monitor::new(id, app, "web".parse().unwrap(), Timestamp(0)).unwrap();
    Monitor { min_quantity, max_quantity, p95_ms: 500, ..new }
}

/// Long after the last change.
const CALM: Seen = Seen {
    p95_ms: Some(400),
    requests: 1000,
    quantity: 2,
    is_settled: true,
    unchanged: Duration::from_secs(86_400),
    watched: Duration::from_secs(86_400),
};

fn decided(seen: Seen) -> Decision {
    decide(&monitor(1, 4), WINDOW, &seen)
}

fn slow(p95_ms: u64) -> Seen {
    Seen { p95_ms: Some(p95_ms), ..CALM }
}

#[test]
fn slow_requests_ask_for_one_dyno_more_up_to_the_maximum() {
    assert_eq!(decided(slow(500)), Decision::Scale { to: 3, why: Why::Slow(500) });
    assert_eq!(decided(slow(499)), Decision::Stay);
    assert_eq!(decided(slow(29_000)), Decision::Scale { to: 3, why: Why::Slow(29_000) }, "one at a time");
    assert_eq!(decided(Seen { quantity: 4, ..slow(500) }), Decision::AtMaximum);
}

#[test]
fn few_requests_ask_for_nothing() {
    assert_eq!(decided(Seen { requests: LEAST_REQUESTS - 1, ..slow(900) }), Decision::Stay);
    assert_ne!(decided(Seen { requests: LEAST_REQUESTS, ..slow(900) }), Decision::Stay);
    let few = Seen { requests: LEAST_REQUESTS - 1, quantity: 4, ..slow(900) };
    assert_eq!(decided(few), Decision::Stay, "nor is it said that the maximum is not enough");
}

#[test]
fn a_change_gets_the_time_to_show_its_effect() {
    let just_changed = WINDOW - Duration::from_secs(1);
    assert_eq!(decided(Seen { unchanged: just_changed, ..slow(900) }), Decision::Stay);
    assert_eq!(decided(Seen { unchanged: WINDOW, ..slow(900) }), Decision::Scale { to: 3, why: Why::Slow(900) });
}

#[test]
fn fast_requests_and_silence_take_a_dyno_away_slowly() {
    assert_eq!(decided(slow(249)), Decision::Scale { to: 1, why: Why::Fast(249) });
    assert_eq!(decided(slow(250)), Decision::Stay, "one of two gone means twice the work");
    let silent = Seen { p95_ms: None, requests: 0, ..CALM };
    assert_eq!(decided(silent), Decision::Scale { to: 1, why: Why::Silent });
    let calm = WINDOW * DOWN_AFTER_WINDOWS;
    for hasty in [
        Seen { unchanged: calm - Duration::from_secs(1), ..slow(10) },
        // A server that was just started knows nothing of what was before.
        Seen { watched: calm - Duration::from_secs(1), ..slow(10) },
        Seen { watched: Duration::ZERO, ..silent },
        Seen { quantity: 1, ..slow(10) },
        Seen { quantity: 1, ..silent },
    ] {
        assert_eq!(decided(hasty), Decision::Stay, "{hasty:?}");
    }
    assert_eq!(decided(Seen { unchanged: calm, ..slow(10) }), Decision::Scale { to: 1, why: Why::Fast(10) });
}

#[test]
fn what_lies_outside_of_the_limits_comes_back_at_once() {
    let few =
        Seen { quantity: 1, unchanged: Duration::ZERO, watched: Duration::ZERO, requests: 0, p95_ms: None, ..CALM };
    assert_eq!(decide(&monitor(3, 5), WINDOW, &few), Decision::Scale { to: 3, why: Why::BelowMinimum });
    let many = Seen { quantity: 9, ..few };
    assert_eq!(decide(&monitor(3, 5), WINDOW, &many), Decision::Scale { to: 5, why: Why::AboveMaximum });
}

#[test]
fn who_scales_to_zero_deploys_or_switches_it_off_is_let_alone() {
    for seen in [slow(900), Seen { p95_ms: None, ..CALM }, Seen { quantity: 9, ..CALM }] {
        assert_eq!(decided(Seen { is_settled: false, ..seen }), Decision::Stay, "{seen:?}");
        assert_eq!(decided(Seen { quantity: 0, ..seen }), Decision::Stay, "{seen:?}");
        let off = Monitor { is_active: false, ..monitor(1, 4) };
        assert_eq!(decide(&off, WINDOW, &seen), Decision::Stay, "{seen:?}");
    }
}

#[test]
fn no_decision_leaves_the_limits() {
    for quantity in 1..=12 {
        for p95_ms in [None, Some(1), Some(499), Some(500), Some(60_000)] {
            let decision = decide(&monitor(2, 7), WINDOW, &Seen { quantity, p95_ms, ..CALM });
            if let Decision::Scale { to, .. } = decision {
                assert!((2..=7).contains(&to), "{quantity} {p95_ms:?}: {to}");
                assert!(!(2..=7).contains(&quantity) || to.abs_diff(quantity) == 1, "{quantity} {p95_ms:?}: {to}");
            }
        }
    }
}

#[test]
fn requests_are_forgotten_when_the_window_has_passed() {
    let at = |seconds: u64| Timestamp(1_000_000_000_000).plus(Duration::from_secs(seconds));
    let mut recent = Recent::new(Duration::from_secs(120), at(0));
    assert_eq!(recent.seen(at(0)).percentile_ms(95), None);
    recent.note(at(0), 900);
    recent.note(at(60), 100);
    // The clock was set back, or its line came late.
    recent.note(at(30), 100);
    assert_eq!((recent.seen(at(60)).count(), recent.seen(at(60)).longest_ms), (3, 900));
    assert_eq!((recent.seen(at(131)).count(), recent.seen(at(131)).longest_ms), (2, 100));
    assert_eq!(recent.seen(at(300)).count(), 0);
    assert_eq!((recent.watched(at(5)), recent.watched(Timestamp(0))), (Duration::from_secs(5), Duration::ZERO));
    for second in 0..100_000 {
        recent.note(at(second), 1);
        assert!(recent.slots.len() <= 13, "bounded");
    }
}

#[test]
fn reasons_are_sentences() {
    let said = |why| because(&monitor(1, 4), Duration::from_secs(300), why);
    assert_eq!(said(Why::Slow(840)), "p95 of 840 ms over the last 5 minutes is not below 500 ms");
    assert_eq!(said(Why::Fast(40)), "p95 of 40 ms over the last 5 minutes is below half of 500 ms");
    assert_eq!(said(Why::Silent), "no requests over the last 5 minutes");
    assert_eq!(because(&monitor(2, 4), WINDOW, Why::BelowMinimum), "its minimum is 2");
    assert_eq!(because(&monitor(1, 4), Duration::from_secs(90), Why::Silent), "no requests over the last 90 seconds");
    let json = Scaled { from: 1, to: 2, why: "a \"reason\"" }.json();
    assert_eq!(json, r#"{"from":1,"to":2,"why":"a \"reason\""}"#);
}
