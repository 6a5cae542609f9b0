//! How shards come about and go: rolls, splits, trimming.

use std::time::Duration;

use super::Stream;
use super::sequence::Sequences;
use super::shard::Shard;
use crate::clock::milliseconds;
use crate::error::{Error, Result};
use crate::settings::Settings;

impl Stream {
    /// Lets time do what it has done since the last call: shards roll, records are trimmed, shards vanish.
    pub(crate) fn tick(&mut self, sequences: &mut Sequences, (now, settings): (u64, &Settings)) {
        while let Some((at, id)) = self.next_roll().filter(|(at, _)| *at <= now) {
            self.roll_by_itself(&id, sequences, (at, settings));
        }
        for shard in self.shards.values_mut() {
            shard.trim_old(now);
        }
        self.shards.retain(|_, shard| !shard.is_gone(now));
    }

    fn next_roll(&self) -> Option<(u64, String)> {
        let open = self.shards.iter().filter(|(_, shard)| shard.is_open());
        open.filter_map(|(id, shard)| Some((shard.rolls?, id.clone()))).min()
    }

    pub(super) fn roll_by_itself(&mut self, id: &str, sequences: &mut Sequences, (now, settings): (u64, &Settings)) {
        let open = self.shards.values().filter(|shard| shard.is_open()).count();
        let quirks = &settings.quirks;
        let splits = open < quirks.max_open_shards && settings.dice.chance(quirks.splits, id, 1);
        // The shard is open and there, so this cannot fail.
        self.succeed(id, if splits { 2 } else { 1 }, sequences, (now, settings)).ok();
    }

    /// Closes a shard and puts one or two in its place.
    pub(crate) fn succeed(
        &mut self,
        id: &str,
        children: usize,
        sequences: &mut Sequences,
        (now, settings): (u64, &Settings),
    ) -> Result<Vec<String>> {
        let shard = self.shards.get_mut(id).ok_or_else(|| Error::not_found("Shard does not exist"))?;
        if !shard.is_open() {
            return Err(Error::validation(format!("Shard {id} is closed")));
        }
        shard.close(sequences.next(), now);
        let (first, last) = shard.range;
        let middle = first + (last - first) / 2;
        let ranges = [(first, middle), (middle.saturating_add(1), last)];
        // A range of one hash cannot be cut.
        let ranges = if children == 2 && first < last { &ranges[..] } else { &[(first, last)][..] };
        Ok(ranges.iter().map(|&range| self.add_shard(Some(id.to_owned()), range, sequences, (now, settings))).collect())
    }

    pub(super) fn add_shard(
        &mut self,
        parent: Option<String>,
        range: (u64, u64),
        sequences: &mut Sequences,
        (now, settings): (u64, &Settings),
    ) -> String {
        let (dice, quirks) = (settings.dice, &settings.quirks);
        self.shards_made += 1;
        let id = format!("shardId-{now:020}-{}", dice.hex(8, &self.arn, self.shards_made));
        let mut shard = Shard::new(parent, range, sequences.next());
        shard.rolls = quirks.roll_every.map(|every| now + life(every, dice.draw(&id, 2)));
        shard.slack = dice.below(milliseconds(quirks.trim_slack) + 1, &id, 3);
        if shard.parent.is_some() {
            shard.listed_from = self.listings + dice.below(quirks.stale_listings + 1, &id, 4);
        }
        self.shards.insert(id.clone(), shard);
        id
    }
}

/// Returns how long a shard lives: the usual time, give or take a sixteenth.
fn life(every: Duration, drawn: u64) -> u64 {
    let usual = milliseconds(every).max(16);
    usual - usual / 16 + drawn % (usual / 8)
}
