//! The shards of a stream: what is listed, how far each was read, and what follows for the whole stream. No effects.

use std::collections::{BTreeMap, BTreeSet};

use commutator_core::{Lag, Position};
use tokio::time::Instant;

use super::lineage::{Lineage, Shard, known, lineage, with_descendants};
use super::retention;
use super::tip::Tip;

/// A shard has to be missing from so many listings in a row before its end is forgotten: listings are eventually consistent.
const ABSENCES: u32 = 6;

/// A child is expected in so many listings after its parent has ended; while one is expected they come twice a second.
const EXPECTED: u32 = 60;

/// The state of a stream's shards.
#[derive(Debug)]
pub(crate) struct Shards {
    listed: Vec<Shard>,
    positions: BTreeMap<String, Position>,
    active: BTreeMap<String, Tip>,
    /// The watermarks of the shards that ended in this run and are still listed.
    ended: BTreeMap<String, Option<i64>>,
    /// Those of them of which no child is listed yet, and how many listings showed none.
    childless: BTreeMap<String, u32>,
    absences: BTreeMap<String, u32>,
    /// Whether a shard is listed that is not read yet because nobody knows its parent.
    any_orphan: bool,
    covered_until: Option<i64>,
}

/// What a listing asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Shards to put at their start in the checkpoint.
    pub(crate) new: Vec<String>,
    /// Ended shards to take out of the checkpoint.
    pub(crate) forget: Vec<String>,
    /// Shards whose parent nobody knows.
    pub(crate) orphans: BTreeSet<String>,
    /// Shards that were not read to their end and are gone.
    pub(crate) vanished: BTreeSet<String>,
}

/// A shard that can be read from now on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Startable {
    pub(crate) id: String,
    pub(crate) position: Position,
    pub(crate) watermark_ms: Option<i64>,
}

impl Shards {
    /// Creates the state from where every known shard stands; changes created before `covered_until` do not matter any more.
    pub(crate) fn new(positions: BTreeMap<String, Position>, covered_until: Option<i64>) -> Self {
        Self {
            listed: Vec::new(),
            positions,
            active: BTreeMap::new(),
            ended: BTreeMap::new(),
            childless: BTreeMap::new(),
            absences: BTreeMap::new(),
            any_orphan: false,
            covered_until,
        }
    }

    /// Takes over a listing. Orphans are registered like any other shard if `accept_orphans`.
    pub(crate) fn list(&mut self, listed: Vec<Shard>, accept_orphans: bool) -> Listed {
        self.listed = listed;
        let ids: BTreeSet<&str> = self.listed.iter().map(|shard| shard.id.as_str()).collect();
        let parents: BTreeSet<&str> = self.listed.iter().filter_map(|shard| shard.parent.as_deref()).collect();
        self.ended.retain(|id, _| ids.contains(id.as_str()));
        // Also of those that ended in an earlier run: it may have died before their children were listed. A listing that lacks one of them
        // says nothing of its children.
        let ended = self.positions.iter().filter(|(_, to)| **to == Position::End).map(|(id, _)| id);
        let expecting = ended.filter(|id| !parents.contains(id.as_str())).filter_map(|id| {
            let listings = self.childless.get(id).copied();
            let listings = if ids.contains(id.as_str()) { listings.unwrap_or(0) + 1 } else { listings? };
            Some((id.clone(), listings))
        });
        self.childless = expecting.collect();
        let lineage = self.lineage();
        let orphans = if accept_orphans { BTreeSet::new() } else { lineage.orphans.clone() };
        self.any_orphan = !orphans.is_empty();
        let early = with_descendants(&orphans, &self.listed);
        let new: Vec<String> = self
            .listed
            .iter()
            .map(|shard| &shard.id)
            .filter(|id| !self.positions.contains_key(*id) && !early.contains(*id))
            .cloned()
            .collect();
        for id in &new {
            self.positions.insert(id.clone(), Position::Start);
        }
        self.absences.retain(|id, _| lineage.forgettable.contains(id));
        let mut forget = Vec::new();
        for id in lineage.forgettable {
            let absences = self.absences.entry(id.clone()).or_default();
            *absences += 1;
            if *absences >= ABSENCES {
                forget.push(id);
            }
        }
        for id in &forget {
            self.absences.remove(id);
            self.positions.remove(id);
        }
        Listed { new, forget, orphans, vanished: lineage.vanished }
    }

