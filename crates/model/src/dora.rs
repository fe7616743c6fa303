//! The figures of a period: lead time, deployment frequency, change failure rate, time to restore (docs/metrics.md).

use crate::deployment::{Deployment, Failure, Step, Took};
use crate::time::Timestamp;
use std::time::Duration;

/// The longest period that is asked for at once: two years.
pub const PERIOD_LIMIT: Duration = Duration::from_secs(2 * 366 * 24 * 3600);

/// Parts of a period, at most: a year of days and some.
pub const PARTS_LIMIT: usize = 400;

/// Deployments in a period, at most; a longer answer would be no figure any more.
pub const DEPLOYMENTS_LIMIT: usize = 20_000;

/// Figures of durations, by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half took no longer.
    pub p50: Duration,
    /// Three quarters.
    pub p75: Duration,
    /// Nine tenths.
    pub p90: Duration,
    /// Nineteen of twenty.
    pub p95: Duration,
    /// The longest.
    pub max: Duration,
    /// Of how many.
    pub count: usize,
}

impl Percentiles {
    /// `None` of nothing.
    #[must_use]
    pub fn of(mut durations: Vec<Duration>) -> Option<Self> {
        durations.sort_unstable();
        let count = durations.len();
        // The smallest that a share of all does not exceed.
        let rank = |percent: usize| durations.get((count * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { p50: rank(50)?, p75: rank(75)?, p90: rank(90)?, p95: rank(95)?, max: rank(100)?, count })
    }
}

/// A step's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepFigures {
    /// Which.
    pub step: Step,
    /// Nothing happened.
    pub wait: Percentiles,
    /// Something did.
    pub work: Percentiles,
}

/// The figures of a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// From this moment on.
    pub from: Timestamp,
    /// Up to this one, without it.
    pub to: Timestamp,
    /// New code that went live.
    pub deployments: usize,
    /// The same a day.
    pub per_day: f64,
    /// From commit to live.
    pub lead: Option<Percentiles>,
    /// Its steps.
    pub steps: Vec<StepFigures>,
    /// Deployments that had to be mended.
    pub failures: usize,
    /// By reason: failed check, rollback, hotfix.
    pub reasons: [usize; 3],
    /// Failed deployments of all; `None` without any.
    pub failure_rate: Option<f64>,
    /// Until the failed ones were mended.
    pub restore: Option<Percentiles>,
    /// Failed ones that nothing has mended yet.
    pub unrestored: usize,
}

/// The reasons in the order of [`Figures::reasons`].
pub const REASONS: [Failure; 3] = [Failure::Rejected, Failure::RolledBack, Failure::Hotfixed];

