//! What a check's end means, and what follows from it.

use super::*;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(9);

fn ended(exit: Exit, requests: u64) -> Ended {
    Ended { exit, stopped: false, late: false, out_of_memory: None, requests }
}

fn verdict(ended: Ended) -> Verdict {
    judge(&ended, LIMIT).0
}

#[test]
fn a_check_is_green_only_when_requests_reached_the_app() {
    assert_eq!(verdict(ended(Exit::Code(0), 3)), Verdict::Green);
    let (untested, why) = judge(&ended(Exit::Code(0), 0), LIMIT);
    assert_eq!(untested, Verdict::Untested);
    assert!(why.contains("no request reached the app"), "{why}");
}

#[test]
fn what_ends_otherwise_says_why() {
    assert_eq!(verdict(ended(Exit::Code(3), 5)), Verdict::Red);
    assert_eq!(judge(&ended(Exit::Signal(9), 5), LIMIT), (Verdict::Red, "the command exited with status 137".into()));
    let late = Ended { late: true, stopped: true, ..ended(Exit::Code(0), 5) };
    assert!(judge(&late, LIMIT).1.contains("longer than 9 seconds"));
    assert_eq!(verdict(late), Verdict::Red);
    assert_eq!(verdict(Ended { stopped: true, ..ended(Exit::Code(0), 5) }), Verdict::Cancelled);
    assert_eq!(verdict(ended(Exit::Lost, 5)), Verdict::Errored);
    assert_eq!(verdict(Ended { out_of_memory: Some(OutOfMemory::Dyno), ..ended(Exit::Signal(9), 5) }), Verdict::Red);
}

#[test]
fn only_a_red_release_that_is_no_way_back_itself_is_rolled_back() {
    for verdict in Verdict::ALL {
        for policy in Policy::ALL {
            for is_rollback in [false, true] {
                let rolls_back = consequence(policy, verdict, is_rollback) == Consequence::RollBack;
                let may = (policy, verdict, is_rollback) == (Policy::Rollback, Verdict::Red, false);
                assert_eq!(rolls_back, may, "{policy} {verdict:?} {is_rollback}");
            }
        }
    }
    assert_eq!(consequence(Policy::Rollback, Verdict::Red, true), Consequence::Alarm);
    assert_eq!(consequence(Policy::Hold, Verdict::Untested, false), Consequence::Warn);
    assert_eq!(consequence(Policy::Alarm, Verdict::Cancelled, false), Consequence::Nothing);
}

fn check(state: VerificationState) -> Verification {
    let id = Uuid::from_u128(1);
    Verification {
        id: id.into(),
        app: id.into(),
        number: 1,
        release: id.into(),
        version: 7,
        by: id.into(),
        stage: Stage::Production,
        policy: Policy::Alarm,
        command: "true".into(),
        limit: VERIFY_LIMIT,
        secret: "s".into(),
        state,
        rolled_back_by: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

#[test]
fn a_stage_that_holds_lets_only_green_releases_go() {
    let over = |verdict| check(VerificationState::Over { verdict, why: "reason".into(), requests: None });
    for policy in [Policy::Hold, Policy::Rollback] {
        assert_eq!(may_leave(policy, 7, Some(&over(Verdict::Green))), Ok(()));
        assert_eq!(may_leave(policy, 7, None), Err(Held::Unverified(7)));
        assert_eq!(may_leave(policy, 7, Some(&check(VerificationState::Pending))), Err(Held::NotYet(7, "pending")));
        for verdict in [Verdict::Untested, Verdict::Red, Verdict::Errored, Verdict::Cancelled] {
            let held = may_leave(policy, 7, Some(&over(verdict))).unwrap_err().to_string();
            assert!(held.contains(verdict.word()) && held.contains("reason"), "{held}");
        }
    }
    assert_eq!(may_leave(Policy::Alarm, 7, Some(&over(Verdict::Red))), Ok(()));
}

#[test]
fn the_stages_own_check_goes_before_the_procfile() {
    let types: ProcessTypes = [(ProcessType::verify(), "a".to_owned())].into();
    assert_eq!(command(&types, Some("b")).as_deref(), Some("b"));
    assert_eq!(command(&types, None).as_deref(), Some("a"));
    assert_eq!(command(&ProcessTypes::new(), None), None);
}

#[test]
fn appjson_4_a_stage_has_settings_and_a_check_of_its_own() {
    let app =
        br#"{"env":{"A":"all"},"environments":{"staging":{"env":{"A":"1","B":{"value":"2"},"C":{"required":false}},
        "scripts":{"verify":" npm run smoke ","test":"x"}},"test":{"scripts":{"verify":" "}}}}"#;
    let stages = crate::app_json::parse(app).unwrap().environments;
    let env = [("A", "1"), ("B", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let staging = Environment { env: env.into(), verify: Some("npm run smoke".into()), browser: None };
    assert_eq!(Environment::of(&stages["staging"]), staging);
    assert_eq!(Environment::of(&stages["test"]), Environment::default());
}

#[test]
fn words_read_back_and_limits_are_bounded() {
    for verdict in Verdict::ALL {
        assert_eq!(Verdict::from_word(verdict.word()), Some(verdict));
    }
    for policy in Policy::ALL {
        assert_eq!(policy.word().parse(), Ok(policy));
    }
    assert!("rollbak".parse::<Policy>().unwrap_err().to_string().contains("alarm, hold and rollback"));
    assert_eq!(limit(1), Ok(Duration::from_secs(1)));
    assert_eq!((limit(0), limit(21_601)), (Err(BadLimit), Err(BadLimit)));
}
