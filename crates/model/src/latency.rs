//! How long requests took, in classes that grow with the time: small to keep, and good enough for percentiles.

use std::collections::BTreeMap;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// A percentile is off by no more than this share of itself; below [`EXACT_MS`] it is exact.
pub const RELATIVE_ERROR: f64 = 1.0 / 16.0;

/// Below it every millisecond is a class of its own.
const EXACT_MS: u64 = 1 << EXACT_BITS;
const EXACT_BITS: u16 = 4;

/// So many classes, as bits, from one power of two to the next: each is an eighth of its beginning wide, and its middle a
/// sixteenth away from its ends.
const PART_BITS: u16 = 3;

/// The longest that is told from longer ones: 70 minutes, far beyond what a request may take without being a stream.
const LONGEST_MS: u64 = (1 << 22) - 1;

/// How often each number came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<u16, u64>);

/// A text that is no list of counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCounts {
    /// One of its words.
    #[error("`{0}` is no number and its count, such as 200:15")]
    Word(String),
    /// A number in it.
    #[error("a count that is no number: {0}")]
    Number(#[from] ParseIntError),
}

impl Counts {
    /// So many more of this number.
    pub fn add(&mut self, number: u16, count: u64) {
        let before = self.0.entry(number).or_default();
        *before = before.saturating_add(count);
    }

    /// All of these as well.
    pub fn merge(&mut self, more: &Self) {
        more.iter().for_each(|(number, count)| self.add(number, count));
    }

    /// The numbers in their order, and how often each came.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.0.iter().map(|(number, count)| (*number, *count))
    }

    /// All counts together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// `200:15 404:2`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(nth, (number, count))| {
            let space = if nth == 0 { "" } else { " " };
            write!(f, "{space}{number}:{count}")
        })
    }
}

impl FromStr for Counts {
    type Err = BadCounts;

    fn from_str(text: &str) -> Result<Self, BadCounts> {
        let mut counts = Self::default();
        for word in text.split_ascii_whitespace() {
            let (number, count) = word.split_once(':').ok_or_else(|| BadCounts::Word(word.to_owned()))?;
            counts.add(number.parse()?, count.parse()?);
        }
        Ok(counts)
    }
}

/// How long some requests took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many took about how long, by class.
    pub classes: Counts,
    /// The longest of them, in milliseconds.
    pub longest_ms: u64,
}

impl Latency {
    /// One that took so long.
    pub fn note(&mut self, took_ms: u64) {
        self.classes.add(class(took_ms), 1);
        self.longest_ms = self.longest_ms.max(took_ms);
    }

    /// All of these as well.
    pub fn merge(&mut self, more: &Self) {
        self.classes.merge(&more.classes);
        self.longest_ms = self.longest_ms.max(more.longest_ms);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.classes.total()
    }

    /// The time, in milliseconds, that so many of a hundred do not exceed: by nearest rank, off by [`RELATIVE_ERROR`] at most.
    /// Of no requests there is none.
    #[must_use]
    pub fn percentile_ms(&self, percent: u64) -> Option<u64> {
        let rank = self.count().checked_mul(percent.min(100))?.div_ceil(100).max(1);
        let mut seen = 0_u64;
        let found = self.classes.iter().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        found.map(|(class, _)| middle_ms(class).min(self.longest_ms))
    }
}

/// The class of a time.
fn class(took_ms: u64) -> u16 {
    let took_ms = took_ms.min(LONGEST_MS);
    if took_ms < EXACT_MS {
        return u16::try_from(took_ms).unwrap_or(0);
    }
    let doublings = u16::try_from(took_ms.ilog2()).unwrap_or(0);
    // The bits below the highest one.
    let part = u16::try_from((took_ms >> (doublings - PART_BITS)) & ((1 << PART_BITS) - 1)).unwrap_or(0);
    (1 << EXACT_BITS) + ((doublings - EXACT_BITS) << PART_BITS) + part
}

/// The time in the middle of a class.
fn middle_ms(class: u16) -> u64 {
    let Some(beyond) = class.checked_sub(1 << EXACT_BITS) else { return u64::from(class) };
    let (doublings, part) = ((beyond >> PART_BITS) + EXACT_BITS, beyond & ((1 << PART_BITS) - 1));
    let width_ms = 1_u64.checked_shl(u32::from(doublings - PART_BITS)).unwrap_or(1);
    (u64::from(part) + (1 << PART_BITS)).saturating_mul(width_ms) + width_ms / 2
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss, reason = "times of tests are small numbers")]
mod tests {
    use super::*;

    fn of(times_ms: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        times_ms.into_iter().for_each(|took_ms| latency.note(took_ms));
        latency
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Latency::default().percentile_ms(95), None);
        assert_eq!(of([7]).percentile_ms(0), Some(7), "the least of all");
    }

    #[test]
    fn no_time_is_told_with_more_than_the_named_error() {
        for took_ms in (0..70_000).chain((70_000..=LONGEST_MS).step_by(997)).chain([LONGEST_MS]) {
            let told = middle_ms(class(took_ms));
            let off = told.abs_diff(took_ms) as f64;
            assert!(off <= took_ms as f64 * RELATIVE_ERROR, "{took_ms} ms is told as {told}");
            assert!(took_ms >= EXACT_MS || told == took_ms, "{took_ms} ms is told as {told}");
        }
    }

    #[test]
    fn classes_follow_each_other_without_a_gap() {
        let classes: Vec<u16> = (0..=LONGEST_MS).step_by(1).map(class).collect();
        assert!(classes.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1));
        assert_eq!(classes.last(), Some(&159), "so many at most are kept of an hour");
        assert_eq!(class(u64::MAX), 159);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank_and_the_longest_is_exact() {
        let latency = of(1..=1000);
        for (percent, exact_ms) in [(50, 500), (95, 950), (99, 990)] {
            let told = latency.percentile_ms(percent).unwrap();
            assert!(told.abs_diff(exact_ms) as f64 <= exact_ms as f64 * RELATIVE_ERROR, "p{percent}: {told}");
        }
        assert_eq!((latency.percentile_ms(100), latency.longest_ms), (Some(992), 1000));
        let few = of([3, 3, 3, 12]);
        assert_eq!([50, 75, 76, 99].map(|percent| few.percentile_ms(percent)), [3, 3, 12, 12].map(Some));
        assert_eq!(of([1001]).percentile_ms(50), Some(992), "the middle of its class");
        assert_eq!(of([961]).percentile_ms(50), Some(961), "nothing is longer than the longest");
        let stream = of([86_400_000]);
        assert_eq!((stream.longest_ms, stream.count()), (86_400_000, 1), "a day is kept as the longest");
    }

    #[test]
    fn parts_merge_into_the_whole() {
        let mut parts = of((1..=500).map(|nth| nth * 7));
        parts.merge(&of((501..=1000).map(|nth| nth * 7)));
        parts.merge(&Latency::default());
        assert_eq!(parts, of((1..=1000).map(|nth| nth * 7)));
        let mut nothing = Latency::default();
        nothing.merge(&parts);
        assert_eq!(nothing, parts);
    }

    #[test]
    fn counts_are_written_and_read_back() {
        let counts: Counts = "200:15 404:2".parse().unwrap();
        assert_eq!((counts.to_string().as_str(), counts.total()), ("200:15 404:2", 17));
        assert_eq!("".parse(), Ok(Counts::default()));
        assert_eq!(Counts::default().to_string(), "");
        for bad in ["200", "200:", ":1", "200:-1", "70000:1", "a:b"] {
            assert!(bad.parse::<Counts>().is_err(), "{bad}");
        }
    }
}
