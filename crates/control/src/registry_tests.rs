//! What a dyno may still become, whoever asks meanwhile.

use super::*;
use crate::dyno_event;
use model::dyno::{DynoRole, DynoSize};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_000_000);

fn registry_with(state: DynoState) -> (Registry, Dyno) {
    let (teller, _changes) = dyno_event::queue();
    let registry = Registry::new(teller);
    let dyno = Dyno {
        id: DynoId(Uuid::from_u128(1)),
        app: AppId(Uuid::from_u128(2)),
        name: "worker.1".parse().unwrap(),
        role: DynoRole::Formation,
        size: DynoSize::Eco,
        command: "work".into(),
        release: ReleaseId(Uuid::from_u128(3)),
        version: 3,
        addr: None,
        state,
        since: NOW,
        created_at: NOW,
        retired: false,
    };
    registry.insert(dyno.clone(), None);
    (registry, dyno)
}

#[test]
fn a_dyno_that_ended_by_itself_stays_crashed_whatever_was_ordered_meanwhile() {
    for ordered_before_it_is_told in [true, false] {
        let (registry, dyno) = registry_with(DynoState::Up);
        assert_eq!(registry.over(dyno.id), Some(DynoState::Up));
        if ordered_before_it_is_told {
            assert!(!registry.turn_off(dyno.id, NOW));
        }
        let retry_at = registry.crashed(&dyno, NOW, NOW);
        assert!(!registry.turn_off(dyno.id, NOW));
        assert!(registry.end(dyno.id, NOW).is_none());
        assert_eq!(registry.state(dyno.id), Some(DynoState::Crashed { retry_at }));
        assert_eq!(registry.unended(dyno.app), []);
    }
}

#[test]
fn a_dyno_that_was_told_to_end_neither_boots_nor_falls_asleep_nor_wakes() {
    for state in [DynoState::Starting, DynoState::Up, DynoState::Idle] {
        let (registry, dyno) = registry_with(state);
        assert!(registry.turn_off(dyno.id, NOW));
        let moved = [registry.booted(dyno.id, NOW), registry.frozen(dyno.id, NOW), registry.thawed(dyno.id, NOW)];
        assert_eq!(moved, [false; 3], "{state:?}");
        assert_eq!(registry.over(dyno.id), Some(DynoState::Stopping));
    }
}

#[test]
fn an_app_that_is_gone_leaves_no_count_of_crashes() {
    let (registry, dyno) = registry_with(DynoState::Up);
    registry.remove(dyno.id);
    assert_eq!(registry.crashed(&dyno, NOW, NOW), NOW);
    assert!(registry.known().crashes.is_empty());
    registry.insert(dyno.clone(), None);
    registry.crashed(&dyno, NOW, NOW);
    registry.forget_app(dyno.app);
    assert!(registry.known().crashes.is_empty());
}
