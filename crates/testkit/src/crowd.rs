//! Many visitors at once, and how long each visit took: as fast as they can, or at a fixed rate.

use crate::pace::Pace;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// Longer than this no visit takes: it has failed then.
const VISIT_LIMIT: Duration = Duration::from_secs(100);
/// Failures that are kept in words.
const WORDS: usize = 10;

/// Who visits the same place again and again, over one connection or many.
pub trait Visitor: Send + 'static {
    /// One visit, to the end of its answer; on failure in words.
    fn visit(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}

/// How the visits went.
#[derive(Debug, Default)]
pub struct Visits {
    /// How long each good one took, in microseconds, sorted. At a fixed rate it counts from when it was due.
    pub taken_us: Vec<u32>,
    /// The others.
    pub failed: u64,
    /// The first of them in words.
    pub failures: Vec<String>,
}

impl Visits {
    /// The time in milliseconds within which this share (0 to 1) of the good visits ended; NaN when there was none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
    pub fn within_ms(&self, share: f64) -> f64 {
        let rank = (self.taken_us.len() as f64 * share).ceil() as usize;
        self.taken_us.get(rank.saturating_sub(1)).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
    }

    fn note(&mut self, begin: Instant, visit: Result<(), String>) {
        match visit {
            Ok(()) => self.taken_us.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX)),
            Err(why) => {
                self.failed += 1;
                if self.failures.len() < WORDS {
                    self.failures.push(why);
                }
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.taken_us.extend(other.taken_us);
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(WORDS);
    }
}

/// Everybody visits, again at once after every answer, for this long. Gives the visitors back.
///
/// # Errors
/// When a visitor panicked.
pub async fn closed_loop<V: Visitor>(visitors: Vec<V>, lasting: Duration) -> Result<(Visits, Vec<V>), JoinError> {
    let end = Instant::now() + lasting;
    let mut crowd = JoinSet::new();
    for mut visitor in visitors {
        crowd.spawn(async move {
            let mut visits = Visits::default();
            while Instant::now() < end {
                let begin = Instant::now();
                visits.note(begin, limited(&mut visitor).await);
            }
            (visits, visitor)
        });
    }
    gather(crowd).await
}

/// So many visits a second until `over`, each by whoever has nothing to do. Where all are busy a visit is late, and the
/// time that it was late by is part of what it took.
///
/// # Errors
/// When a visitor panicked.
///
/// # Panics
/// When the kernel gives no timer.
pub async fn open_loop<V: Visitor>(
    visitors: Vec<V>,
    per_second: u32,
    over: impl Future<Output = ()>,
) -> Result<(Visits, Vec<V>), JoinError> {
    let takers = visitors.len();
    let pace = Arc::new(Pace::new(per_second));
    let mut crowd = JoinSet::new();
    for mut visitor in visitors {
        let pace = Arc::clone(&pace);
        crowd.spawn(async move {
            let mut visits = Visits::default();
            while let Some(due) = pace.turn().await {
                visits.note(due, limited(&mut visitor).await);
            }
            (visits, visitor)
        });
    }
    pace.until(over, takers).await.expect("a timer");
    gather(crowd).await
}

async fn limited(visitor: &mut impl Visitor) -> Result<(), String> {
    let visit = tokio::time::timeout(VISIT_LIMIT, visitor.visit());
    visit.await.unwrap_or_else(|_| Err(format!("no answer within {VISIT_LIMIT:?}")))
}

async fn gather<V: 'static>(mut crowd: JoinSet<(Visits, V)>) -> Result<(Visits, Vec<V>), JoinError> {
    let (mut all, mut visitors) = (Visits::default(), Vec::new());
    while let Some(done) = crowd.join_next().await {
        let (visits, visitor) = done?;
        all.add(visits);
        visitors.push(visitor);
    }
    all.taken_us.sort_unstable();
    Ok((all, visitors))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sleeper(Duration);

    impl Visitor for Sleeper {
        async fn visit(&mut self) -> Result<(), String> {
            tokio::time::sleep(self.0).await;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_slow_answer_is_felt_by_the_visits_that_waited_for_it() {
        // One visitor, 20 ms a visit, 100 visits a second: each is later than the one before.
        let over = tokio::time::sleep(Duration::from_millis(200));
        let (visits, _) = open_loop(vec![Sleeper(Duration::from_millis(20))], 100, over).await.unwrap();
        assert!(visits.taken_us.len() >= 15, "{visits:?}");
        assert!(visits.within_ms(1.0) > 100.0 && visits.within_ms(0.01) < 60.0, "{visits:?}");
    }

    #[test]
    fn shares_are_ranks() {
        let visits = Visits { taken_us: (1..=100).map(|ms| ms * 1000).collect(), ..Visits::default() };
        assert_eq!([0.5, 0.99, 1.0].map(|share| visits.within_ms(share)), [50.0, 99.0, 100.0]);
        assert!(Visits::default().within_ms(0.5).is_nan());
    }
}
