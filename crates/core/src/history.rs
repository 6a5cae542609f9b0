//! History: from when to when each version of a row was the row.
//!
//! A `history` table is a function of the set of its versions, so it does not matter in which order they arrive or how often. A
//! removal is a version too: it ends the one before it and is itself of no length, so that a key which comes back has a hole
//! between the two.

use std::collections::HashMap;

use crate::{ChangeBatch, Op, OrderKey, Result};

/// What the interval of a version depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its order key; a key has one version of each.
    pub order: OrderKey,
    /// What happened.
    pub op: Op,
    /// When it happened, or where the source does not tell, when it was first written; in microseconds since 1970.
    pub at: i64,
}

/// When a version was the row, in microseconds since 1970: from `from` on and before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// `_ct_valid_from`.
    pub from: i64,
    /// `_ct_valid_to`; `None` for a version that is the row now.
    pub to: Option<i64>,
    /// `_ct_current`: whether the version is the row now.
    pub current: bool,
}

/// Returns the intervals of all versions of one key, which stand in ascending order.
///
/// A version begins at its own time, or at that of a later version whose clock says an earlier one: the time of a snapshot is only
/// an upper bound, and clocks of servers differ. It ends where the next one begins. So intervals never overlap, and between an
/// insert and the removal after it there is no hole.
pub fn intervals(versions: &[Version]) -> Vec<Interval> {
    let mut next = None;
    let mut from_last: Vec<_> = versions
        .iter()
        .rev()
        .map(|version| {
            let from = next.map_or(version.at, |next: i64| next.min(version.at));
            let to = if version.op.is_removal() { Some(from) } else { next };
            next = Some(from);
            Interval { from, to, current: to.is_none() }
        })
        .collect();
    from_last.reverse();
    from_last
}

impl ChangeBatch {
    /// Returns the interval of each row, if the batch holds all versions of its keys, each once; `synced_at` has the time at which each
    /// row was first written.
    pub fn intervals(&self, synced_at: &[i64]) -> Result<Vec<Interval>> {
        let keys = self.keys()?;
        let mut rows_of: HashMap<_, Vec<usize>> = HashMap::with_capacity(self.len());
        for (row, key) in keys.iter().enumerate() {
            rows_of.entry(key).or_default().push(row);
        }
        let mut found = vec![Interval { from: 0, to: None, current: false }; self.len()];
        for mut rows in rows_of.into_values() {
            rows.sort_unstable_by_key(|&row| self.orders()[row]);
            let version = |&row: &usize| Version {
                order: self.orders()[row],
                op: self.ops()[row],
                at: self.changed_at()[row].unwrap_or(synced_at[row]),
            };
            let versions: Vec<_> = rows.iter().map(version).collect();
            for (row, interval) in rows.into_iter().zip(intervals(&versions)) {
                found[row] = interval;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
