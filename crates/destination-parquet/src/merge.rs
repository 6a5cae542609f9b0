//! Puts versions of keys together by the order rule, each mode's own way.

mod kept;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_select::interleave::{interleave, interleave_record_batch};
use commutator_core::{Epoch, Op, OrderKey, Result, SyncMode, TableSchema};

use crate::buckets::Bucket;
use crate::error;
use crate::keys::Keys;
use crate::types::{KEPT, Shape, Versions, arrow_schema};

/// So many rows of the largest items, 400 KB, stay below the 2 GiB that one column of a batch can hold.
const BATCH_ROWS: usize = 4096;

/// Rows of which none is older than another by where it stands: a file, or everything that one transaction wrote.
#[derive(Debug, Default)]
pub(crate) struct Versioned {
    pub(crate) batches: Vec<RecordBatch>,
}

/// What is kept of the versions of a key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    pub(crate) mode: SyncMode,
    /// Removals that remove nothing are left out, once the rows are the table.
    pub(crate) filtered: bool,
    /// The rows are merged again before they become the table, so that removals stay, as tombstones.
    pub(crate) interim: bool,
    /// The snapshot that ends.
    pub(crate) ended: Option<Ended>,
}

/// A snapshot that ends with a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) epoch: Epoch,
    /// When the transaction began, in microseconds since 1970.
    pub(crate) synced_at: i64,
}

/// Where a row stands: its batch, and its place in it.
pub(crate) type At = (usize, usize);

/// Rows as they are merged.
pub(crate) struct Rows<'a> {
    pub(crate) batches: Vec<&'a RecordBatch>,
    pub(crate) keys: Vec<Keys>,
    pub(crate) versions: Vec<Versions<'a>>,
    /// The input of each batch.
    input_of: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn of(inputs: &'a [Versioned], table: &TableSchema) -> Self {
        let batches: Vec<&RecordBatch> = inputs.iter().flat_map(|input| &input.batches).collect();
        Self {
            keys: batches.iter().map(|batch| Keys::of(batch, table.keys())).collect(),
            versions: batches.iter().map(|batch| Versions::of(batch, table)).collect(),
            input_of: inputs
                .iter()
                .enumerate()
                .flat_map(|(i, input)| std::iter::repeat_n(i, input.batches.len()))
                .collect(),
            batches,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.batches.iter().map(|batch| batch.num_rows()).sum()
    }

    /// Returns every row, in the order of the inputs.
    pub(crate) fn all(&self) -> impl Iterator<Item = At> {
        self.batches.iter().enumerate().flat_map(|(at, batch)| (0..batch.num_rows()).map(move |row| (at, row)))
    }

    pub(crate) fn key(&self, (at, row): At) -> &[u8] {
        self.keys[at].get(row)
    }

    pub(crate) fn order(&self, (at, row): At) -> &'a str {
        self.versions[at].order(row)
    }

    pub(crate) fn is_removal(&self, (at, row): At) -> bool {
        self.versions[at].is_removal(row)
    }

    /// Returns whether a row takes the place of another one of its key.
    ///
    /// Of equal order keys within one input the later row stays, as in [`ChangeBatch::compact`](commutator_core::ChangeBatch::compact);
    /// between inputs the earlier one, as what a table holds is replaced only by something newer. They are the same version anyway.
    pub(crate) fn is_newer(&self, new: At, held: At) -> bool {
        let (new_order, held_order) = (self.order(new), self.order(held));
        new_order > held_order || (new_order == held_order && self.input_of[new.0] == self.input_of[held.0])
    }
}

/// Returns what a mode keeps of each key, for each of some buckets that do not overlap.
///
/// The rows of a key that falls into none of the buckets are left out. Rows keep the order of the inputs.
pub(crate) fn merge(
    inputs: &[Versioned],
    table: &TableSchema,
    keep: Keep,
    buckets: &[Bucket],
) -> Result<Vec<Vec<RecordBatch>>> {
    let mut parts = vec![Vec::new(); buckets.len()];
    let add = |part: usize, rows| {
        parts[part].push(rows);
        Ok(())
    };
    merge_into(inputs, table, keep, |_, _| buckets.to_vec(), add)?;
    Ok(parts)
}

