//! The intervals of a `history` table's versions, as columns of its files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use commutator_core::history::{Interval, Version, intervals};
use commutator_core::{Error, ErrorKind, Op, Result, TableSchema};

use crate::keys::Keys;
use crate::types::Versions;

/// Returns `_ct_valid_from`, `_ct_valid_to` and `_ct_current` for batches that together have all versions of their keys, each once.
pub(crate) fn columns(batches: &[RecordBatch], table: &TableSchema) -> Result<Vec<[ArrayRef; 3]>> {
    let keys: Vec<Keys> = batches.iter().map(|batch| Keys::of(batch, table.keys())).collect();
    let mut rows_of: HashMap<&[u8], Vec<(Version, usize, usize)>> = HashMap::new();
    for (at, batch) in batches.iter().enumerate() {
        for (row, version) in versions(batch, table)?.into_iter().enumerate() {
            rows_of.entry(keys[at].get(row)).or_default().push((version, at, row));
        }
    }
    let empty = Interval { from: 0, to: None, current: false };
    let mut found: Vec<Vec<Interval>> = batches.iter().map(|batch| vec![empty; batch.num_rows()]).collect();
    for mut rows in rows_of.into_values() {
        rows.sort_unstable_by_key(|(version, ..)| version.order);
        let versions: Vec<Version> = rows.iter().map(|(version, ..)| *version).collect();
        for ((_, at, row), interval) in rows.into_iter().zip(intervals(&versions)) {
            found[at][row] = interval;
        }
    }
    let times =
        |times: Vec<Option<i64>>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")) };
    let column = |intervals: Vec<Interval>| {
        let current = intervals.iter().map(|interval| Some(interval.current));
        [
            times(intervals.iter().map(|interval| Some(interval.from)).collect()),
            times(intervals.iter().map(|interval| interval.to).collect()),
            Arc::new(current.collect::<BooleanArray>()) as ArrayRef,
        ]
    };
    Ok(found.into_iter().map(column).collect())
}

/// Returns what the intervals depend on; a version counts from when it was written first if the source does not tell its time.
fn versions(batch: &RecordBatch, table: &TableSchema) -> Result<Vec<Version>> {
    let own = table.columns().len();
    let (ops, orders) = (batch.column(own).as_string::<i32>(), Versions::of(batch, table));
    let changed_at = batch.column(own + 2).as_primitive::<TimestampMicrosecondType>();
    let synced_at = batch.column(own + 3).as_primitive::<TimestampMicrosecondType>();
    let version = |row| {
        let op = Op::parse(ops.value(row))
            .ok_or_else(|| Error::new(ErrorKind::DataInvalid, "A file of the table has an unknown operation"))?;
        let at = if changed_at.is_valid(row) { changed_at.value(row) } else { synced_at.value(row) };
        Ok(Version { order: orders.order(row).parse()?, op, at })
    };
    (0..batch.num_rows()).map(version).collect()
}
