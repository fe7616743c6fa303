//! What a test run may become, and what its nodes come to.

use super::*;

const PENDING: TestState = TestState::At(TestStep::Pending);
const RUNNING: TestState = TestState::At(TestStep::Running);

fn errored() -> TestState {
    TestState::Errored { why: "w".into(), during: TestStep::Building, exit_code: Some(3) }
}

fn cancelled() -> TestState {
    TestState::Cancelled { why: "me".into() }
}

#[test]
fn ci_1_a_run_goes_through_its_steps_to_a_verdict() {
    let mut state = PENDING;
    for step in [TestStep::Creating, TestStep::Building, TestStep::Running] {
        state = state.on(TestEvent::Reached(step)).unwrap();
        assert_eq!(state.word(), step.word());
        assert_eq!(TestStep::of(step.word()), Some(step));
    }
    let ends = [
        (Exit::Code(0), "succeeded", Some(0)),
        (Exit::Code(3), "failed", Some(3)),
        (Exit::Signal(9), "failed", Some(137)),
        (Exit::Lost, "errored", None),
    ];
    for (exit, word, exit_code) in ends {
        let over = state.clone().on(TestEvent::Ended(exit)).unwrap();
        assert_eq!((over.word(), over.exit_code(), over.is_over()), (word, exit_code, true));
    }
}

#[test]
fn ci_1_what_breaks_before_the_tests_is_errored_and_says_where() {
    let broke = || TestEvent::Broke { why: "no pack".into(), exit_code: Some(2) };
    for step in [TestStep::Pending, TestStep::Creating, TestStep::Building, TestStep::Running] {
        let over = TestState::At(step).on(broke()).unwrap();
        assert_eq!((over.word(), over.broke_during(), over.exit_code()), ("errored", Some(step), Some(2)));
        assert_eq!(over.why(), Some("no pack"));
    }
}

#[test]
fn ci_1_what_is_over_never_changes_and_no_step_is_taken_back_or_tested_too_early() {
    let events = || {
        [
            TestEvent::Reached(TestStep::Running),
            TestEvent::Ended(Exit::Code(0)),
            TestEvent::Broke { why: String::new(), exit_code: None },
            TestEvent::Cancelled { why: String::new() },
        ]
    };
    for over in [TestState::Succeeded, TestState::Failed { exit_code: 1 }, errored(), cancelled()] {
        for event in events() {
            assert!(over.clone().on(event).is_err(), "{over:?}");
        }
    }
    assert!(RUNNING.on(TestEvent::Reached(TestStep::Building)).is_err());
    assert!(RUNNING.on(TestEvent::Reached(TestStep::Running)).is_err());
    assert!(PENDING.on(TestEvent::Ended(Exit::Code(0))).is_err());
}

#[test]
fn a_run_is_as_far_as_its_furthest_node_and_ends_as_its_worst() {
    let failed = |exit_code| TestState::Failed { exit_code };
    assert_eq!(whole(&[]), PENDING);
    assert_eq!(whole(&[PENDING, TestState::At(TestStep::Building)]).word(), "building");
    assert_eq!(whole(&[PENDING, TestState::Succeeded]), RUNNING);
    assert_eq!(whole(&[TestState::Succeeded, TestState::Succeeded]), TestState::Succeeded);
    assert_eq!(whole(&[TestState::Succeeded, failed(3), failed(4)]), failed(3));
    assert_eq!(whole(&[failed(1), errored(), TestState::Succeeded]), errored());
    assert_eq!(whole(&[errored(), cancelled(), failed(1)]), cancelled());
}

#[test]
fn ci_8_the_time_limit_is_a_setting_within_bounds() {
    let gate = TestGate::default();
    assert_eq!(gate, TestGate { enabled: false, time_limit_s: 3600 });
    assert_eq!(gate.with(Some(true), None).unwrap(), TestGate { enabled: true, time_limit_s: 3600 });
    assert_eq!(gate.with(None, Some(60)).unwrap(), TestGate { enabled: false, time_limit_s: 60 });
    for wrong in [0, 9, 7201, u64::MAX] {
        assert_eq!(gate.with(None, Some(wrong)), Err(BadTimeLimit(wrong)));
    }
}

#[test]
fn a_long_message_is_cut_between_characters() {
    assert_eq!(kept_message("  Fix it\n\n"), "Fix it");
    let long = "ä".repeat(MESSAGE_LIMIT_BYTES);
    let kept = kept_message(&format!("x{long}"));
    assert!(kept.len() <= MESSAGE_LIMIT_BYTES && kept.ends_with('ä'));
}
