//! The read-capacity limit: a token bucket of read units, and what a share of a table's capacity is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::{BillingMode, OnDemandThroughput, ProvisionedThroughputDescription, TableDescription};
use tokio::time::Instant;

use crate::config::Config;

/// What a share is a share of, for a table on demand without a configured maximum, in read units per second.
///
/// A quarter of the default quota of 40,000 per table, and less than the 12,000 that a new on-demand table serves at once (`DynamoDB`
/// developer guide, quotas and on-demand capacity mode).
pub(crate) const ON_DEMAND_READ_UNITS: f64 = 10_000.0;

/// A Scan page of 1 MB costs 128 read units, twice as many if strongly consistent: what the first page is taken for.
const FIRST_PAGE: f64 = 128.0;

/// Returns how many read units per second a snapshot of this table may use; `None` without a limit.
pub(crate) fn limit(config: &Config, table: &TableDescription) -> Option<f64> {
    let share = config.read_capacity_share.map(|share| share * capacity(table));
    match (config.max_read_capacity, share) {
        (Some(max), Some(share)) => Some(max.min(share)),
        (one, other) => one.or(other),
    }
    .map(|units| units.max(1.0))
}

fn capacity(table: &TableDescription) -> f64 {
    let positive = |units: Option<i64>| units.and_then(|u| u32::try_from(u).ok()).filter(|&u| u > 0).map(f64::from);
    let on_demand =
        table.billing_mode_summary().and_then(|b| b.billing_mode()).is_some_and(|m| *m == BillingMode::PayPerRequest);
    let provisioned =
        positive(table.provisioned_throughput().and_then(ProvisionedThroughputDescription::read_capacity_units));
    let maximum = positive(table.on_demand_throughput().and_then(OnDemandThroughput::max_read_request_units));
    if on_demand { maximum } else { provisioned }.unwrap_or(ON_DEMAND_READ_UNITS)
}

/// A token bucket that may go into debt, because what a page costs is known only after it was read.
///
/// However pages fall, what was spent until time `t` is at most one second's worth, plus `t` times the rate, plus one
/// page per reader.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    per_second: f64,
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// Creates a full bucket, which holds one second's worth.
    pub(crate) fn new(per_second: f64) -> Self {
        Self { per_second, tokens: per_second, at: Duration::ZERO }
    }

    /// Takes so many units, or returns how long to wait before trying again. More than the bucket holds is taken as soon as it is full.
    pub(crate) fn take(&mut self, units: f64, now: Duration) -> Result<(), Duration> {
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        self.tokens = (self.tokens + passed.as_secs_f64() * self.per_second).min(self.per_second);
        let needed = units.min(self.per_second);
        if self.tokens >= needed {
            self.tokens -= units;
            return Ok(());
        }
        let wait = (needed - self.tokens) / self.per_second;
        Err(Duration::from_secs_f64(wait.min(3_600.0)).max(Duration::from_millis(1)))
    }

    /// Corrects what was taken to what the service says it was.
    pub(crate) fn settle(&mut self, taken: f64, spent: f64) {
        self.tokens = (self.tokens + taken - spent).min(self.per_second);
    }
}

/// The limit that all segments of one snapshot share.
#[derive(Debug)]
pub(crate) struct Capacity {
    bucket: Option<Mutex<Bucket>>,
    began: Instant,
}

impl Capacity {
    /// Creates a limit in read units per second, or none.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        Self { bucket: per_second.map(Bucket::new).map(Mutex::new), began: Instant::now() }
    }

    /// Waits until a page may be read that is taken to cost as much as `last`; returns what was taken.
    pub(crate) async fn take(&self, last: Option<f64>) -> f64 {
        let Some(bucket) = &self.bucket else { return 0.0 };
        let units = last.unwrap_or(FIRST_PAGE);
        loop {
            let taken = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(units, self.began.elapsed());
            match taken {
                Ok(()) => return units,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Tells what the page cost.
    pub(crate) fn settle(&self, taken: f64, spent: Option<f64>) {
        if let Some(bucket) = &self.bucket {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).settle(taken, spent.unwrap_or(taken));
        }
    }
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
mod tests;
