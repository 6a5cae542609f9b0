//! The virtual clock, and the forms in which AWS writes times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2025-01-01T00:00:00Z.
const START: u64 = 1_735_689_600_000;

/// The clock that everything in a simulator goes by. Cloning gives another handle to the same clock.
///
/// It stands still until [`advance`](Self::advance) is called, except for one made by [`running`](Self::running) or
/// [`of_runtime`](Self::of_runtime).
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Milliseconds ahead of the base.
    offset: AtomicU64,
    base: Base,
}

/// What a clock goes on with by itself.
#[derive(Debug)]
enum Base {
    /// Nothing.
    Still,
    Machine,
    Runtime(tokio::time::Instant),
}

impl Clock {
    /// Creates a clock that stands at this time, in milliseconds since 1970 in UTC.
    pub fn at(ms: u64) -> Self {
        Self::new(Base::Still, ms)
    }

    fn new(base: Base, offset_ms: u64) -> Self {
        Self(Arc::new(Inner { offset: AtomicU64::new(offset_ms), base }))
    }

    /// Creates a clock that stands at the machine's time: for programs that compare times of their own with the table's.
    pub fn at_machine_time() -> Self {
        Self::at(machine_ms())
    }

    /// Creates a clock that runs with the machine's and can be advanced beyond it; what depends on it is no longer
    /// determined by the seed alone.
    pub fn running() -> Self {
        Self::new(Base::Machine, 0)
    }

    /// Creates a clock that starts at this time and goes on with tokio's: on a runtime whose time is paused, hours pass as soon as everybody
    /// waits, and always in the same way.
    pub fn of_runtime(ms: u64) -> Self {
        Self::new(Base::Runtime(tokio::time::Instant::now()), ms)
    }

    /// Returns the time in milliseconds since 1970 in UTC.
    pub fn now_ms(&self) -> u64 {
        let base = match &self.0.base {
            Base::Still => 0,
            Base::Machine => machine_ms(),
            Base::Runtime(began) => milliseconds(began.elapsed()),
        };
        base + self.0.offset.load(Ordering::SeqCst)
    }

    /// Moves the clock ahead.
    pub fn advance(&self, by: Duration) {
        self.0.offset.fetch_add(milliseconds(by), Ordering::SeqCst);
    }
}

impl Default for Clock {
    /// A clock that stands at 2025-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(START)
    }
}

fn machine_ms() -> u64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Returns whole milliseconds; more than a `u64` holds is no time that a simulation reaches.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A time of day in UTC.
struct Utc {
    year: u64,
    month: usize,
    day: u64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u64,
}

/// The calendar of a time since 1970; the algorithm is Howard Hinnant's `civil_from_days`.
fn utc(ms: u64) -> Utc {
    let (seconds, days) = (ms / 1000, ms / 86_400_000);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Utc {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month: usize::try_from(month).unwrap_or(1),
        day: day_of_year - (153 * from_march + 2) / 5 + 1,
        weekday: usize::try_from((days + 4) % 7).unwrap_or(0),
        hour: seconds / 3600 % 24,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        millisecond: ms % 1000,
    }
}

/// Returns `2025-01-01T00:00:00.000`, as stream labels have it.
pub(crate) fn label(ms: u64) -> String {
    let t = utc(ms);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}",
        t.year, t.month, t.day, t.hour, t.minute, t.second, t.millisecond
    )
}

/// Returns `2025-01-01T00:00:00Z`, as STS writes an expiration; the part of a second is dropped.
pub(crate) fn rfc3339(ms: u64) -> String {
    format!("{}Z", &label(ms)[..19])
}

/// Returns `Wed, 01 Jan 2025 00:00:00 GMT`, as the Date header has it.
pub(crate) fn http_date(ms: u64) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let t = utc(ms);
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        DAYS[t.weekday],
        t.day,
        MONTHS[t.month - 1],
        t.year,
        t.hour,
        t.minute,
        t.second
    )
}

/// Returns seconds since 1970 with three decimals, as `DynamoDB`'s JSON has times.
pub(crate) fn json_seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_aws_does() {
        assert_eq!(label(START), "2025-01-01T00:00:00.000");
        assert_eq!(rfc3339(START + 61_500), "2025-01-01T00:01:01Z");
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(label(1_709_164_799_999), "2024-02-28T23:59:59.999");
        assert_eq!(label(1_709_164_800_000), "2024-02-29T00:00:00.000");
        assert_eq!(label(951_782_400_000 + 86_400_000), "2000-03-01T00:00:00.000");
        assert_eq!(json_seconds(1_700_000_000_042), "1700000000.042");
    }

    #[test]
    fn a_clock_stands_still_until_it_is_advanced() {
        let clock = Clock::default();
        let other = clock.clone();
        clock.advance(Duration::from_hours(30));
        assert_eq!(other.now_ms(), START + 30 * 3_600_000);
    }
}
