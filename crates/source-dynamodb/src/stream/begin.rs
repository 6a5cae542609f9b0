//! How to take up a stream: from nothing, from a checkpoint, or not at all because changes were lost. Pure.

use std::collections::BTreeMap;

use commutator_core::{Checkpoint, Gap, PartitionId, Position, Progress, Result, Span};

use super::lineage::{Shard, known, lineage, with_descendants};
use super::retention;
use crate::facts;

const PREFIX: &str = "shard/";

/// Returns the partition of a shard.
pub(crate) fn shard_partition(id: &str) -> PartitionId {
    PartitionId::new(format!("{PREFIX}{id}"))
}

/// How a stream is taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Changes were lost.
    Lost(Gap),
    /// Go on, after this progress was made.
    Go {
        /// What to send before anything is read, in this order; may be empty.
        first: Vec<Progress>,
        /// Where every shard stands afterwards.
        positions: BTreeMap<String, Position>,
    },
}

/// Returns the positions of the shards in a checkpoint.
fn positions_in(checkpoint: &Checkpoint) -> BTreeMap<String, Position> {
    let shard = |(id, position): (&PartitionId, &Position)| {
        id.as_str().strip_prefix(PREFIX).map(|shard| (shard.to_owned(), position.clone()))
    };
    checkpoint.partitions().iter().filter_map(shard).collect()
}

/// Decides how to take up the stream `arn`.
///
/// If the snapshot begins now, nothing older than now matters: every listed shard is read from where it stands or from the
/// beginning, and what is in the checkpoint but not listed is closed; ends are kept. Otherwise the stream must be the one that the checkpoint
/// speaks of, and must have been read recently enough.
pub(crate) fn begin(
    checkpoint: &Checkpoint,
    snapshot_begins: bool,
    arn: &str,
    listed: &[Shard],
    now_ms: i64,
) -> Result<Beginning> {
    let positions = positions_in(checkpoint);
    let remembered = checkpoint.fact(facts::STREAM_ARN);
    if snapshot_begins {
        return Ok(anew(positions, remembered == Some(arn), arn, listed));
    }
    let unfinished: Vec<_> =
        positions.iter().filter(|(_, p)| **p != Position::End).map(|(id, _)| shard_partition(id)).collect();
    let lost = |reason: String, facts: &[&str]| {
        let facts = facts.iter().chain([&facts::CHANGES_SINCE]).map(|&fact| fact.to_owned()).collect();
        Ok(Beginning::Lost(Gap { reason, partitions: unfinished.clone(), facts, noticed_at: now_ms }))
    };
    match remembered {
        None => {
            return lost(
                "The table's stream was off when its snapshot began, so changes made since then are missing".to_owned(),
                &[],
            );
        }
        Some(before) if before != arn => {
            return lost(
                format!("The table's stream was replaced: {before} was followed, {arn} is the latest one"),
                &[facts::STREAM_ARN, facts::CAUGHT_UP_AT],
            );
        }
        Some(_) => {}
    }
    let reads_on = positions.is_empty() || !unfinished.is_empty();
    let covered_until = retention::covered_until(checkpoint)?;
    if reads_on && !retention::is_safe(covered_until, now_ms) {
        let age = covered_until.map_or("an unknown time".to_owned(), |until| hours(now_ms.saturating_sub(until)));
        return lost(
            format!("The stream was last read to its end {age} ago, and it keeps changes for 24 hours only"),
            &[facts::CAUGHT_UP_AT],
        );
    }
    if !positions.is_empty() {
        return Ok(Beginning::Go { first: Vec::new(), positions });
    }
    // Only the snapshot was read so far, while the stream was on.
    let (progress, positions) = register(BTreeMap::new(), listed);
    Ok(Beginning::Go { first: vec![progress], positions })
}

fn anew(positions: BTreeMap<String, Position>, same_stream: bool, arn: &str, listed: &[Shard]) -> Beginning {
    // An end is remembered although its shard is not listed: if that is only listed late, it would be read again from its beginning. The
    // follower forgets it once many listings lack it.
    let is_kept = |id: &str, to: &Position| *to == Position::End || listed.iter().any(|shard| shard.id == id);
    let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
        positions.into_iter().partition(|(id, to)| same_stream && is_kept(id, to));
    let mut first = Vec::new();
    if !gone.is_empty() {
        let mut close = Progress::default();
        for (id, position) in gone {
            let partition = shard_partition(&id);
            if position != Position::End {
                close.spans.insert(partition.clone(), Span { from: Some(position), to: Position::End });
            }
            close.forget.insert(partition);
        }
        first.push(close);
    }
    let (mut progress, positions) = register(kept, listed);
    progress.facts.insert(facts::STREAM_ARN.to_owned(), arn.to_owned());
    first.push(progress);
    Beginning::Go { first, positions }
}

/// Returns whether a listing of the stream that the checkpoint speaks of lacks shards: unfinished ones, or parents nobody knows.
///
/// One listing does not say whether they are gone or only listed late.
pub(crate) fn lacks_shards(checkpoint: &Checkpoint, arn: &str, listed: &[Shard]) -> bool {
    let lineage = lineage(listed, &known(&positions_in(checkpoint)));
    checkpoint.fact(facts::STREAM_ARN) == Some(arn) && !(lineage.vanished.is_empty() && lineage.orphans.is_empty())
}

/// Returns whether a table's stream is the one that a checkpoint speaks of, and nothing behind its positions can have been trimmed.
pub(crate) fn goes_on(checkpoint: &Checkpoint, arn: &str, now_ms: i64) -> Result<bool> {
    let same = checkpoint.fact(facts::STREAM_ARN) == Some(arn);
    Ok(same && retention::is_safe(retention::covered_until(checkpoint)?, now_ms))
}

/// Returns since when changes are wanted once a snapshot begins at `now_ms`: if all of the stream goes on, since before, so that a
/// table that is read anew by hand misses none of its changes.
///
/// Where some of the stream is lost, an old change may be left without the later one that undid it. So only what comes after the
/// scan's start is wanted then.
pub(crate) fn changes_since(checkpoint: &Checkpoint, arn: &str, listed: &[Shard], now_ms: i64) -> Result<i64> {
    let Some(since) = facts::number(checkpoint, facts::CHANGES_SINCE)? else { return Ok(now_ms) };
    let whole = goes_on(checkpoint, arn, now_ms)? && !lacks_shards(checkpoint, arn, listed);
    if !whole {
        tracing::warn!(
            "a part of the stream is lost; the snapshot that begins makes up for it, but its changes are missing"
        );
    }
    Ok(if whole { since } else { now_ms })
}

/// Puts every listed shard that is not known at its start, but for those whose parent nobody knows: it may only be listed late, and has
/// to be read before them. Later listings decide about those.
fn register(mut positions: BTreeMap<String, Position>, listed: &[Shard]) -> (Progress, BTreeMap<String, Position>) {
    let mut progress = Progress::default();
    let orphans = with_descendants(&lineage(listed, &known(&positions)).orphans, listed);
    for shard in listed {
        if !positions.contains_key(&shard.id) && !orphans.contains(&shard.id) {
            positions.insert(shard.id.clone(), Position::Start);
            progress.spans.insert(shard_partition(&shard.id), Span { from: None, to: Position::Start });
        }
    }
    (progress, positions)
}

fn hours(ms: i64) -> String {
    format!("{} hours", ms / 3_600_000)
}

#[cfg(test)]
#[path = "begin_tests.rs"]
mod tests;
