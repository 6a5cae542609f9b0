//! What rules leave out, counted: nothing is dropped in silence.

use std::ops::AddAssign;

use serde::Serialize;

/// How much rules left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LeftOut {
    /// Rows that did not pass the filter; those whose keys were removed instead are among them.
    pub filtered_rows: u64,
    /// Rows that belong to no part of a split table. They are counted by its first part.
    pub unmatched_rows: u64,
    /// Rows that were discarded because the [`Contract`](super::Contract) has no place for one of their values.
    pub discarded_rows: u64,
    /// Values that were discarded from rows that are kept, for the same reason.
    pub discarded_values: u64,
}

impl LeftOut {
    /// Returns whether nothing was left out.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for LeftOut {
    fn add_assign(&mut self, more: Self) {
        self.filtered_rows += more.filtered_rows;
        self.unmatched_rows += more.unmatched_rows;
        self.discarded_rows += more.discarded_rows;
        self.discarded_values += more.discarded_values;
    }
}
