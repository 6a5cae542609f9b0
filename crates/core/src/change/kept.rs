//! What of a batch each sync mode keeps.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use arrow_row::{Row, Rows};

use super::{ChangeBatch, Op, selection_failed};
use crate::{Epoch, OrderKey, Result};

impl ChangeBatch {
    /// Returns the batch with only the newest row of each key, the others in their order; what `mirror` keeps.
    ///
    /// Applying a batch and applying its compaction give the same mirror. Of two rows with equal order keys, which can only be
    /// the same version, the later one stays.
    pub fn compact(&self) -> Result<Self> {
        let keys = self.keys()?;
        self.keep(newest(&keys, &self.orders, |_| true).into_values())
    }

    /// Returns the batch with the newest row of each key and, where that is a removal, also the newest that is none, the others in
    /// their order; what `soft_delete` keeps.
    ///
    /// Applying a batch and applying its compaction give the same table: a deleted row has the values that it had last.
    pub fn compact_keeping_images(&self) -> Result<Self> {
        let keys = self.keys()?;
        let newest_of_all = newest(&keys, &self.orders, |_| true);
        let mut images = newest(&keys, &self.orders, |row| !self.ops[row].is_removal());
        images.retain(|key, _| newest_of_all.get(key).is_some_and(|&row| self.ops[row].is_removal()));
        self.keep(newest_of_all.into_values().chain(images.into_values()))
    }

    /// Returns the batch with each version of a key once, in their order; what `history` keeps.
    ///
    /// Of rows with equal keys and order keys the first one stays: a version that is there stays as it is.
    pub fn distinct(&self) -> Result<Self> {
        let keys = self.keys()?;
        let mut known = HashSet::with_capacity(self.len());
        let versions = keys.iter().zip(&self.orders).enumerate();
        self.keep(versions.filter_map(|(row, version)| known.insert(version).then_some(row)))
    }

    /// Returns of each row whether a table of [filtered](crate::Target::filtered) items keeps it, if the batch holds all that is known of
    /// its keys, each version once: all but idle removals, before which there is no version of their key that is none.
    pub fn not_idle(&self) -> Result<Vec<bool>> {
        let keys = self.keys()?;
        let mut rows_of: HashMap<_, Vec<usize>> = HashMap::with_capacity(self.len());
        for (row, key) in keys.iter().enumerate() {
            rows_of.entry(key).or_default().push(row);
        }
        let mut keep = vec![true; self.len()];
        for mut rows in rows_of.into_values() {
            rows.sort_unstable_by_key(|&row| self.orders[row]);
            let mut was_there = false;
            for row in rows {
                let is_there = !self.ops[row].is_removal();
                keep[row] = is_there || was_there;
                was_there = is_there;
            }
        }
        Ok(keep)
    }

    /// Returns a removal for each key whose newest row is of an epoch before `epoch` and not a removal already; what `soft_delete` and
    /// `history` add when the snapshot of `epoch` ends.
    ///
    /// The snapshot did not see these keys, and nobody knows when they were removed: the removals have its order key and no time.
    pub fn unseen(&self, epoch: Epoch) -> Result<Self> {
        let newest = self.compact()?;
        let unseen = |(order, op): (&OrderKey, &Op)| order.epoch() < epoch && !op.is_removal();
        let unseen: Vec<_> = newest.orders.iter().zip(&newest.ops).map(unseen).collect();
        let gone = newest.filter(&unseen)?;
        let keys = gone.schema.keys().len();
        let columns = gone.rows.columns().iter().enumerate();
        let columns =
            columns.map(
                |(i, column)| {
                    if i < keys { Arc::clone(column) } else { new_null_array(column.data_type(), column.len()) }
                },
            );
        let rows = RecordBatch::try_new(gone.rows.schema(), columns.collect()).map_err(selection_failed)?;
        let count = gone.len();
        let (ops, orders) = (vec![Op::Remove; count], vec![OrderKey::snapshot(epoch); count]);
        Self::new(gone.schema, rows, ops, orders, vec![None; count])
    }

    fn keep(&self, rows: impl Iterator<Item = usize>) -> Result<Self> {
        let mut keep = vec![false; self.len()];
        rows.for_each(|row| keep[row] = true);
        if keep.iter().all(|&keep| keep) { Ok(self.clone()) } else { self.filter(&keep) }
    }
}

/// Returns the newest row of each key among those that `counts` says yes to; of equally new ones the last.
fn newest<'a>(keys: &'a Rows, orders: &[OrderKey], counts: impl Fn(usize) -> bool) -> HashMap<Row<'a>, usize> {
    let mut newest = HashMap::with_capacity(orders.len());
    for (row, key) in keys.iter().enumerate().filter(|(row, _)| counts(*row)) {
        let best = newest.entry(key).or_insert(row);
        if orders[row] >= orders[*best] {
            *best = row;
        }
    }
    newest
}