/// The same, a batch at a time and bucket after bucket, for those that `cut` returns when it is told how many rows stay, and of
/// how many.
///
/// If it is a single bucket, all rows must fall into it: what stays as it is is then not even copied.
pub(crate) fn merge_into(
    inputs: &[Versioned],
    table: &TableSchema,
    keep: Keep,
    cut: impl FnOnce(usize, usize) -> Vec<Bucket>,
    mut add: impl FnMut(usize, RecordBatch) -> Result<()>,
) -> Result<Vec<Bucket>> {
    let rows = Rows::of(inputs, table);
    let mut chosen = match keep.mode {
        SyncMode::SoftDelete => kept::marked(&rows, keep),
        SyncMode::History => kept::versions(&rows, keep),
        SyncMode::Mirror | SyncMode::Append => kept::newest(&rows, keep),
    };
    let buckets = cut(chosen.rows.len() + chosen.removed.len(), rows.count());
    if buckets.len() == 1 && chosen.is_all_of(&rows) {
        rows.batches.into_iter().filter(|batch| batch.num_rows() > 0).try_for_each(|batch| add(0, batch.clone()))?;
        return Ok(buckets);
    }
    chosen.sort();
    let hash = |(at, row): At| rows.keys[at].hash(row);
    let mut parts = vec![kept::Chosen::default(); buckets.len()];
    for row in chosen.rows {
        if let Some(part) = position(&buckets, hash(row)) {
            parts[part].rows.push(row);
        }
    }
    for removed in chosen.removed {
        if let Some(part) = position(&buckets, hash(removed.image)) {
            parts[part].removed.push(removed);
        }
    }
    for (at, part) in parts.iter().enumerate() {
        for chunk in part.rows.chunks(BATCH_ROWS) {
            add(at, interleave_record_batch(&rows.batches, chunk).map_err(error::arrow)?)?;
        }
        removals(&rows.batches, table, keep, &part.removed)?.into_iter().try_for_each(|batch| add(at, batch))?;
    }
    Ok(buckets)
}

/// Returns the rows of batches by the bucket they fall into; buckets do not overlap, and all versions stay.
pub(crate) fn scatter(
    batches: &[RecordBatch],
    table: &TableSchema,
    buckets: &[Bucket],
) -> Result<Vec<Vec<RecordBatch>>> {
    let mut parts = vec![Vec::new(); buckets.len()];
    for (at, batch) in batches.iter().enumerate() {
        let keys = Keys::of(batch, table.keys());
        for row in 0..batch.num_rows() {
            if let Some(part) = position(buckets, keys.hash(row)) {
                parts[part].push((at, row));
            }
        }
    }
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    parts.iter().map(|part| gather(&batches, part)).collect()
}

/// Buckets are in order, and so are the hashes they hold.
fn position(buckets: &[Bucket], hash: u64) -> Option<usize> {
    let after = buckets.partition_point(|bucket| bucket.starts_at() <= hash);
    after.checked_sub(1).filter(|&i| buckets[i].contains(hash))
}

fn gather(batches: &[&RecordBatch], rows: &[(usize, usize)]) -> Result<Vec<RecordBatch>> {
    rows.chunks(BATCH_ROWS).map(|chunk| interleave_record_batch(batches, chunk).map_err(error::arrow)).collect()
}

/// Returns removals that none of the rows is as it stands: with the values of another row, or as a snapshot's end makes them.
fn removals(
    batches: &[&RecordBatch],
    table: &TableSchema,
    keep: Keep,
    removed: &[kept::Removed],
) -> Result<Vec<RecordBatch>> {
    let own = table.columns().len();
    let take = |column: usize, rows: &[At]| -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
        interleave(&arrays, rows).map_err(error::arrow)
    };
    let batch = |removed: &[kept::Removed]| {
        let images: Vec<At> = removed.iter().map(|removed| removed.image).collect();
        let removals: Vec<At> = removed.iter().filter_map(|removed| removed.by).collect();
        let has_values = keep.mode == SyncMode::SoftDelete;
        let mut columns = Vec::with_capacity(own + 4);
        for (i, column) in table.columns().iter().enumerate() {
            let values = if column.key || has_values {
                take(i, &images)?
            } else {
                new_null_array(batches[images[0].0].column(i).data_type(), images.len())
            };
            columns.push(values);
        }
        let op = if has_values { KEPT } else { Op::Remove.as_str() };
        columns.push(Arc::new(StringArray::from(vec![op; images.len()])));
        match keep.ended.filter(|_| removals.is_empty()) {
            None => {
                for column in own + 1..own + 4 {
                    columns.push(take(column, &removals)?);
                }
            }
            Some(Ended { epoch, synced_at }) => {
                let order = OrderKey::snapshot(epoch).to_string();
                columns.push(Arc::new(StringArray::from(vec![order; images.len()])));
                for time in [None, Some(synced_at)] {
                    let times = TimestampMicrosecondArray::from(vec![time; images.len()]);
                    columns.push(Arc::new(times.with_timezone("UTC")));
                }
            }
        }
        RecordBatch::try_new(arrow_schema(table, Shape::Changes), columns).map_err(error::arrow)
    };
    let (by_rows, by_end): (Vec<_>, Vec<_>) = removed.iter().copied().partition(|removed| removed.by.is_some());
    [by_rows, by_end].iter().flat_map(|removed| removed.chunks(BATCH_ROWS)).map(batch).collect()
}

#[cfg(test)]
mod tests;
