//! One shard: its records, its place in the lineage, and what was trimmed of it.

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

use super::record::Record;
use super::sequence::SequenceNumber;

/// How long records stay readable.
pub(crate) const RETENTION_MS: u64 = 24 * 3_600_000;

/// A shard of a stream. It takes the changes of the items whose partition key's hash lies in its range.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) parent: Option<String>,
    /// First and last hash.
    pub(crate) range: (u64, u64),
    pub(crate) start: SequenceNumber,
    pub(crate) end: Option<SequenceNumber>,
    pub(crate) closed: Option<u64>,
    /// When it rolls by itself.
    pub(crate) rolls: Option<u64>,
    /// The number of the first `DescribeStream` call that may list it.
    pub(crate) listed_from: u64,
    /// How much longer than 24 hours its records stay.
    pub(crate) slack: u64,
    /// How many empty pages were given in a row although there was more.
    pub(crate) empty_row: u32,
    records: VecDeque<Record>,
    /// How many records came before the first that is there.
    trimmed: u64,
    last_trimmed: Option<SequenceNumber>,
}

/// Why a position cannot be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadPosition {
    Trimmed,
    /// The number never belonged to the shard.
    Foreign,
}

impl Shard {
    pub(crate) fn new(parent: Option<String>, range: (u64, u64), start: SequenceNumber) -> Self {
        Self {
            parent,
            range,
            start,
            end: None,
            closed: None,
            rolls: None,
            listed_from: 0,
            slack: 0,
            empty_row: 0,
            records: VecDeque::new(),
            trimmed: 0,
            last_trimmed: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(crate) fn takes(&self, hash: u64) -> bool {
        self.is_open() && (self.range.0..=self.range.1).contains(&hash)
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.records.push_back(record);
    }

    pub(crate) fn close(&mut self, end: SequenceNumber, now: u64) {
        self.end = Some(end);
        self.closed = Some(now);
    }

    /// Drops the records that are older than the retention.
    pub(crate) fn trim_old(&mut self, now: u64) {
        let kept_for = RETENTION_MS + self.slack;
        let old = self.records.iter().take_while(|record| record.created + kept_for <= now).count();
        self.trim(old);
    }

    /// Drops the oldest records.
    pub(crate) fn trim(&mut self, count: usize) {
        for record in self.records.drain(..count.min(self.records.len())) {
            self.trimmed += 1;
            self.last_trimmed = Some(record.sequence);
        }
    }

    /// Returns whether nothing of it can be read any more, so that it is no longer listed.
    pub(crate) fn is_gone(&self, now: u64) -> bool {
        self.closed.is_some_and(|closed| closed + RETENTION_MS + self.slack <= now) && self.records.is_empty()
    }

    /// Returns the index of the oldest record that is there.
    pub(crate) fn horizon(&self) -> u64 {
        self.trimmed
    }

    /// Returns the index of the record that comes next.
    pub(crate) fn latest(&self) -> u64 {
        self.trimmed + u64::try_from(self.records.len()).unwrap_or(u64::MAX)
    }

    /// Returns the index of the first record at or after a sequence number; with `after`, of the first after it.
    pub(crate) fn index_of(&self, number: SequenceNumber, after: bool) -> Result<u64, BadPosition> {
        if number < self.start || self.end.is_some_and(|end| number > end) {
            return Err(BadPosition::Foreign);
        }
        if self.last_trimmed.is_some_and(|last| number <= last) {
            return Err(BadPosition::Trimmed);
        }
        let before = self
            .records
            .partition_point(|record| if after { record.sequence <= number } else { record.sequence < number });
        Ok(self.trimmed + u64::try_from(before).unwrap_or(u64::MAX))
    }

    /// Returns the records from an index on.
    pub(crate) fn records_from(&self, index: u64) -> Result<impl Iterator<Item = &Record>, BadPosition> {
        let skipped = index.checked_sub(self.trimmed).ok_or(BadPosition::Trimmed)?;
        Ok(self.records.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)))
    }

    pub(crate) fn to_json(&self, id: &str) -> Json {
        let mut range = json!({"StartingSequenceNumber": self.start.to_string()});
        if let Some(end) = self.end {
            range["EndingSequenceNumber"] = end.to_string().into();
        }
        let mut shard = json!({"SequenceNumberRange": range, "ShardId": id});
        if let Some(parent) = &self.parent {
            shard["ParentShardId"] = parent.as_str().into();
        }
        shard
    }
}

/// What a test may know of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardInfo {
    /// Its id.
    pub id: String,
    /// The shard it succeeds; it may no longer be there.
    pub parent: Option<String>,
    /// Whether changes still go into it.
    pub open: bool,
    /// The number of records that can be read.
    pub records: usize,
    /// The number of records that were trimmed.
    pub trimmed: u64,
}

impl ShardInfo {
    pub(crate) fn new(id: &str, shard: &Shard) -> Self {
        Self {
            id: id.to_owned(),
            parent: shard.parent.clone(),
            open: shard.is_open(),
            records: shard.records.len(),
            trimmed: shard.trimmed,
        }
    }
}
