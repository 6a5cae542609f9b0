//! Times and counts that users need not know, in one place, so that tests can shorten them.

use std::time::Duration;

/// How the source paces itself.
#[derive(Debug, Clone)]
pub(crate) struct Tuning {
    /// For so long a scan reads strongly consistently, whatever is configured.
    ///
    /// What an eventually consistent page misses has to be in the stream behind the point where its reading began. A change that was made
    /// just before is not: the stream was only switched on then, or its shards were read up to there already, for the epoch before. Such a
    /// page shows a write usually within one second (developer guide, "Read consistency"); a minute is patient.
    pub(crate) settling: Duration,
    /// The pause before the second attempt of a call; it doubles, with jitter.
    pub(crate) first_backoff: Duration,
    /// The longest pause between two attempts.
    pub(crate) longest_backoff: Duration,
    /// After so many attempts to read a page its table fails, and is read again from its checkpoint by whoever runs it.
    pub(crate) attempts: u32,
    /// The same for calls that somebody waits for: descriptions and checks.
    pub(crate) short_attempts: u32,
    /// How long before their end credentials are fetched anew.
    pub(crate) credentials_ahead: Duration,
    /// The shortest time between two `GetRecords` of one shard: the service allows five per second.
    pub(crate) poll_apart: Duration,
    /// The longest time between two `GetRecords` of an idle shard.
    pub(crate) idle_poll: Duration,
    /// How often shards are listed while nothing happens.
    pub(crate) relist: Duration,
    /// The pause before a listing that contradicts the checkpoint is checked again; it doubles.
    pub(crate) confirm: Duration,
    /// How often the lag is told.
    pub(crate) lag: Duration,
    /// How often `caught_up_at` is stored while there are no changes.
    pub(crate) caught_up: Duration,
    /// The age at which an iterator is replaced; the service lets them live for 15 minutes.
    pub(crate) iterator_age: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            settling: Duration::from_mins(1),
            first_backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(20),
            attempts: 24,
            short_attempts: 5,
            credentials_ahead: Duration::from_mins(2),
            poll_apart: Duration::from_millis(200),
            idle_poll: Duration::from_secs(5),
            relist: Duration::from_secs(30),
            confirm: Duration::from_millis(500),
            lag: Duration::from_secs(5),
            caught_up: Duration::from_mins(1),
            iterator_age: Duration::from_mins(10),
        }
    }
}
