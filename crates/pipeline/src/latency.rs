//! How long changes take from the source to the destination, as a histogram.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use commutator_core::{ChangeBatch, SourceBatch};
use hdrhistogram::Histogram;

/// Two digits of each figure are exact, which is finer than the clocks that take part.
const DIGITS: u8 = 2;
/// What takes longer counts as this long; a stream's records live for a day.
const LONGEST_MS: u64 = 1000 * 60 * 60 * 24 * 30;

/// How long changes took from being made at the source to being committed in the destination.
///
/// Rows of a snapshot are not counted: nobody says when their items were made. The source's clock says when a change was made, rounded down to
/// what it tells (`DynamoDB`: the second or the millisecond), and this machine's clock when it was committed; how far the two differ is in every
/// figure. A change that is read and committed again after a failure counts again.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_max(LONGEST_MS, DIGITS).expect("these limits are allowed"))
    }
}

impl Latencies {
    /// Adds changes that were made at these times, in microseconds since 1970, and were committed now.
    pub(crate) fn add(&mut self, made: &[i64], now: SystemTime) {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        for &made in made {
            let micros = now.saturating_sub(u128::try_from(made).unwrap_or(0));
            self.0.saturating_record(u64::try_from(micros / 1000).unwrap_or(u64::MAX));
        }
    }

    /// Adds those of another histogram.
    pub fn merge(&mut self, other: &Self) {
        // All have the same limits, so that nothing can be refused.
        self.0 += &other.0;
    }

    /// Returns how many changes were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the time within which this share of the changes, 0 to 1, was committed; `None` if there were none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_millis(self.0.value_at_quantile(share)))
    }

    /// Returns the longest time; `None` if there were no changes.
    pub fn max(&self) -> Option<Duration> {
        self.quantile(1.0)
    }

    /// Returns how many changes took at most 1, 2, 4, … milliseconds and longer than half of that, without the empty steps at both ends.
    pub fn steps(&self) -> Vec<(Duration, u64)> {
        let mut steps: Vec<(Duration, u64)> = Vec::new();
        let (mut from, mut to) = (0, 1_u64);
        while from <= self.0.max() && self.count() > 0 {
            let count = self.0.count_between(from, to);
            if count > 0 || !steps.is_empty() {
                steps.push((Duration::from_millis(to), count));
            }
            (from, to) = (to + 1, to * 2);
        }
        steps
    }
}

/// Returns when the changes of some batches were made, as far as they are changes and say so.
pub(crate) fn made(batches: &[SourceBatch]) -> impl Iterator<Item = i64> {
    let changes = batches.iter().filter_map(|batch| batch.changes.as_ref()).filter(|changes| !changes.is_snapshot());
    changes.flat_map(ChangeBatch::changed_at).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_steps_tell_how_long_changes_took() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.count(), latencies.quantile(0.5), latencies.steps()), (0, None, Vec::new()));
        let now = UNIX_EPOCH + Duration::from_secs(100);
        latencies.add(&[99_000_000, 99_500_000, 99_999_000, 99_998_500], now);
        assert_eq!((latencies.count(), latencies.quantile(0.5)), (4, Some(Duration::from_millis(1))));
        assert!(latencies.max().unwrap().abs_diff(Duration::from_secs(1)) < Duration::from_millis(10));
        let steps = latencies.steps();
        assert_eq!(steps.first(), Some(&(Duration::from_millis(1), 2)));
        assert_eq!(steps.last(), Some(&(Duration::from_millis(1024), 1)));
        assert_eq!(steps.iter().map(|(_, count)| count).sum::<u64>(), 4);
        let mut both = latencies.clone();
        both.merge(&latencies);
        assert_eq!(both.count(), 8);
    }

    #[test]
    fn clocks_that_differ_are_no_problem() {
        let mut latencies = Latencies::default();
        latencies.add(&[i64::MAX, i64::MIN, 0], UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert_eq!((latencies.count(), latencies.quantile(0.1)), (3, Some(Duration::ZERO)));
        assert!(latencies.max().unwrap() >= Duration::from_millis(LONGEST_MS));
    }
}
