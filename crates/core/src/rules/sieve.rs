//! Which rows there are: filters, and what they make of changes.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_select::take::take;

use super::compiled::Rules;
use super::tighten::tighten;
use super::{Filter, LeftOut};
use crate::{ChangeBatch, Error, ErrorKind, Op, Result, SyncMode};

/// The rows that are left, and where each stood.
pub(super) struct Filtered {
    pub(super) changes: ChangeBatch,
    pub(super) places: Vec<usize>,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    /// The destination may have the key, and must not any more.
    Removed,
}

impl Rules {
    /// Applies the filters; `None` if every row stays as it is.
    pub(super) fn filter(&self, batch: &ChangeBatch) -> Result<(Option<Filtered>, LeftOut)> {
        let mut left_out = LeftOut::default();
        let filters: Vec<_> = self.part.iter().chain(&self.said.filter).collect();
        if filters.is_empty() && self.unmatched.is_none() {
            return Ok((None, left_out));
        }
        if let Some(unmatched) = &self.unmatched {
            let live = batch.ops().iter().map(|op| !op.is_removal());
            let rows = unmatched.passes(batch).into_iter().zip(live).filter(|(unmatched, live)| *unmatched && *live);
            left_out.unmatched_rows = rows.count() as u64;
        }
        let mut fates = vec![Fate::Stays; batch.len()];
        for filter in filters {
            let keys_alone = self.looks_at_keys_alone(filter);
            for (row, passes) in filter.passes(batch).into_iter().enumerate() {
                fates[row] = fates[row].and(if passes { Fate::Stays } else { self.fate(batch.ops()[row], keys_alone) });
            }
        }
        if fates.iter().all(|fate| *fate == Fate::Stays) {
            return Ok((None, left_out));
        }
        // What belongs to another part was not left out.
        if let Some(filter) = &self.said.filter {
            let belongs = self.part.as_ref().map(|part| part.passes(batch));
            let rows = filter.passes(batch).into_iter().enumerate().filter(|(row, passes)| {
                !passes && !batch.ops()[*row].is_removal() && belongs.as_ref().is_none_or(|belongs| belongs[*row])
            });
            left_out.filtered_rows = rows.count() as u64;
        }
        Ok((Some(sift(batch, &fates)?), left_out))
    }

    /// Returns what becomes of a row that does not pass.
    fn fate(&self, op: Op, keys_alone: bool) -> Fate {
        match op {
            // What it did not let pass before, by the same key, it has not let pass ever.
            _ if keys_alone => Fate::Goes,
            Op::Remove | Op::Expire => Fate::Stays,
            // There was no item before: nothing of it can be in the destination, or the snapshot's end removes it.
            Op::Snapshot | Op::Insert => Fate::Goes,
            Op::Modify if self.mode == SyncMode::Append => Fate::Goes,
            Op::Modify => Fate::Removed,
        }
    }

    /// Returns whether a filter leaves items out by attributes beside their key, so that an item may come to pass it, or pass it no more.
    pub fn leave_items_out(&self) -> bool {
        self.part.iter().chain(&self.said.filter).any(|filter| !self.looks_at_keys_alone(filter))
    }

    fn looks_at_keys_alone(&self, filter: &Filter) -> bool {
        filter.attributes().into_iter().all(|attribute| self.key_attributes.contains(attribute))
    }
}

impl Fate {
    /// Returns what becomes of a row under two filters.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Goes, _) | (_, Self::Goes) => Self::Goes,
            (Self::Removed, _) | (_, Self::Removed) => Self::Removed,
            (Self::Stays, Self::Stays) => Self::Stays,
        }
    }
}

fn sift(batch: &ChangeBatch, fates: &[Fate]) -> Result<Filtered> {
    let places: Vec<usize> = (0..batch.len()).filter(|row| fates[*row] != Fate::Goes).collect();
    let indices = places.iter().map(|&row| u32::try_from(row)).collect::<std::result::Result<Vec<_>, _>>();
    let indices = indices.map_err(|e| Error::new(ErrorKind::Unexpected, "A batch is too long").with_source(e))?;
    let kept = batch.take(&indices)?;
    if !fates.contains(&Fate::Removed) {
        return Ok(Filtered { changes: tighten(&kept)?, places });
    }
    let removed = |at: usize| fates[places[at]] == Fate::Removed;
    // A removal has nothing but its key: an index that is null gives null.
    let mask: UInt32Array = (0_u32..).zip(0..places.len()).map(|(index, at)| (!removed(at)).then_some(index)).collect();
    let keys = kept.schema().keys().len();
    let arrays = kept.rows().columns().iter().enumerate().map(|(at, array)| {
        if at < keys {
            return Ok(Arc::clone(array));
        }
        take(array, &mask, None)
            .map_err(|e| Error::new(ErrorKind::Unexpected, "Rows cannot be selected").with_source(e))
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    let rows = RecordBatch::try_new_with_options(kept.rows().schema(), arrays, &options)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "Rows cannot be selected").with_source(e))?;
    let ops = kept.ops().iter().enumerate().map(|(at, op)| if removed(at) { Op::Remove } else { *op }).collect();
    let schema = Arc::clone(kept.schema());
    let changes = ChangeBatch::new(schema, rows, ops, kept.orders().to_vec(), kept.changed_at().to_vec())?;
    Ok(Filtered { changes: tighten(&changes)?, places })
}
