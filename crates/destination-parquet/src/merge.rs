//! The order rule: of all versions of a key the newest stays.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_select::interleave::interleave_record_batch;
use commutator_core::{Epoch, OrderKey, Result, TableSchema};
use foldhash::fast::FixedState;

use crate::buckets::Bucket;
use crate::error;
use crate::keys::Keys;
use crate::types::Versions;

/// So many rows of the largest items, 400 KB, stay below the 2 GiB that one column of a batch can hold.
const BATCH_ROWS: usize = 4096;

/// Rows of which none is older than another by where it stands: a file, or everything that one transaction wrote.
#[derive(Debug, Default)]
pub(crate) struct Versioned {
    pub(crate) batches: Vec<RecordBatch>,
}

/// What stays besides the newest version of each key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// Removals stay, as tombstones.
    pub(crate) tombstones: bool,
    /// Rows of older epochs go.
    pub(crate) from_epoch: Option<Epoch>,
}

/// Returns the newest version of each key, for each of some buckets that do not overlap.
///
/// Of equal order keys within one input the later row stays, as in [`ChangeBatch::compact`](commutator_core::ChangeBatch::compact);
/// between inputs the earlier one, as what a table holds is replaced only by something newer. They are the same version anyway.
/// The rows of a key that falls into none of the buckets are left out. Rows keep the order of the inputs.
pub(crate) fn merge(
    inputs: &[Versioned],
    table: &TableSchema,
    keep: Keep,
    buckets: &[Bucket],
) -> Result<Vec<Vec<RecordBatch>>> {
    let batches: Vec<&RecordBatch> = inputs.iter().flat_map(|input| &input.batches).collect();
    let keys: Vec<Keys> = batches.iter().map(|batch| Keys::of(batch, table.keys())).collect();
    let versions: Vec<Versions<'_>> = batches.iter().map(|batch| Versions::of(batch, table)).collect();
    let input_of: Vec<usize> =
        inputs.iter().enumerate().flat_map(|(i, input)| std::iter::repeat_n(i, input.batches.len())).collect();

    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    let mut newest: HashMap<&[u8], (usize, usize), FixedState> =
        HashMap::with_capacity_and_hasher(rows, FixedState::default());
    for (at, batch) in batches.iter().enumerate() {
        for row in 0..batch.num_rows() {
            let best = newest.entry(keys[at].get(row)).or_insert((at, row));
            let (held, new) = (versions[best.0].order(best.1), versions[at].order(row));
            if new > held || (new == held && input_of[at] == input_of[best.0]) {
                *best = (at, row);
            }
        }
    }

    let oldest = keep.from_epoch.map(|epoch| OrderKey::snapshot(epoch).to_string());
    let stays = |&(at, row): &(usize, usize)| {
        (keep.tombstones || !versions[at].is_removal(row))
            && oldest.as_deref().is_none_or(|oldest| versions[at].order(row) >= oldest)
    };
    if buckets == [Bucket::ALL] && newest.len() == rows && newest.values().all(stays) {
        // Nothing goes, so nothing needs to be copied.
        return Ok(vec![batches.into_iter().cloned().collect()]);
    }
    let mut chosen: Vec<(usize, usize)> = newest.into_values().filter(stays).collect();
    chosen.sort_unstable();
    let mut parts = vec![Vec::new(); buckets.len()];
    for (at, row) in chosen {
        if let Some(part) = position(buckets, keys[at].hash(row)) {
            parts[part].push((at, row));
        }
    }
    parts.iter().map(|part| gather(&batches, part)).collect()
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

#[cfg(test)]
mod tests;
