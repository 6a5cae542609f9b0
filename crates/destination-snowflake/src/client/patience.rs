//! When a request is repeated, and when a statement that runs is asked for again.

use std::time::Duration;

use commutator_core::{Error, Retry};

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How often a request is repeated.
    pub(super) repeats: u32,
    /// The pause before the first repetition; each later one is twice as long.
    pub(super) pause: Duration,
    /// The longest pause, also where the server names one: whoever asked had better decide what to do meanwhile.
    pub(super) longest: Duration,
    /// The pause before the first look at a statement that runs; each later one is half as long again.
    pub(super) poll: Duration,
    /// The longest pause between two looks.
    pub(super) longest_poll: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            repeats: 6,
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            poll: Duration::from_millis(50),
            longest_poll: Duration::from_secs(5),
        }
    }
}

/// What comes after a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same request, after a pause.
    After(Duration),
    /// Nothing.
    GiveUp,
}

impl Patience {
    /// Decides what comes after this many repetitions and another failure; `spread` lengthens the pause by up to a quarter.
    pub(super) fn next(&self, repeated: u32, error: &Error, spread: u8) -> Next {
        if repeated >= self.repeats {
            return Next::GiveUp;
        }
        let own = self.pause.saturating_mul(1 << repeated.min(16)).min(self.longest);
        let own = own + own * u32::from(spread) / 1024;
        match error.retry() {
            Retry::Never => Next::GiveUp,
            Retry::After(named) if named > self.longest => Next::GiveUp,
            Retry::After(named) => Next::After(named.max(own)),
            Retry::Backoff => Next::After(own),
        }
    }

    /// Returns the pause before the next look at a statement that has been looked at this many times.
    pub(super) fn poll(&self, looks: u32) -> Duration {
        let factor = 1.5_f64.powi(i32::try_from(looks.min(32)).unwrap_or_default());
        self.poll.mul_f64(factor).min(self.longest_poll)
    }
}

#[cfg(test)]
mod tests {
    use commutator_core::ErrorKind;

    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let patience = Patience::default();
        let error = Error::new(ErrorKind::Unavailable, "x");
        let pauses: Vec<_> = (0..8).map(|n| patience.next(n, &error, 0)).collect();
        let after = |ms| Next::After(Duration::from_millis(ms));
        assert_eq!(pauses[..6], [after(500), after(1000), after(2000), after(4000), after(8000), after(16000)]);
        assert_eq!(pauses[6..], [Next::GiveUp, Next::GiveUp]);
        assert!(matches!(patience.next(0, &error, 255), Next::After(pause) if pause > Duration::from_millis(620)));
    }

    #[test]
    fn the_server_s_pause_is_kept_unless_it_is_too_long() {
        let patience = Patience::default();
        let after = |s| Error::new(ErrorKind::Throttled, "x").with_retry(Retry::After(Duration::from_secs(s)));
        assert_eq!(patience.next(0, &after(7), 0), Next::After(Duration::from_secs(7)));
        assert_eq!(patience.next(0, &after(31), 0), Next::GiveUp);
        assert_eq!(patience.next(0, &Error::new(ErrorKind::DataInvalid, "x"), 0), Next::GiveUp);
    }

    #[test]
    fn looks_become_rarer() {
        let patience = Patience::default();
        assert_eq!(patience.poll(0), Duration::from_millis(50));
        assert_eq!(patience.poll(1), Duration::from_millis(75));
        assert_eq!(patience.poll(1000), Duration::from_secs(5));
    }
}
