//! What a source takes from its surroundings: the time of day and the way requests go. Injected, so that tests decide both.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::client::http_client;

/// Tells the time of day.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns milliseconds since 1970 in UTC.
    fn now_ms(&self) -> i64;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The time of day and the way of requests; see [`Config::connect_in`](crate::Config::connect_in).
///
/// Requests are signed with the clock's time, and it decides when credentials end and what may have been lost. Pauses go by tokio's time.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The time of day. Default: the machine's.
    pub clock: Arc<dyn Clock>,
    /// Sends requests to `DynamoDB`, its Streams and STS. Default: HTTP/1.1 on rustls with ring, which verifies certificates against the
    /// system's roots.
    pub http_client: SharedHttpClient,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), http_client: http_client() }
    }
}

/// A clock as the SDK wants it.
#[derive(Debug)]
struct SdkClock(Arc<dyn Clock>);

impl TimeSource for SdkClock {
    fn now(&self) -> SystemTime {
        system_time(&*self.0)
    }
}

/// Returns the clock as the SDK's source of time.
pub(crate) fn time_source(clock: &Arc<dyn Clock>) -> SharedTimeSource {
    SharedTimeSource::new(SdkClock(Arc::clone(clock)))
}

/// Returns the clock's time as the standard library has it.
pub(crate) fn system_time(clock: &dyn Clock) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(clock.now_ms()).unwrap_or(0))
}
