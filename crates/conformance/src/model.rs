//! The reference model: what a table must hold after its changes, in the fewest words.

use std::collections::BTreeMap;

use commutator_core::{Epoch, OrderKey, SyncMode};

use crate::{Change, Item, Key};

/// What a table holds, as the contract says it.
#[derive(Debug, Clone)]
pub struct Model {
    mode: SyncMode,
    /// In `mirror`: the newest version of each key, `None` for a removal.
    newest: BTreeMap<Key, (OrderKey, Option<Item>)>,
    /// In `append`: every change.
    all: Vec<Change>,
}

/// A row that a table must have: its key, its attributes, its order key and, in `append`, its operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    /// The key.
    pub key: Key,
    /// The attributes.
    pub item: Item,
    /// The order key.
    pub order: OrderKey,
    /// The operation, in `append`.
    pub op: Option<&'static str>,
}

impl Model {
    /// Creates an empty table.
    pub fn new(mode: SyncMode) -> Self {
        Self { mode, newest: BTreeMap::new(), all: Vec::new() }
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &Change) {
        if self.mode == SyncMode::Append {
            self.all.push(change.clone());
            return;
        }
        let item = (!change.op.0.is_removal()).then(|| change.item.clone());
        match self.newest.get(&change.key) {
            Some((held, _)) if *held >= change.order => {}
            _ => {
                self.newest.insert(change.key.clone(), (change.order, item));
            }
        }
    }

    /// Ends the snapshot of an epoch.
    pub fn end_snapshot(&mut self, epoch: Epoch) {
        self.newest.retain(|_, (order, item)| order.epoch() >= epoch && item.is_some());
    }

    /// Returns the rows that the table must have.
    pub fn rows(&self) -> Vec<Expected> {
        let live = self.newest.iter().filter_map(|(key, (order, item))| {
            let item = item.clone()?;
            Some(Expected { key: key.clone(), item, order: *order, op: None })
        });
        let all = self.all.iter().map(|change| Expected {
            key: change.key.clone(),
            item: change.item.clone(),
            order: change.order,
            op: Some(change.op.0.as_str()),
        });
        live.chain(all).collect()
    }
}
