//! The measurement: round after round, each program in turn, because the machine itself changes pace.

use crate::program::Target;
use crate::scenario::{Anyone, Scenario, Visit};
use crate::{Failure, Plan, process};
use std::time::Duration;
use testkit::{Visits, closed_loop, open_loop};
use tokio::time::sleep;

/// What one program did in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// CPU time per visit, at full speed.
    pub(crate) cpu_us: f64,
    /// Visits a second, at full speed.
    pub(crate) per_second: f64,
    /// At the fixed rate, from when a visit was due.
    pub(crate) p50_ms: f64,
    /// The same for 99 of 100.
    pub(crate) p99_ms: f64,
}

/// All that was measured of one program.
#[derive(Debug)]
pub(crate) struct Measurements {
    /// Which.
    pub(crate) target: Target,
    /// By round.
    pub(crate) rounds: Vec<Measured>,
    /// Memory for each open WebSocket.
    pub(crate) connection_kib: Option<f64>,
}

pub(crate) async fn run(plan: Plan, scenario: &Scenario, targets: &[Target]) -> Result<Vec<Measurements>, Failure> {
    let fresh = |target: &Target| Measurements { target: target.clone(), rounds: Vec::new(), connection_kib: None };
    let mut all: Vec<_> = targets.iter().map(fresh).collect();
    for program in &mut all {
        warm_up(scenario, program).await?;
    }
    for round in 0..plan.rounds {
        // Nobody always comes after the same neighbour.
        let first = usize::try_from(round)? % all.len();
        for at in (first..all.len()).chain(0..first) {
            let measured = measure(plan, scenario, &all[at].target).await?;
            all[at].rounds.push(measured);
        }
    }
    Ok(all)
}

/// The first visits, which are not measured, but what they need in memory is.
async fn warm_up(scenario: &Scenario, program: &mut Measurements) -> Result<(), Failure> {
    let before = process::memory_kib(&program.target.pids)?;
    let crowd = scenario.crowd(program.target.addr).await?;
    let (visits, crowd) = closed_loop(crowd, Duration::from_secs(1)).await?;
    all_good(&visits, &program.target)?;
    if matches!(scenario.visit, Visit::Echo) {
        let after = process::memory_kib(&program.target.pids)?;
        program.connection_kib = Some((after - before) / f64::from(u32::try_from(crowd.len())?));
    }
    Ok(())
}

async fn measure(plan: Plan, scenario: &Scenario, target: &Target) -> Result<Measured, Failure> {
    let lasting = Duration::from_secs(plan.seconds);
    let crowd = scenario.crowd(target.addr).await?;
    let before = process::cpu(&target.pids)?;
    let (visits, crowd): (Visits, Vec<Anyone>) = closed_loop(crowd, lasting).await?;
    let used = process::cpu(&target.pids)?.saturating_sub(before);
    all_good(&visits, target)?;
    let count = f64::from(u32::try_from(visits.taken_us.len())?);
    let (at_rate, _) = open_loop(crowd, scenario.per_second, sleep(lasting)).await?;
    all_good(&at_rate, target)?;
    Ok(Measured {
        cpu_us: used.as_secs_f64() * 1e6 / count,
        per_second: count / lasting.as_secs_f64(),
        p50_ms: at_rate.within_ms(0.5),
        p99_ms: at_rate.within_ms(0.99),
    })
}

/// A comparison in which requests fail compares nothing.
fn all_good(visits: &Visits, target: &Target) -> Result<(), Failure> {
    match visits.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} visits failed through {}: {:?}", target.name, visits.failures).into()),
    }
}
