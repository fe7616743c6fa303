//! Table tests of the decisions.

use super::*;
use crate::dyno::{DynoRole, DynoSize};
use crate::formation::Formation;
use crate::id::{FormationId, ReleaseId};
use crate::procfile::ProcessType;
use crate::time::Timestamp;
use uuid::Uuid;

fn wanted(release: u128, quantity: u32) -> Wanted {
    let entry = Formation {
        id: FormationId(Uuid::nil()),
        app: AppId(Uuid::nil()),
        process_type: ProcessType::web(),
        quantity,
        size: DynoSize::Basic,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    };
    Wanted {
        release: ReleaseId(Uuid::from_u128(release)),
        version: 1,
        process_types: [(ProcessType::web(), "x".to_owned())].into(),
        formation: vec![entry],
    }
}

fn dyno(number: u32, release: u128, state: DynoState) -> Dyno {
    Dyno {
        id: DynoId(Uuid::from_u128(release * 100 + u128::from(number))),
        app: AppId(Uuid::nil()),
        name: format!("web.{number}").parse().unwrap(),
        role: DynoRole::Formation,
        size: DynoSize::Basic,
        command: "x".into(),
        release: ReleaseId(Uuid::from_u128(release)),
        version: 1,
        addr: Some(([127, 0, 0, 1], 5000).into()),
        state,
        since: Timestamp(0),
        created_at: Timestamp(0),
        retired: false,
    }
}

fn backends(web: Web) -> Vec<u128> {
    let Web::Up { backends } = web else { panic!("not up: {web:?}") };
    backends.iter().map(|backend| backend.dyno.0.as_u128()).collect()
}

const CRASHED: DynoState = DynoState::Crashed { retry_at: Timestamp(1) };

#[test]
fn route_15_what_a_request_meets() {
    assert_eq!(web(false, None, &[]), Web::Blank);
    assert_eq!(web(true, Some(&wanted(1, 1)), &[dyno(1, 1, DynoState::Up)]), Web::Maintenance);
    assert_eq!(web(false, Some(&wanted(1, 0)), &[]), Web::NoWeb);
    assert_eq!(web(false, Some(&wanted(1, 1)), &[]), Web::Starting);
    assert_eq!(web(false, Some(&wanted(1, 1)), &[dyno(1, 1, DynoState::Starting)]), Web::Starting);
    assert_eq!(web(false, Some(&wanted(1, 1)), &[dyno(1, 1, CRASHED)]), Web::Crashed);
}

#[test]
fn old_dynos_get_the_requests_until_all_new_ones_are_up_then_none() {
    let wanted = wanted(2, 2);
    let mut dynos = vec![dyno(1, 1, DynoState::Up), dyno(2, 1, DynoState::Up), dyno(1, 2, DynoState::Up)];
    dynos.push(dyno(2, 2, DynoState::Starting));
    assert_eq!(backends(web(false, Some(&wanted), &dynos)), [101, 102]);
    dynos[3].state = DynoState::Up;
    assert_eq!(backends(web(false, Some(&wanted), &dynos)), [201, 202]);
}

#[test]
fn scaling_up_uses_each_new_dyno_as_it_comes() {
    let dynos = [dyno(1, 1, DynoState::Up), dyno(2, 1, DynoState::Starting)];
    assert_eq!(backends(web(false, Some(&wanted(1, 3)), &dynos)), [101]);
}
