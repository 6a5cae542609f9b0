//! Time as this thread spends it: other programs on the machine do not count.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU time that this thread has spent, in user and in kernel mode.
pub fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Returns the CPU time that `work` takes, and what it returns.
pub fn measured<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = spent();
    let done = work();
    (spent().saturating_sub(before), done)
}

/// Returns the middle one of these numbers; 0 if there are none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
