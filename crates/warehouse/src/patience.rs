//! When a request is repeated, and when statements that run are asked for again.

use std::time::Duration;

use commutator_core::{Error, Retry};
use sha2::{Digest as _, Sha256};

/// How often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a request is repeated.
    pub repeats: u32,
    /// The pause before the first repetition; each later one is twice as long.
    pub pause: Duration,
    /// The longest pause, also where the service names one: whoever asked had better decide what to do meanwhile.
    pub longest: Duration,
    /// The pause before the first look at statements that run; each later one is half as long again.
    pub poll: Duration,
    /// The longest pause between two looks.
    pub longest_poll: Duration,
}

impl Patience {
    /// Decides how long to wait for another try after this many repetitions and another failure; `None` for no other try.
    ///
    /// The request's name lengthens the pause by up to a quarter, so that those which failed together are not repeated together.
    pub fn next(&self, repeated: u32, error: &Error, name: &str) -> Option<Duration> {
        if repeated >= self.repeats {
            return None;
        }
        let own = doubled(self.pause, repeated, self.longest);
        let own = own + own * u32::from(spread(name, repeated)) / 1024;
        match error.retry() {
            Retry::Never => None,
            Retry::After(named) if named > self.longest => None,
            Retry::After(named) => Some(named.max(own)),
            Retry::Backoff => Some(own),
        }
    }

    /// Returns the pause before the next look at statements that have been looked at this many times.
    pub fn poll(&self, looks: u32) -> Duration {
        let factor = 1.5_f64.powi(i32::try_from(looks.min(32)).unwrap_or_default());
        self.poll.mul_f64(factor).min(self.longest_poll)
    }
}

/// Returns a pause that is doubled so many times, up to the longest one.
pub fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}

/// Returns the pause that an answer's `Retry-After` names as a number of seconds; its other form, a date, is left to our own pauses.
pub fn retry_after(header: Option<&[u8]>) -> Option<Duration> {
    std::str::from_utf8(header?).ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// A number from 0 to 255 that differs from request to request and from one repetition to the next.
fn spread(name: &str, repeated: u32) -> u8 {
    Sha256::digest(format!("{name} {repeated}").as_bytes()).first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use commutator_core::ErrorKind;

    use super::*;

    const PATIENCE: Patience = Patience {
        repeats: 6,
        pause: Duration::from_millis(500),
        longest: Duration::from_secs(10),
        poll: Duration::from_millis(50),
        longest_poll: Duration::from_secs(5),
    };

    #[test]
    fn pauses_grow_and_end() {
        for kind in [ErrorKind::Throttled, ErrorKind::Unavailable] {
            for (repeated, least) in (0..).zip([500, 1000, 2000, 4000, 8000, 10_000]) {
                let least = Duration::from_millis(least);
                let pause = PATIENCE.next(repeated, &Error::new(kind, "x"), "a").unwrap();
                assert!(pause >= least && pause < least * 5 / 4, "{repeated}: {pause:?}");
            }
            assert_eq!(PATIENCE.next(6, &Error::new(kind, "x"), "a"), None);
        }
        assert_eq!(PATIENCE.next(0, &Error::new(ErrorKind::PermissionDenied, "x"), "a"), None);
    }

    #[test]
    fn requests_that_failed_together_are_not_repeated_together() {
        let error = Error::new(ErrorKind::Unavailable, "x");
        let pauses: std::collections::BTreeSet<_> =
            ["a", "b", "c", "d"].iter().map(|name| PATIENCE.next(0, &error, name)).collect();
        assert_eq!(pauses.len(), 4, "{pauses:?}");
    }

    #[test]
    fn the_service_s_pause_is_kept_unless_it_is_too_long() {
        let after = |s| Error::new(ErrorKind::Throttled, "x").with_retry(Retry::After(Duration::from_secs(s)));
        assert_eq!(PATIENCE.next(0, &after(7), "a"), Some(Duration::from_secs(7)));
        assert!(PATIENCE.next(0, &after(0), "a") >= Some(Duration::from_millis(500)));
        assert_eq!(PATIENCE.next(0, &after(11), "a"), None);
    }

    #[test]
    fn a_pause_is_named_in_seconds() {
        assert_eq!(retry_after(Some(b" 7 ")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(Some(b"Fri, 31 Dec 1999 23:59:59 GMT")), None);
        assert_eq!(retry_after(None), None);
    }

    #[test]
    fn looks_become_rarer() {
        assert_eq!(PATIENCE.poll(0), Duration::from_millis(50));
        assert_eq!(PATIENCE.poll(1), Duration::from_millis(75));
        assert_eq!(PATIENCE.poll(1000), Duration::from_secs(5));
    }
}
