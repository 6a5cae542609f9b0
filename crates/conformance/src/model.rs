//! The reference model: what a table must hold after its changes, in the fewest words.

use std::collections::BTreeMap;

use commutator_core::{Epoch, Op, OrderKey, SyncMode};

use crate::{Change, Item, Key};

/// What a table holds, as the contract says it.
#[derive(Debug, Clone)]
pub struct Model {
    mode: SyncMode,
    /// Whether idle removals leave nothing.
    filtered: bool,
    /// In `mirror`: the newest version of each key, `None` for a removal.
    newest: BTreeMap<Key, (OrderKey, Option<Item>)>,
    /// In `soft_delete` and `history`: every version of every key, by age.
    versions: BTreeMap<Key, BTreeMap<OrderKey, Change>>,
    /// In `append`: every change.
    all: Vec<Change>,
}

/// A row that a table must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The key.
    pub key: Key,
    /// The attributes.
    pub item: Item,
    /// Attributes that are as good: what a deleted row had last is not certain where a row of the snapshot may have come after the
    /// removal.
    pub or: Vec<Item>,
    /// The order key.
    pub order: OrderKey,
    /// Whether the row may be absent as well.
    pub optional: bool,
    /// The operation, in `append` and `history`.
    pub op: Option<Op>,
    /// Whether the row is deleted, in `soft_delete`.
    pub deleted: Option<bool>,
    /// When the change happened, in `history`.
    pub changed_at: Option<i64>,
}

impl Expected {
    /// Creates a row as `mirror` has it.
    pub fn new(key: Key, order: OrderKey, item: Item) -> Self {
        Self { key, item, or: Vec::new(), order, optional: false, op: None, deleted: None, changed_at: None }
    }
}

impl Model {
    /// Creates an empty table.
    pub fn new(mode: SyncMode) -> Self {
        Self { mode, filtered: false, newest: BTreeMap::new(), versions: BTreeMap::new(), all: Vec::new() }
    }

    /// Creates an empty table of [filtered](commutator_core::Target::filtered) items.
    pub fn filtered(mode: SyncMode) -> Self {
        Self { filtered: true, ..Self::new(mode) }
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &Change) {
        match self.mode {
            SyncMode::Append => self.all.push(change.clone()),
            SyncMode::SoftDelete | SyncMode::History => {
                let versions = self.versions.entry(change.key.clone()).or_default();
                versions.entry(change.order).or_insert_with(|| change.clone());
            }
            SyncMode::Mirror => {
                let item = (!change.op.0.is_removal()).then(|| change.item.clone());
                match self.newest.get(&change.key) {
                    Some((held, _)) if *held >= change.order => {}
                    _ => drop(self.newest.insert(change.key.clone(), (change.order, item))),
                }
            }
        }
    }

    /// Ends the snapshot of an epoch.
    pub fn end_snapshot(&mut self, epoch: Epoch) {
        self.newest.retain(|_, (order, item)| order.epoch() >= epoch && item.is_some());
        for (key, versions) in &mut self.versions {
            let seen = |(order, change): (&OrderKey, &Change)| order.epoch() >= epoch || change.op.0.is_removal();
            if !versions.last_key_value().is_none_or(seen) {
                let order = OrderKey::snapshot(epoch);
                let removal = Change::new(key.clone(), order, Op::Remove, Item::new());
                versions.insert(order, Change { changed_at: None, ..removal });
            }
        }
    }

    /// Returns the rows that the table must have.
    pub fn rows(&self) -> Vec<Expected> {
        let row = |change: &Change| Expected {
            op: Some(change.op.0),
            changed_at: change.changed_at,
            ..Expected::new(change.key.clone(), change.order, change.item.clone())
        };
        match self.mode {
            SyncMode::Mirror => {
                let live = self.newest.iter();
                live.filter_map(|(key, (order, item))| Some(Expected::new(key.clone(), *order, item.clone()?)))
                    .collect()
            }
            SyncMode::SoftDelete if self.filtered => {
                self.versions.values().filter_map(|versions| last_passed(versions, last_known(versions)?)).collect()
            }
            SyncMode::SoftDelete => self.versions.values().filter_map(last_known).collect(),
            SyncMode::History if self.filtered => self.versions.values().flat_map(not_idle).map(row).collect(),
            SyncMode::History => self.versions.values().flat_map(BTreeMap::values).map(row).collect(),
            SyncMode::Append => self.all.iter().map(row).collect(),
        }
    }
}

/// Returns the row that `soft_delete` has of a key.
fn last_known(versions: &BTreeMap<OrderKey, Change>) -> Option<Expected> {
    let (order, newest) = versions.last_key_value()?;
    let mut images = Vec::new();
    let mut certain = false;
    for change in versions.values().rev().filter(|change| !change.op.0.is_removal()) {
        images.push(change.item.clone());
        // What the stream gives of a key comes in order, so this was there before the removal; a row of the snapshot may have come later.
        certain = change.op.0 != Op::Snapshot;
        if certain {
            break;
        }
    }
    if !certain {
        images.push(Item::new());
    }
    let deleted = newest.op.0.is_removal();
    if !deleted {
        images.truncate(1);
    }
    let item = images.remove(0);
    Some(Expected { or: images, deleted: Some(deleted), ..Expected::new(newest.key.clone(), *order, item) })
}

/// Returns the row that `soft_delete` has of a key in a filtered table.
fn last_passed(versions: &BTreeMap<OrderKey, Change>, row: Expected) -> Option<Expected> {
    let mut images = versions.values().filter(|change| !change.op.0.is_removal()).peekable();
    images.peek()?;
    // The removal may have come before a row of the snapshot, which then stays away.
    let optional = row.deleted == Some(true) && images.all(|change| change.op.0 == Op::Snapshot);
    Some(Expected { optional, ..row })
}

/// Returns the versions that `history` has of a key in a filtered table, once no snapshot runs.
fn not_idle(versions: &BTreeMap<OrderKey, Change>) -> Vec<&Change> {
    let before = std::iter::once(None).chain(versions.values().map(Some));
    let removes = |before: Option<&Change>| before.is_some_and(|before| !before.op.0.is_removal());
    let kept = versions.values().zip(before).filter(|(change, before)| !change.op.0.is_removal() || removes(*before));
    kept.map(|(change, _)| change).collect()
}
