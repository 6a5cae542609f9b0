//! A table as its readers see it: its own columns, then the system columns of its mode.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use commutator_core::{ChangeBatch, Error, ErrorKind, OrderKey, Result, SyncMode};

/// Returns the rows of a table with system columns.
pub(crate) fn view(mode: SyncMode, rows: &ChangeBatch, synced_at: &[i64]) -> Result<RecordBatch> {
    let (newest, values) = if mode == SyncMode::SoftDelete { with_images(rows)? } else { (rows.clone(), rows.clone()) };
    let own = values.schema().columns().iter().map(|column| column.name.as_str());
    let mut columns: Vec<(&str, ArrayRef, bool)> =
        own.zip(values.rows().columns()).map(|(name, array)| (name, Arc::clone(array), true)).collect();
    let orders = newest.orders().iter().map(OrderKey::to_string);
    columns.push(("_ct_order", Arc::new(StringArray::from_iter_values(orders)), false));
    if matches!(mode, SyncMode::Append | SyncMode::History) {
        let ops = newest.ops().iter().map(|op| op.as_str());
        columns.push(("_ct_op", Arc::new(StringArray::from_iter_values(ops)), false));
    }
    if mode == SyncMode::SoftDelete {
        let deleted = newest.ops().iter().map(|op| Some(op.is_removal()));
        columns.push(("_ct_deleted", Arc::new(deleted.collect::<BooleanArray>()), false));
    }
    if mode == SyncMode::History {
        let intervals = newest.intervals(synced_at)?;
        let current = intervals.iter().map(|interval| Some(interval.current));
        columns.push(("_ct_valid_from", times(intervals.iter().map(|interval| Some(interval.from))), false));
        columns.push(("_ct_valid_to", times(intervals.iter().map(|interval| interval.to)), true));
        columns.push(("_ct_current", Arc::new(current.collect::<BooleanArray>()), false));
        columns.push(("_ct_synced_at", times(synced_at.iter().map(|&at| Some(at))), false));
    }
    columns.push(("_ct_changed_at", times(newest.changed_at().iter().copied()), true));
    RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "The rows cannot be shown").with_source(e))
}

/// Returns the newest row of each key and, row by row, the one that has its values: of a deleted row, what it was last.
fn with_images(rows: &ChangeBatch) -> Result<(ChangeBatch, ChangeBatch)> {
    let keys = rows.keys()?;
    let mut of_key = HashMap::new();
    for (row, key) in (0..).zip(keys.iter()) {
        let (newest, image) = of_key.entry(key).or_insert((row, row));
        if rows.orders()[row as usize] > rows.orders()[*newest as usize] {
            *newest = row;
        }
        if !rows.ops()[row as usize].is_removal() {
            *image = row;
        }
    }
    let (newest, images): (Vec<u32>, Vec<u32>) = of_key.into_values().unzip();
    Ok((rows.take(&newest)?, rows.take(&images)?))
}

fn times(micros: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}
