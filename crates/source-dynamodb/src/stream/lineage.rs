//! Which shards may be read: a pure function of the listed shards and of what is known about them.
//!
//! A parent is read to its end before its children, so that the changes of one item come in their order. Nothing but the listing and the
//! checkpoint is needed to decide that.

use std::collections::{BTreeMap, BTreeSet};

use commutator_core::Position;

/// A shard as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Its id.
    pub(crate) id: String,
    /// The shard it was split from, which need not be listed any more.
    pub(crate) parent: Option<String>,
}

/// How far a shard that the checkpoint knows has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing of it, or a part.
    Unfinished,
    /// All of it.
    Ended,
}

/// Returns how far shards at these positions have been read.
pub(crate) fn known(positions: &BTreeMap<String, Position>) -> BTreeMap<String, Known> {
    let known = |position: &Position| if *position == Position::End { Known::Ended } else { Known::Unfinished };
    positions.iter().map(|(id, position)| (id.clone(), known(position))).collect()
}

/// Returns the orphans and all listed shards that descend from them.
///
/// None of them may be put into a checkpoint: that a child is known is what says that its parent's parent was read and forgotten.
pub(crate) fn with_descendants(orphans: &BTreeSet<String>, listed: &[Shard]) -> BTreeSet<String> {
    let mut all = orphans.clone();
    loop {
        let descends = |shard: &&Shard| shard.parent.as_ref().is_some_and(|parent| all.contains(parent));
        let more: Vec<_> = listed.iter().filter(|shard| !all.contains(&shard.id)).filter(descends).collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more.into_iter().map(|shard| shard.id.clone()));
    }
}

/// Shards take changes for four hours or so and are listed for 24 more, so a parent that was made before is not listed late: it expired.
const LISTED_FOR_MS: i64 = 26 * 60 * 60 * 1000;

/// Returns whether every parent that is not listed is so old that it must have expired, by the time that is part of a shard's id.
///
/// That form of ids is not documented, so nothing but patience may depend on it.
pub(crate) fn parents_are_old(listed: &[Shard], now_ms: i64) -> bool {
    let ids: BTreeSet<&str> = listed.iter().map(|shard| shard.id.as_str()).collect();
    let made_at = |id: &str| id.strip_prefix("shardId-")?.split('-').next()?.parse::<i64>().ok();
    let absent = listed.iter().filter_map(|shard| shard.parent.as_deref()).filter(|parent| !ids.contains(parent));
    absent.filter_map(made_at).all(|made_at| now_ms.saturating_sub(made_at) > LISTED_FOR_MS)
}

/// What a listing means. Every listed shard that has not ended is in exactly one of the first three sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// May be read now.
    pub(crate) ready: BTreeSet<String>,
    /// Wait for their parents.
    pub(crate) waiting: BTreeSet<String>,
    /// Have a parent that nobody knows: it is listed late, or it expired before anybody read it.
    pub(crate) orphans: BTreeSet<String>,
    /// Were not read to their end and are not listed any more.
    pub(crate) vanished: BTreeSet<String>,
    /// Ended, and nothing listed depends on remembering them.
    pub(crate) forgettable: BTreeSet<String>,
}

/// Decides what may be read.
///
/// | the shard's parent | the shard is |
/// |---|---|
/// | none | ready |
/// | has ended | ready |
/// | listed or known, and has not ended | waiting |
/// | neither listed nor known, and the shard itself or a listed child of it is known | ready: the parent was ended and forgotten |
/// | neither listed nor known | an orphan |
pub(crate) fn lineage(listed: &[Shard], known: &BTreeMap<String, Known>) -> Lineage {
    let ids: BTreeSet<&str> = listed.iter().map(|shard| shard.id.as_str()).collect();
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for shard in listed {
        if let Some(parent) = &shard.parent {
            children.entry(parent).or_default().push(&shard.id);
        }
    }
    let child_is = |id: &str, test: &dyn Fn(&str) -> bool| children.get(id).is_some_and(|c| c.iter().any(|c| test(c)));
    let mut lineage = Lineage::default();
    for shard in listed.iter().filter(|shard| known.get(&shard.id) != Some(&Known::Ended)) {
        let set = match shard.parent.as_deref() {
            None => &mut lineage.ready,
            Some(parent) => match (known.get(parent), ids.contains(parent)) {
                (Some(Known::Ended), _) => &mut lineage.ready,
                (Some(Known::Unfinished), _) | (None, true) => &mut lineage.waiting,
                (None, false) => {
                    if known.contains_key(&shard.id) || child_is(&shard.id, &|child| known.contains_key(child)) {
                        &mut lineage.ready
                    } else {
                        &mut lineage.orphans
                    }
                }
            },
        };
        set.insert(shard.id.clone());
    }
    for (id, state) in known.iter().filter(|(id, _)| !ids.contains(id.as_str())) {
        match state {
            Known::Unfinished => {
                lineage.vanished.insert(id.clone());
            }
            Known::Ended => {
                if !child_is(id, &|child| !known.contains_key(child)) {
                    lineage.forgettable.insert(id.clone());
                }
            }
        }
    }
    lineage
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