    /// Returns the shards that can be read now and are not being read yet; from now on they count as being read.
    pub(crate) fn start(&mut self) -> Vec<Startable> {
        let ready: Vec<String> = self.lineage().ready.into_iter().filter(|id| !self.active.contains_key(id)).collect();
        ready
            .into_iter()
            .filter_map(|id| {
                let position = self.positions.get(&id)?.clone();
                let watermark_ms = self.inherited(&id).max(self.covered_until);
                self.active.insert(id.clone(), Tip::new(watermark_ms));
                Some(Startable { id, position, watermark_ms })
            })
            .collect()
    }

    /// Notes what a page of a shard showed, once what was on it was sent.
    pub(crate) fn read(&mut self, id: &str, position: &Position, tip: &Tip) {
        self.positions.insert(id.to_owned(), position.clone());
        if *position == Position::End {
            self.active.remove(id);
            self.ended.insert(id.to_owned(), tip.watermark_ms());
            if !self.listed.iter().any(|shard| shard.parent.as_deref() == Some(id)) {
                self.childless.insert(id.to_owned(), 0);
            }
        } else {
            self.active.insert(id.to_owned(), tip.clone());
        }
    }

    /// Returns whether every shard was read to its end, or to its tip at a time after `since`.
    pub(crate) fn all_read(&self, since: Option<Instant>) -> bool {
        if !self.active.values().all(|tip| tip.reached_after(since)) {
            return false;
        }
        let lineage = self.lineage();
        lineage.waiting.is_empty()
            && lineage.orphans.is_empty()
            && lineage.ready.iter().all(|id| self.active.contains_key(id))
    }

    /// Returns whether there is a shard that has not ended.
    pub(crate) fn any_open(&self) -> bool {
        !self.active.is_empty()
    }

    /// Returns whether this shard has ended and no child of it is listed.
    pub(crate) fn is_childless(&self, id: &str) -> bool {
        self.childless.contains_key(id)
    }

    /// Returns whether a shard has ended and its child is still to be listed; while the stream is on there is always one.
    pub(crate) fn any_childless_end(&self) -> bool {
        self.expecting().next().is_some()
    }

    /// Returns the shards that have ended and whose child is still to be listed. After many listings there will be none: it came and
    /// went before its parent.
    fn expecting(&self) -> impl Iterator<Item = &String> {
        self.childless.iter().filter(|(_, listings)| **listings < EXPECTED).map(|(id, _)| id)
    }

    /// Returns whether a shard has ended and exactly one child of it is listed: it has rolled, or it has split and its other child is
    /// listed late.
    pub(crate) fn any_only_child(&self) -> bool {
        let mut children: BTreeMap<&str, u32> = BTreeMap::new();
        for parent in self.listed.iter().filter_map(|shard| shard.parent.as_deref()) {
            *children.entry(parent).or_default() += 1;
        }
        children.iter().any(|(parent, count)| *count == 1 && self.positions.get(*parent) == Some(&Position::End))
    }

    /// Returns the time before which every change was read; it never goes back.
    pub(crate) fn covered_until(&mut self) -> Option<i64> {
        if self.any_orphan {
            return self.covered_until;
        }
        let open = self.active.values().map(Tip::watermark_ms);
        let between = self.expecting().filter_map(|id| self.ended.get(id).copied());
        if let Some(lowest) = open.chain(between).min() {
            self.covered_until = self.covered_until.max(lowest);
        }
        self.covered_until
    }

    /// Returns how far behind the reading is.
    pub(crate) fn lag(&mut self, now_ms: i64) -> Lag {
        let time_left = retention::time_left(self.covered_until(), now_ms);
        let behind = |tip: &Tip| tip.newest_ms().or(tip.watermark_ms()).map_or(0, |ms| now_ms.saturating_sub(ms));
        let worst = self.active.values().filter(|tip| tip.empty_run() == 0).map(behind).max().unwrap_or(0);
        Lag { milliseconds: u64::try_from(worst).unwrap_or(0), partitions: self.active.len() as u64, time_left }
    }

    /// Returns the ids of the shards that have not been read to their end.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &String> {
        self.positions.iter().filter(|(_, position)| **position != Position::End).map(|(id, _)| id)
    }

    fn lineage(&self) -> Lineage {
        lineage(&self.listed, &known(&self.positions))
    }

    /// Returns the watermark of a shard's parent, if it ended in this run: the child's changes are newer.
    fn inherited(&self, id: &str) -> Option<i64> {
        let parent = self.listed.iter().find(|shard| shard.id == id)?.parent.as_ref()?;
        self.ended.get(parent).copied().flatten()
    }
}

#[cfg(test)]
#[path = "shards_tests.rs"]
mod tests;
