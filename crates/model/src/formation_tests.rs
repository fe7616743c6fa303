//! Table tests of the decisions.

use super::*;
use uuid::Uuid;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn wanted(release: u128, quantities: &[(&str, u32)]) -> Wanted {
    let at = Timestamp(0);
    let entry = |(name, quantity): &(&str, u32)| Formation {
        id: FormationId(id(9)),
        app: AppId(id(1)),
        process_type: name.parse().unwrap(),
        quantity: *quantity,
        size: DynoSize::Basic,
        created_at: at,
        updated_at: at,
    };
    Wanted {
        release: ReleaseId(id(release)),
        version: 1,
        process_types: quantities.iter().map(|(name, _)| (name.parse().unwrap(), format!("run {name}"))).collect(),
        formation: quantities.iter().map(entry).collect(),
    }
}

fn dyno(n: u128, name: &str, release: u128, state: DynoState) -> Dyno {
    Dyno {
        id: DynoId(id(n)),
        app: AppId(id(1)),
        name: name.parse().unwrap(),
        role: DynoRole::Formation,
        size: DynoSize::Basic,
        command: String::new(),
        release: ReleaseId(id(release)),
        version: 1,
        addr: None,
        state,
        since: Timestamp(0),
        created_at: Timestamp(0),
        retired: false,
    }
}

fn said(steps: &[Step]) -> Vec<String> {
    let say = |step: &Step| match step {
        Step::Start { name, .. } => format!("start {name}"),
        Step::Stop(id) => format!("stop {}", id.0.as_u128()),
        Step::Forget(id) => format!("forget {}", id.0.as_u128()),
    };
    steps.iter().map(say).collect()
}

fn steps(wanted: &Wanted, dynos: &[Dyno]) -> Vec<String> {
    said(&converge(wanted, dynos, Timestamp(100)))
}

const UP: DynoState = DynoState::Up;

#[test]
fn nothing_to_do_when_they_agree() {
    let running = [dyno(1, "web.1", 5, UP), dyno(2, "worker.1", 5, DynoState::Starting)];
    assert!(steps(&wanted(5, &[("web", 1), ("worker", 1), ("release", 0)]), &running).is_empty());
}

#[test]
fn dyno_13_scaling_down_stops_the_highest_numbers_first() {
    let running = [dyno(1, "web.1", 5, UP), dyno(2, "web.2", 5, UP), dyno(3, "web.3", 5, UP)];
    assert_eq!(steps(&wanted(5, &[("web", 1)]), &running), ["stop 3", "stop 2"]);
    assert_eq!(steps(&wanted(5, &[("web", 0)]), &running), ["stop 3", "stop 2", "stop 1"]);
}

#[test]
fn old_web_dynos_serve_until_the_new_ones_accept() {
    let wanted = wanted(6, &[("web", 2), ("worker", 1)]);
    let old = [dyno(1, "web.1", 5, UP), dyno(2, "web.2", 5, UP), dyno(3, "worker.1", 5, UP)];
    assert_eq!(steps(&wanted, &old), ["start web.1", "start web.2", "start worker.1", "stop 3"]);
    let mut both = old.to_vec();
    both.extend([dyno(4, "web.1", 6, UP), dyno(5, "web.2", 6, DynoState::Starting), dyno(6, "worker.1", 6, UP)]);
    both[2].state = DynoState::Stopping;
    assert!(steps(&wanted, &both).is_empty());
    both[4].state = UP;
    assert_eq!(steps(&wanted, &both), ["stop 2", "stop 1"]);
}

#[test]
fn a_release_that_does_not_boot_leaves_the_one_before_serving() {
    let crashed = DynoState::Crashed { retry_at: Timestamp(200) };
    let running = [dyno(1, "web.1", 5, UP), dyno(2, "web.1", 6, crashed)];
    assert!(steps(&wanted(6, &[("web", 1)]), &running).is_empty());
    let due = [dyno(1, "web.1", 5, UP), dyno(2, "web.1", 6, DynoState::Crashed { retry_at: Timestamp(100) })];
    assert_eq!(steps(&wanted(6, &[("web", 1)]), &due), ["forget 2", "start web.1"]);
}

