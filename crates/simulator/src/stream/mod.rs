//! `DynamoDB` Streams: a table's changes, in shards that split, roll, close and are trimmed.

pub(crate) mod iterator;
mod lineage;
pub(crate) mod record;
pub(crate) mod sequence;
pub(crate) mod shard;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::key::KeySchema;
use crate::settings::Settings;
use record::{Change, Record, View};
use sequence::Sequences;
use shard::{RETENTION_MS, Shard};

/// One stream. A table has another one each time that its stream is switched on.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) arn: String,
    pub(crate) label: String,
    pub(crate) table: String,
    pub(crate) keys: KeySchema,
    pub(crate) view: View,
    pub(crate) created: u64,
    pub(crate) disabled: Option<u64>,
    /// Listed in the order of their ids, which tells the time of their creation but, within a millisecond, nothing of lineage.
    pub(crate) shards: BTreeMap<String, Shard>,
    /// How often the stream was described.
    pub(crate) listings: u64,
    shards_made: u64,
    records_made: u64,
}

impl Stream {
    pub(crate) fn new(
        (table, label, keys): (&str, String, KeySchema),
        view: View,
        shards: u32,
        sequences: &mut Sequences,
        (now, settings): (u64, &Settings),
    ) -> Self {
        let mut stream = Self {
            arn: format!("{}/stream/{label}", settings.table_arn(table)),
            label,
            table: table.to_owned(),
            keys,
            view,
            created: now,
            disabled: None,
            shards: BTreeMap::new(),
            listings: 0,
            shards_made: 0,
            records_made: 0,
        };
        let width = u64::MAX / u64::from(shards.max(1));
        for n in 0..u64::from(shards.max(1)) {
            let last = if n + 1 == u64::from(shards.max(1)) { u64::MAX } else { (n + 1) * width - 1 };
            stream.add_shard(None, (n * width, last), sequences, (now, settings));
        }
        stream
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.disabled.is_some() { "DISABLED" } else { "ENABLED" }
    }

    /// Adds a record to the shard that takes this hash.
    pub(crate) fn push(
        &mut self,
        hash: u64,
        change: &Change<'_>,
        sequences: &mut Sequences,
        (now, settings): (u64, &Settings),
    ) -> Option<String> {
        let (id, shard) = self.shards.iter_mut().find(|(_, shard)| shard.takes(hash))?;
        let sequence = sequences.next();
        shard.push(Record::new(change, self.view, sequence, now, settings));
        self.records_made += 1;
        let quirks = &settings.quirks;
        if settings.dice.chance(quirks.roll_per_record, &self.arn, self.records_made) {
            let id = id.clone();
            self.roll_by_itself(&id, sequences, (now, settings));
        }
        Some(sequence.to_string())
    }

    /// Closes all shards; nothing more comes, and what is there stays for 24 hours.
    pub(crate) fn disable(&mut self, sequences: &mut Sequences, now: u64) {
        for shard in self.shards.values_mut().filter(|shard| shard.is_open()) {
            shard.close(sequences.next(), now);
        }
        self.disabled = Some(now);
    }

    /// Returns whether it is so long since it was disabled that it no longer exists.
    pub(crate) fn is_gone(&self, now: u64) -> bool {
        self.disabled.is_some_and(|at| at + RETENTION_MS <= now)
    }

    pub(crate) fn shard_mut(&mut self, id: &str) -> Result<&mut Shard> {
        self.shards.get_mut(id).ok_or_else(|| Error::not_found("Shard does not exist"))
    }

    pub(crate) fn shard(&self, id: &str) -> Result<&Shard> {
        self.shards.get(id).ok_or_else(|| Error::not_found("Shard does not exist"))
    }
}