/// The figures of a period: of the deployments that went live in it.
#[must_use]
pub fn figures(all: &[Deployment], from: Timestamp, to: Timestamp) -> Figures {
    let of: Vec<&Deployment> = all.iter().filter(|one| (from..to).contains(&one.release.live_at)).collect();
    let failed: Vec<&&Deployment> = of.iter().filter(|one| one.failure.is_some()).collect();
    let took = |step| {
        let of_step: Vec<&Took> = of.iter().flat_map(|one| &one.steps).filter(|took| took.step == step).collect();
        let wait = Percentiles::of(of_step.iter().map(|took| took.wait).collect())?;
        let work = Percentiles::of(of_step.iter().map(|took| took.work).collect())?;
        Some(StepFigures { step, wait, work })
    };
    Figures {
        from,
        to,
        deployments: of.len(),
        per_day: count(of.len()) / (to.since(from).as_secs_f64() / 86_400.0).max(f64::MIN_POSITIVE),
        lead: Percentiles::of(of.iter().filter_map(|one| one.lead).collect()),
        steps: Step::ALL.into_iter().filter_map(took).collect(),
        failures: failed.len(),
        reasons: REASONS.map(|reason| failed.iter().filter(|one| one.failure == Some(reason)).count()),
        failure_rate: (!of.is_empty()).then(|| count(failed.len()) / count(of.len())),
        restore: Percentiles::of(failed.iter().filter_map(|one| one.restored).collect()),
        unrestored: failed.iter().filter(|one| one.restored.is_none()).count(),
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A period that cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPeriod {
    /// It is empty or runs backwards.
    #[error("from must lie before to")]
    Empty,
    /// Longer than anybody needs.
    #[error("a period has two years at most; ask for a shorter one")]
    TooLong,
    /// Too many parts.
    #[error("a period has {PARTS_LIMIT} parts at most; ask for longer ones (every=week)")]
    TooManyParts,
}

/// The parts of a period: as long as `every`, the last one as long as is left. Without `every` the whole.
///
/// # Errors
/// [`BadPeriod`].
pub fn parts(
    from: Timestamp,
    to: Timestamp,
    every: Option<Duration>,
) -> Result<Vec<(Timestamp, Timestamp)>, BadPeriod> {
    if from >= to {
        return Err(BadPeriod::Empty);
    }
    if to.since(from) > PERIOD_LIMIT {
        return Err(BadPeriod::TooLong);
    }
    let every = every.filter(|every| !every.is_zero()).unwrap_or(PERIOD_LIMIT);
    let (mut parts, mut start) = (Vec::new(), from);
    while start < to {
        if parts.len() >= PARTS_LIMIT {
            return Err(BadPeriod::TooManyParts);
        }
        let end = start.plus(every).min(to);
        parts.push((start, end));
        start = end;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::deployments;
    use crate::deployment::tests::{at, deploy};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        assert_eq!(Percentiles::of(Vec::new()), None);
        let one = Percentiles::of(vec![seconds(7)]).unwrap();
        assert_eq!((one.p50, one.p95, one.max, one.count), (seconds(7), seconds(7), seconds(7), 1));
        let ten = Percentiles::of((1..=10).rev().map(seconds).collect()).unwrap();
        assert_eq!([ten.p50, ten.p75, ten.p90, ten.p95, ten.max].map(|took| took.as_secs()), [5, 8, 9, 10, 10]);
    }

    #[test]
    fn figures_of_a_period_are_those_of_its_deployments() {
        let day = 86_400;
        let mut live: Vec<_> = (0..10).map(|n| deploy(n + 1, day * n + 1000, "Work")).collect();
        live[3].is_rejected = true;
        live[6].made.as_mut().unwrap().subject = Some("hotfix".into());
        let all = deployments(&live, seconds(2 * 86_400));
        let told = figures(&all, at(0), at(10 * day));
        assert_eq!((told.deployments, told.failures, told.reasons, told.unrestored), (10, 2, [1, 0, 1], 0));
        assert!((told.per_day - 1.0).abs() < 1e-9 && (told.failure_rate.unwrap() - 0.2).abs() < 1e-9);
        assert_eq!((told.lead.unwrap().p50, told.restore.unwrap().p50), (seconds(100), seconds(86_400)));
        assert_eq!(told.steps.len(), 5);
        assert_eq!((told.steps[1].wait.p90, told.steps[1].work.p90), (seconds(5), seconds(30)));
        let part = figures(&all, at(3 * day), at(5 * day));
        assert_eq!((part.deployments, part.failures, part.failure_rate), (2, 1, Some(0.5)));
        let nothing = figures(&all, at(20 * day), at(21 * day));
        assert_eq!((nothing.deployments, nothing.failure_rate, nothing.lead, nothing.steps.len()), (0, None, None, 0));
    }

    #[test]
    fn periods_have_parts_and_limits() {
        let week = seconds(7 * 86_400);
        assert_eq!(parts(at(0), at(10), None), Ok(vec![(at(0), at(10))]));
        let three = parts(at(0), at(15 * 86_400), Some(week)).unwrap();
        assert_eq!((three.len(), three[2]), (3, (at(14 * 86_400), at(15 * 86_400))));
        assert_eq!(parts(at(5), at(5), None), Err(BadPeriod::Empty));
        assert_eq!(parts(at(0), at(3 * 366 * 86_400), None), Err(BadPeriod::TooLong));
        assert_eq!(parts(at(0), at(86_400), Some(seconds(60))), Err(BadPeriod::TooManyParts));
    }
}
