//! When a request is repeated, and when statements that run are asked for again.

use std::time::Duration;

use commutator_core::{Error, ErrorKind};

/// How often and how long. The service names no pause of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a request is repeated.
    pub repeats: u32,
    /// The pause before the first repetition; each later one is twice as long.
    pub pause: Duration,
    /// The longest pause between two repetitions.
    pub longest: Duration,
    /// The pause before the first look at statements that run; each later one is half as long again.
    pub poll: Duration,
    /// The longest pause between two looks.
    pub longest_poll: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            repeats: 6,
            pause: Duration::from_millis(300),
            longest: Duration::from_secs(20),
            poll: Duration::from_millis(100),
            longest_poll: Duration::from_secs(5),
        }
    }
}

impl Patience {
    /// Decides how long to wait for another try after this many repetitions and another failure; `None` for no other try. `spread` lengthens
    /// the pause by up to a quarter.
    pub(super) fn next(&self, repeated: u32, error: &Error, spread: u8) -> Option<Duration> {
        if repeated >= self.repeats || !matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Unavailable) {
            return None;
        }
        let pause = self.pause.saturating_mul(1 << repeated.min(16)).min(self.longest);
        Some(pause + pause * u32::from(spread) / 1024)
    }

    /// Returns the pause before the next look at statements that have been looked at this many times.
    pub(super) fn poll(&self, looks: u32) -> Duration {
        let factor = 1.5_f64.powi(i32::try_from(looks.min(32)).unwrap_or_default());
        self.poll.mul_f64(factor).min(self.longest_poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let patience = Patience::default();
        let error = Error::new(ErrorKind::Throttled, "x");
        let pauses: Vec<_> = (0..8).map(|n| patience.next(n, &error, 0)).collect();
        let after = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses, [after(300), after(600), after(1200), after(2400), after(4800), after(9600), None, None]);
        assert!(patience.next(0, &error, 255).is_some_and(|pause| pause > Duration::from_millis(370)));
        assert_eq!(patience.next(0, &Error::new(ErrorKind::PermissionDenied, "x"), 0), None);
    }

    #[test]
    fn looks_become_rarer() {
        let patience = Patience::default();
        assert_eq!(patience.poll(0), Duration::from_millis(100));
        assert_eq!(patience.poll(1), Duration::from_millis(150));
        assert_eq!(patience.poll(1000), Duration::from_secs(5));
    }
}
