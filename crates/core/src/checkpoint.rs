//! Checkpoints: how far a table has been read, as a value with laws.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Epoch, Error, ErrorKind, Gap, Gaps, NameMap, Result};

/// The name of a part of a table that is read in order on its own: a scan segment, an export file, a shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(String);

impl PartitionId {
    /// Creates a partition id; sources choose the form, nobody else reads meaning into it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place inside a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offset {
    /// What orders two offsets of a partition: text that compares bytewise, so numbers are zero-padded.
    pub order: String,
    /// What the source needs to go on from here and cannot be ordered by, such as a scan's last evaluated key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}

/// How far a partition has been read: `Start < At(offset) < End`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Known, and nothing of it was read.
    Start,
    /// Everything up to and including this offset was read.
    At(Offset),
    /// Everything was read, and nothing more can come.
    End,
}

/// What a batch read of one partition: everything after `from`, up to and including `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where the partition stood before; `None` if it was not known.
    pub from: Option<Position>,
    /// Where it stands afterwards; not before `from`.
    pub to: Position,
}

/// What a batch adds to a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// How far partitions were read.
    pub spans: BTreeMap<PartitionId, Span>,
    /// What the source must remember, replacing earlier values of the same names.
    pub facts: BTreeMap<String, String>,
    /// Partitions at their end that are never asked for again, so that checkpoints do not grow for ever.
    pub forget: BTreeSet<PartitionId>,
    /// Whether the snapshot of this epoch is complete with this batch.
    pub snapshot_ended: bool,
}

impl Progress {
    /// Creates the progress of one partition.
    pub fn of(partition: PartitionId, from: Option<Position>, to: Position) -> Self {
        Self { spans: BTreeMap::from([(partition, Span { from, to })]), ..Self::default() }
    }

    /// Returns whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far a table has been read, per partition, and what goes with it.
///
/// It commits together with the rows it speaks of, so that after a crash the table goes on exactly where its rows end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    epoch: Epoch,
    #[serde(default)]
    snapshot_ended: bool,
    /// Whether a snapshot of an earlier epoch was complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    loaded: bool,
    #[serde(default)]
    facts: BTreeMap<String, String>,
    #[serde(default)]
    names: NameMap,
    #[serde(default)]
    partitions: BTreeMap<PartitionId, Position>,
    #[serde(default, skip_serializing_if = "Gaps::is_empty")]
    gaps: Gaps,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    handed_over: bool,
}

impl Default for Checkpoint {
    /// The checkpoint of a table of which nothing was read.
    fn default() -> Self {
        Self {
            epoch: Epoch::FIRST,
            snapshot_ended: false,
            loaded: false,
            facts: BTreeMap::new(),
            names: NameMap::new(),
            partitions: BTreeMap::new(),
            gaps: Gaps::default(),
            handed_over: false,
        }
    }
}

impl Checkpoint {
    /// Returns the epoch: rows read from here on carry it in their order key.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns whether the snapshot of this epoch is complete; until then destinations keep tombstones.
    pub fn snapshot_ended(&self) -> bool {
        self.snapshot_ended
    }

    /// Returns whether a snapshot was ever complete, in this epoch or an earlier one, so that the table had all its items once.
    ///
    /// A gap in the middle of a first load does not make it one that was complete.
    pub fn was_loaded(&self) -> bool {
        self.loaded || self.snapshot_ended
    }

    /// Returns what the source remembers under this name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// Returns where every known partition stands.
    pub fn partitions(&self) -> &BTreeMap<PartitionId, Position> {
        &self.partitions
    }

    /// Returns where a partition stands, `None` if it is not known.
    pub fn position(&self, partition: &PartitionId) -> Option<&Position> {
        self.partitions.get(partition)
    }

    /// Returns the column names that were given to attributes.
    pub fn names(&self) -> &NameMap {
        &self.names
    }

    /// Replaces the column names that were given to attributes.
    pub fn set_names(&mut self, names: NameMap) {
        self.names = names;
    }

    /// Adds what a batch read; all of it or, on an error, nothing.
    ///
    /// | partition stands at | `span.from` | result |
    /// |---|---|---|
    /// | `p` | `p` | moves to `span.to` |
    /// | not known | `None` | moves to `span.to` |
    /// | anything else | | error: the batch overlaps what was read, or leaves a hole |
    ///
    /// Returns [`Unexpected`](ErrorKind::Unexpected) naming the partition, also if a span runs backwards, or a partition that is not
    /// at its end shall be forgotten.
    pub fn advance(&mut self, progress: &Progress) -> Result<()> {
        let refuse = |partition: &PartitionId, problem: &str| {
            Err(Error::new(ErrorKind::Unexpected, "A batch does not follow its table's checkpoint")
                .with("partition", partition)
                .with("problem", problem))
        };
        for (partition, span) in &progress.spans {
            if self.partitions.get(partition) != span.from.as_ref() {
                return refuse(partition, "it does not start where the partition stands");
            }
            if span.from.as_ref().is_some_and(|from| *from > span.to) {
                return refuse(partition, "it runs backwards");
            }
        }
        for partition in &progress.forget {
            let after = progress.spans.get(partition).map(|span| &span.to).or_else(|| self.partitions.get(partition));
            if after.is_some_and(|position| *position != Position::End) {
                return refuse(partition, "it is not at its end and cannot be forgotten");
            }
        }
        for (partition, span) in &progress.spans {
            self.partitions.insert(partition.clone(), span.to.clone());
        }
        for partition in &progress.forget {
            self.partitions.remove(partition);
        }
        self.facts.extend(progress.facts.clone());
        self.snapshot_ended |= progress.snapshot_ended;
        Ok(())
    }

    /// Returns the checkpoint from which the table is read anew, as the next epoch: no snapshot was taken, the partitions in
    /// `keep` stand where they stood, and facts stay; names stay for as long as the table does.
    #[must_use]
    pub fn next_epoch(&self, keep: impl Fn(&PartitionId) -> bool) -> Self {
        let mut next = self.clone();
        next.epoch = self.epoch.next();
        next.loaded = self.was_loaded();
        next.snapshot_ended = false;
        next.handed_over = false;
        next.partitions.retain(|partition, _| keep(partition));
        next
    }

    /// Returns the next epoch that repairs a gap: what was lost is forgotten, and the gap is remembered for whoever looks later.
    #[must_use]
    pub fn after_gap(&self, gap: &Gap) -> Self {
        let mut next = self.next_epoch(|partition| !gap.partitions.contains(partition));
        for fact in &gap.facts {
            next.forget_fact(fact);
        }
        next.gaps.add(gap, next.epoch);
        next
    }

    /// Returns the next epoch as somebody commits it who asks for a resync and does not go on himself: nothing that was followed
    /// is given up, and the table is [handed over](Self::is_handed_over) to whoever runs.
    #[must_use]
    pub fn hand_over(&self) -> Self {
        Self { handed_over: true, ..self.next_epoch(|_| true) }
    }

    /// Returns whether the last commit was that of somebody who asked for a resync: a writer whom that fenced may open the table
    /// again and go on.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// Goes on with a table that was handed over, so that a later commit says nothing of it any more.
    pub fn take_up(&mut self) {
        self.handed_over = false;
    }

    /// Returns the gaps that were repaired.
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// Removes what the source remembers under this name.
    pub fn forget_fact(&mut self, name: &str) {
        self.facts.remove(name);
    }
}

#[cfg(test)]
mod tests;
