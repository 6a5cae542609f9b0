//! What a simulator is told when it is made.

use std::time::Duration;

use crate::clock::milliseconds;
use crate::random::Dice;

/// The seed and the names that appear in ARNs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) dice: Dice,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) quirks: Quirks,
}

impl Settings {
    pub(crate) fn table_arn(&self, table: &str) -> String {
        format!("arn:aws:dynamodb:{}:{}:table/{table}", self.region, self.account)
    }
}

/// What `DynamoDB` may do at any time, and how often it does here. Probabilities lie between 0 and 1.
///
/// The default is the plain case: full pages, immediate listings, shards that roll every four hours. [`wild`](Self::wild) has
/// everything at once.
#[derive(Debug, Clone)]
pub struct Quirks {
    /// After how many bytes of items a Scan page ends. Default: 1 MiB, as documented.
    pub scan_page_bytes: usize,
    /// How many bytes of records fit on a `GetRecords` page. Default: 1 MiB, as documented.
    pub records_page_bytes: usize,
    /// How many records fit on a `GetRecords` page. Default: 1,000, as documented.
    pub records_page_count: usize,
    /// How many shards fit on a `DescribeStream` page. Default: 100, as documented.
    pub shards_page: usize,
    /// How probably a `GetRecords` page is empty although there are records, or the shard has ended. Default: 0.
    pub empty_pages: f64,
    /// How many such pages of a shard may come in a row. Default: 2.
    pub empty_in_a_row: u32,
    /// How probably a page of items or records ends early. Default: 0.
    pub short_pages: f64,
    /// How probably the last records of a closed shard come with an iterator, whose page is empty and has none. Default: 0, so they
    /// come with a null iterator.
    pub late_ends: f64,
    /// A new shard is missing from up to this many `DescribeStream` calls of its stream. Default: 0.
    pub stale_listings: u64,
    /// How probably a shard that was listed before is missing from one `DescribeStream` call. Default: 0.
    pub flickers: f64,
    /// Scans without `ConsistentRead` see each page as it was up to this long ago. Default: zero. On a clock that
    /// stands still they may never see what was written at this very time.
    pub stale_reads: Duration,
    /// How old an open shard gets before it is closed and succeeded, give or take a sixteenth; `None` for never. Default: four hours.
    pub roll_every: Option<Duration>,
    /// How probably a shard that rolls by itself splits in two. Default: 0.25.
    pub splits: f64,
    /// How probably any one record makes its shard roll. Default: 0.
    pub roll_per_record: f64,
    /// How many shards of a stream may be open before no more of them split by themselves. Default: 16.
    pub max_open_shards: usize,
    /// How much longer than 24 hours records may stay; each shard has a time of its own in between. Default: zero.
    pub trim_slack: Duration,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            scan_page_bytes: 1 << 20,
            records_page_bytes: 1 << 20,
            records_page_count: 1000,
            shards_page: 100,
            empty_pages: 0.0,
            empty_in_a_row: 2,
            short_pages: 0.0,
            late_ends: 0.0,
            stale_listings: 0,
            flickers: 0.0,
            stale_reads: Duration::ZERO,
            roll_every: Some(Duration::from_hours(4)),
            splits: 0.25,
            roll_per_record: 0.0,
            max_open_shards: 16,
            trim_slack: Duration::ZERO,
        }
    }
}

impl Quirks {
    /// Everything that `DynamoDB` may do, often, and with pages so small that few items make many.
    pub fn wild() -> Self {
        Self {
            scan_page_bytes: 1 << 10,
            records_page_bytes: 8 << 10,
            records_page_count: 10,
            shards_page: 3,
            empty_pages: 0.2,
            short_pages: 0.3,
            late_ends: 0.3,
            stale_listings: 3,
            roll_per_record: 0.02,
            ..Self::default()
        }
    }

    pub(crate) fn stale_reads_ms(&self) -> u64 {
        milliseconds(self.stale_reads)
    }
}
