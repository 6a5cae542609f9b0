//! Which segments a snapshot has and which of them are left: pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use commutator_core::{Checkpoint, Error, ErrorKind, PartitionId, Position, Progress, Result, Span};

use crate::facts;

/// A segment is about as big as this many bytes of the table.
const SEGMENT_BYTES: u64 = 128 * 1024 * 1024;
/// Tables up to this size are not worth more than one segment.
const TINY_BYTES: u64 = 1024 * 1024;
const MOST_SEGMENTS: u64 = 10_000;
/// Ended segments are forgotten when this many stand in a row, so that a checkpoint has only a window of them.
const FORGET_STEP: u32 = 64;

/// Returns into how many segments a table of this size is cut. A size of 0 says nothing: it can be six hours old.
pub(crate) fn segments_for(bytes: u64, concurrency: u32, configured: Option<u32>) -> u32 {
    configured.unwrap_or_else(|| {
        if (1..=TINY_BYTES).contains(&bytes) {
            return 1;
        }
        let by_size = bytes.div_ceil(SEGMENT_BYTES).min(MOST_SEGMENTS);
        u32::try_from(by_size).unwrap_or(u32::MAX).max(concurrency)
    })
}

/// Returns the partition of a segment.
pub(crate) fn partition(segment: u32, segments: u32) -> PartitionId {
    PartitionId::new(format!("segment/{segment}/{segments}"))
}

fn is_segment(partition: &PartitionId) -> bool {
    partition.as_str().starts_with("segment/")
}

/// Returns whether a snapshot has begun, but no page of it or of the stream was committed.
///
/// A shard of which something was read does not stand at its start any more, and is remembered until long after the time was stored up to
/// which the stream was read.
fn is_unread(checkpoint: &Checkpoint) -> bool {
    let nothing_ended = checkpoint.fact(facts::SEGMENTS_DONE).is_none_or(|done| done == "0");
    let caught_up = checkpoint.fact(facts::CAUGHT_UP_AT).is_some();
    nothing_ended && !caught_up && checkpoint.partitions().values().all(|position| *position == Position::Start)
}

/// What is left of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    segments: u32,
    left: VecDeque<(u32, Option<Position>)>,
    done_below: u32,
    ended: BTreeSet<u32>,
}

impl Plan {
    /// Returns the plan of a snapshot that begins.
    pub(crate) fn new(segments: u32) -> Self {
        Self { segments, left: (0..segments).map(|i| (i, None)).collect(), done_below: 0, ended: BTreeSet::new() }
    }

    /// Returns the plan of the snapshot that a checkpoint is in the middle of; `None` if there is none of its epoch,
    /// or nothing was committed in it: then it can begin anew.
    ///
    /// Rows of the stream are something: nothing but a later epoch could take those away again.
    ///
    /// The number of segments is the one it began with: that of the configuration may have changed.
    pub(crate) fn resume(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        if facts::number(checkpoint, facts::SNAPSHOT_EPOCH)? != Some(checkpoint.epoch().0) {
            return Ok(None);
        }
        let done_below = facts::number(checkpoint, facts::SEGMENTS_DONE)?.unwrap_or(0);
        let positions: BTreeMap<_, _> = checkpoint.partitions().iter().filter(|(id, _)| is_segment(id)).collect();
        if is_unread(checkpoint) {
            return Ok(None);
        }
        let inconsistent = |problem: &'static str| {
            Error::new(
                ErrorKind::Unexpected,
                "A checkpoint does not fit its snapshot: `commutator resync` reads the table anew",
            )
            .with("problem", problem)
        };
        let segments: u32 =
            facts::number(checkpoint, facts::SEGMENTS)?.ok_or_else(|| inconsistent("no number of segments"))?;
        let mut plan = Self { segments, left: VecDeque::new(), done_below, ended: BTreeSet::new() };
        let mut found = 0;
        for segment in done_below..segments {
            let position = positions.get(&partition(segment, segments)).copied();
            found += usize::from(position.is_some());
            match position {
                Some(Position::End) => {
                    plan.ended.insert(segment);
                }
                other => plan.left.push_back((segment, other.cloned())),
            }
        }
        if found != positions.len() {
            return Err(inconsistent("segments of another number"));
        }
        Ok(Some(plan))
    }

    /// Returns what takes the segments of an earlier snapshot out of a checkpoint, so that another one can begin.
    pub(crate) fn clear(checkpoint: &Checkpoint) -> Progress {
        let mut progress = Progress::default();
        for (id, position) in checkpoint.partitions().iter().filter(|(id, _)| is_segment(id)) {
            if *position != Position::End {
                progress.spans.insert(id.clone(), Span { from: Some(position.clone()), to: Position::End });
            }
            progress.forget.insert(id.clone());
        }
        progress
    }

    /// Returns into how many segments the table is cut.
    pub(crate) fn segments(&self) -> u32 {
        self.segments
    }

    /// Takes the next segment to scan, and where it stands.
    pub(crate) fn next(&mut self) -> Option<(u32, Option<Position>)> {
        self.left.pop_front()
    }

    /// Notes that a segment's last page was sent; returns the segments to forget, if there are enough.
    pub(crate) fn ended(&mut self, segment: u32) -> Option<Progress> {
        self.ended.insert(segment);
        let row = (self.done_below..self.segments).take_while(|i| self.ended.contains(i)).count();
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        if row < FORGET_STEP {
            return None;
        }
        let until = self.done_below + row;
        let forget = (self.done_below..until).map(|i| partition(i, self.segments)).collect();
        self.ended.retain(|&i| i >= until);
        self.done_below = until;
        let facts = BTreeMap::from([(facts::SEGMENTS_DONE.to_owned(), until.to_string())]);
        Some(Progress { facts, forget, ..Progress::default() })
    }

    /// Returns the ended segments that were not forgotten yet.
    pub(crate) fn remembered(&self) -> BTreeSet<PartitionId> {
        self.ended.iter().map(|&i| partition(i, self.segments)).collect()
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
