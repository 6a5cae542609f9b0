//! What the stream's retention of 24 hours means for what may have been lost: pure.

use commutator_core::{Checkpoint, Result};

use crate::facts;

/// Records are kept for 24 hours and then "trimmed at any moment" (`DynamoDB` developer guide, Streams). An hour is left for clocks that
/// differ and for records that arrive late.
const SAFE_MS: i64 = 23 * 60 * 60 * 1000;

/// Returns whether nothing can have been lost, if every change created before `covered_until` was read, or was seen by the scan.
pub(crate) fn is_safe(covered_until: Option<i64>, now_ms: i64) -> bool {
    covered_until.is_some_and(|until| now_ms.saturating_sub(until) < SAFE_MS)
}

/// Returns how many milliseconds are left until [`is_safe`] says no.
pub(crate) fn time_left(covered_until: Option<i64>, now_ms: i64) -> Option<u64> {
    let age = now_ms.saturating_sub(covered_until?).max(0);
    Some(u64::try_from(SAFE_MS.saturating_sub(age)).unwrap_or(0))
}

/// Returns the time before which no change can be missing: the later one of the time from which on changes are wanted, before which a
/// scan has seen everything, and of the time at which the stream was last read to its tip.
///
/// A later snapshot's start is not enough: of two older changes that are wanted the second could be trimmed after the first was applied.
pub(crate) fn covered_until(checkpoint: &Checkpoint) -> Result<Option<i64>> {
    let wanted_since: Option<i64> = facts::number(checkpoint, facts::CHANGES_SINCE)?;
    Ok(facts::number(checkpoint, facts::CAUGHT_UP_AT)?.max(wanted_since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator_core::Progress;

    const HOUR: i64 = 3_600_000;

    fn with(facts: &[(&str, &str)]) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        let facts = facts.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        checkpoint.advance(&Progress { facts, ..Progress::default() }).unwrap();
        checkpoint
    }

    #[test]
    fn what_was_read_within_23_hours_is_safe() {
        assert!(is_safe(Some(0), 22 * HOUR));
        assert!(!is_safe(Some(0), 23 * HOUR));
        assert!(!is_safe(None, 0));
        assert!(is_safe(Some(5), 0), "a clock that went back proves nothing lost");
    }

    #[test]
    fn the_time_left_ends_when_it_is_not_safe_any_more() {
        for (now, left) in [(0, 23 * HOUR), (22 * HOUR, HOUR), (23 * HOUR - 1, 1), (23 * HOUR, 0), (99 * HOUR, 0)] {
            assert_eq!(time_left(Some(0), now), Some(u64::try_from(left).unwrap()));
            assert_eq!(is_safe(Some(0), now), left > 0);
        }
        assert_eq!(time_left(Some(5), 0), Some(23 * 3_600_000), "a clock that went back adds nothing");
        assert_eq!(time_left(None, 0), None);
    }

    #[test]
    fn the_later_of_what_is_wanted_and_what_was_read_counts() {
        let facts = [(facts::SNAPSHOT_STARTED_AT, "9"), (facts::CHANGES_SINCE, "5"), (facts::CAUGHT_UP_AT, "3")];
        assert_eq!(covered_until(&with(&facts)).unwrap(), Some(5));
        assert_eq!(covered_until(&with(&facts[2..])).unwrap(), Some(3));
        assert_eq!(covered_until(&with(&[])).unwrap(), None);
        assert!(covered_until(&with(&[(facts::CAUGHT_UP_AT, "soon")])).is_err());
    }
}
