//! When to warn that changes which were not read will soon count as lost: pure.

const HOUR_MS: u64 = 3_600_000;
/// Fewer whole hours than this are worth a warning: a night is still enough to mend something in.
const FEW_HOURS: u64 = 6;

/// Returns whether so little time is left that people should know.
pub(super) fn is_short(left_ms: u64) -> bool {
    left_ms < FEW_HOURS * HOUR_MS
}

/// Decides whether to warn, and returns the hour that was warned of for the next decision.
///
/// It warns once for each whole hour that is lost, and anew after there was enough time in between.
pub(super) fn warns(warned: Option<u64>, left_ms: Option<u64>) -> (Option<u64>, bool) {
    match left_ms {
        None => (warned, false),
        Some(left) if !is_short(left) => (None, false),
        Some(left) => {
            let hour = left / HOUR_MS;
            if warned.is_none_or(|warned| hour < warned) { (Some(hour), true) } else { (warned, false) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lost_hour_is_warned_of_once() {
        let minutes = |minutes: u64| Some(minutes * 60_000);
        let mut warned = None;
        for (left, warns_now) in [
            (None, false),
            (minutes(23 * 60), false),
            (minutes(6 * 60), false),
            (minutes(6 * 60 - 1), true),
            (minutes(5 * 60), false),
            (minutes(5 * 60 - 1), true),
            (minutes(5 * 60 + 1), false),
            (None, false),
            (minutes(4 * 60), false),
            (minutes(59), true),
            (minutes(0), false),
            (minutes(7 * 60), false),
            (minutes(0), true),
        ] {
            let decided = warns(warned, left);
            assert_eq!(decided.1, warns_now, "{left:?} after {warned:?}");
            warned = decided.0;
        }
    }
}
