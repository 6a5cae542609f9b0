//! When a failed table is tried again, as a pure decision.

use std::time::Duration;

use commutator_core::{Error, Retry};

/// How failures are tried again: pauses double from `first` to `longest`, each shortened at random by up to half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How many failures in a row, without a commit between them, end the table; `None` for no limit.
    pub max_attempts: Option<u32>,
}

impl Default for RetryPolicy {
    /// From 500 ms to 60 s, for ever: an outage slows a run down and does not end it.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_mins(1), max_attempts: None }
    }
}

impl RetryPolicy {
    /// Returns the pause before the next try, or `None` if the error is final.
    ///
    /// `attempt` counts the failures in a row, from 1; `jitter` is a random number in `0..1`.
    pub fn delay(&self, error: &Error, attempt: u32, jitter: f64) -> Option<Duration> {
        if self.max_attempts.is_some_and(|max| attempt >= max) {
            return None;
        }
        match error.retry() {
            Retry::Never => None,
            Retry::After(delay) => Some(delay),
            Retry::Backoff => {
                let doubled = self.first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
                Some(doubled.min(self.longest).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator_core::ErrorKind;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RetryPolicy { max_attempts: Some(9), ..RetryPolicy::default() };
        let error = Error::new(ErrorKind::Unavailable, "x");
        let delays: Vec<_> = (1..10).map(|n| policy.delay(&error, n, 0.0).map(|d| d.as_millis())).collect();
        let expected = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000].map(Some);
        assert_eq!(delays[..8], expected);
        assert_eq!(delays[8], None);
        assert_eq!(policy.delay(&error, 1, 1.0), Some(Duration::from_millis(250)));
    }

    #[test]
    fn the_error_decides_whether_and_when() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(&Error::new(ErrorKind::Fenced, "x"), 1, 0.5), None);
        let after = Error::new(ErrorKind::Throttled, "x").with_retry(Retry::After(Duration::from_secs(7)));
        assert_eq!(policy.delay(&after, 50, 0.5), Some(Duration::from_secs(7)));
        assert!(policy.delay(&Error::new(ErrorKind::Unavailable, "x"), u32::MAX, 0.5).is_some());
    }
}