#[test]
fn a_newer_release_ends_the_attempts_of_one_that_never_came_up() {
    let running = [dyno(1, "web.1", 5, UP), dyno(2, "web.1", 6, DynoState::Starting)];
    assert_eq!(steps(&wanted(7, &[("web", 1)]), &running), ["start web.1", "stop 2"]);
}

#[test]
fn dyno_6_a_type_that_vanished_stops() {
    let running = [dyno(1, "web.1", 5, UP), dyno(2, "clock.1", 5, UP)];
    assert_eq!(steps(&wanted(5, &[("web", 1)]), &running), ["stop 2"]);
}

#[test]
fn a_restart_replaces_web_without_a_gap_and_other_types_at_once() {
    let mut running = [dyno(1, "web.1", 5, UP), dyno(2, "worker.1", 5, UP)];
    running[0].retired = true;
    running[1].retired = true;
    let steps = steps(&wanted(5, &[("web", 1), ("worker", 1)]), &running);
    assert_eq!(steps, ["start web.1", "start worker.1", "stop 2"]);
}

#[test]
fn one_off_dynos_are_left_alone() {
    let mut run = dyno(1, "run.4321", 5, UP);
    run.role = DynoRole::OneOff;
    assert!(steps(&wanted(5, &[("web", 0)]), &[run]).is_empty());
}

#[test]
fn dyno_10_quantities() {
    let web = ProcessType::web();
    assert_eq!(Quantity::parse("+2").unwrap().of(&web, 1), Ok(3));
    assert_eq!(Quantity::parse("7").unwrap().of(&web, 1), Ok(7));
    for bad in ["", "x", "1.5", "+", "--1"] {
        assert!(Quantity::parse(bad).is_err(), "{bad}");
    }
    assert!(Quantity::By(-2).of(&web, 1).is_err());
    assert!(Quantity::Exactly(101).of(&web, 1).is_err());
    for once in [ProcessType::release(), ProcessType::verify()] {
        assert_eq!(Quantity::Exactly(1).of(&once, 0), Err(FormationError::RunsOnce(once)));
    }
}

#[test]
fn dyno_12_first_web_starts_one() {
    assert_eq!(first_quantity(&ProcessType::web(), false), 1);
    assert_eq!(first_quantity(&ProcessType::web(), true), 0);
    assert_eq!(first_quantity(&"worker".parse().unwrap(), false), 0);
}

#[test]
fn one_that_is_on_its_way_out_does_not_hide_its_successor() {
    let running = [dyno(1, "web.1", 5, DynoState::Stopping), dyno(2, "web.1", 5, DynoState::Starting)];
    assert!(steps(&wanted(5, &[("web", 1)]), &running).is_empty());
}

#[test]
fn one_that_crashed_beside_one_that_lives_is_forgotten_and_nothing_is_started_twice() {
    let wanted = wanted(1, &[("web", 1)]);
    let crashed = |retry_at| DynoState::Crashed { retry_at: Timestamp(retry_at) };
    for lives in [DynoState::Starting, UP] {
        for retry_at in [50, 150] {
            let dynos = [dyno(1, "web.1", 1, crashed(retry_at)), dyno(2, "web.1", 1, lives)];
            assert_eq!(steps(&wanted, &dynos), ["forget 1"], "{lives:?}, again at {retry_at}");
        }
    }
    // Alone it waits for its time, and is then replaced.
    assert_eq!(steps(&wanted, &[dyno(1, "web.1", 1, crashed(150))]), [""; 0]);
    assert_eq!(steps(&wanted, &[dyno(1, "web.1", 1, crashed(50))]), ["forget 1", "start web.1"]);
}
