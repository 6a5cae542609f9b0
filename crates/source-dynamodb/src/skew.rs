//! How far this machine's clock is ahead of the service's, from the `Date` header of an answer.
//!
//! Stream records created long before a snapshot began are left out, by the service's time of their creation. A clock that is ahead would
//! make that too many of them, so the time at which a snapshot begins is the earlier one of both clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

use crate::clock::Clock;

/// The difference that the last answer showed; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Skew {
    clock: Arc<dyn Clock>,
    ahead_ms: Arc<AtomicI64>,
}

impl Skew {
    /// Creates a difference of which nothing is known yet.
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), ahead_ms: Arc::default() }
    }

    /// Returns by how many milliseconds this machine's clock is ahead of the service's; 0 if it is not, or nothing is known.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }

    fn note(&self, date: &str, now_ms: i64) {
        let service = DateTime::from_str(date, Format::HttpDate).ok().and_then(|date| date.to_millis().ok());
        if let Some(service_ms) = service {
            self.ahead_ms.store(now_ms.saturating_sub(service_ms).max(0), Ordering::Relaxed);
        }
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Skew {
    fn name(&self) -> &'static str {
        "Skew"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.note(date, self.clock.now_ms());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_ahead_counts() {
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let skew = Skew::new(&clock);
        let service_ms = 784_887_151_000;
        for (now_ms, ahead_ms) in [(service_ms + 900_000, 900_000), (service_ms, 0), (service_ms - 900_000, 0)] {
            skew.note("Tue, 15 Nov 1994 08:12:31 GMT", now_ms);
            assert_eq!(skew.ahead_ms(), ahead_ms);
        }
        skew.note("Tue, 15 Nov 1994 08:12:31 GMT", service_ms + 5);
        skew.note("no date", 0);
        assert_eq!(skew.ahead_ms(), 5);
    }
}
