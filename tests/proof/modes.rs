//! What a table must hold at the end in the modes that keep what was.

use std::collections::BTreeMap;

use commutator_conformance::{Row, Value};
use commutator_core::Op;
use commutator_core::history::{Version, intervals};

use crate::cells::differs;
use crate::compare::{
    Key, check_changes, complete_since, digits_of, is_idle, is_removal, is_withheld, key_of_item, key_of_row,
    same_items, sequence_digits,
};
use crate::history::Record;
use crate::run::Outcome;
use crate::shown::Cell;

/// The items that exist, each once and not deleted; and of those that do not, every one that was seen, deleted.
pub(crate) fn check_soft_delete(outcome: &Outcome) -> Result<(), String> {
    let (deleted, live): (Vec<_>, Vec<_>) = outcome.rows.iter().partition(|row| row.deleted == Some(true));
    if let Some(row) = live.iter().find(|row| row.deleted.is_none()) {
        return Err(format!("a row does not say whether it is deleted: {row:?}"));
    }
    let mut versions: BTreeMap<Key, Vec<&Record>> = BTreeMap::new();
    for record in outcome.records.values() {
        versions.entry(key_of_item(outcome, &record.item)).or_default().push(record);
    }
    let mut keys: BTreeMap<Key, &Row> = BTreeMap::new();
    for row in &outcome.rows {
        if let Some(other) = keys.insert(key_of_row(outcome, row), row) {
            return Err(format!("a key is there twice: {row:?} and {other:?}"));
        }
    }
    for row in deleted {
        let known = versions.get(&key_of_row(outcome, row)).map(Vec::as_slice).unwrap_or_default();
        let is = |cells: &[Cell]| differs(outcome, row, cells).is_none();
        let was = |record: &&Record| record.op == "put" && is(&outcome.shown.cells(&record.item));
        let of_key = |record: &&Record| is(&outcome.shown.key_cells(&record.item));
        // Without a stream nobody notes what an item was.
        if !outcome.history.replaced && !known.iter().any(|record| was(record) || of_key(record)) {
            return Err(format!("a deleted row has values that its item never had: {row:?}"));
        }
    }
    if let Some(began) = complete_since(outcome) {
        let shows = |record: &&Record| record.at >= began && !is_withheld(outcome, record) && !is_idle(outcome, record);
        let seen = versions.iter().filter(|(_, records)| records.iter().any(shows));
        for (key, records) in seen {
            if !keys.contains_key(key) {
                return Err(format!("an item is not even there as a deleted one: {records:?}"));
            }
        }
    }
    same_items(outcome, live)
}

/// Every change once, and intervals that follow from them; the current versions are the items that exist.
pub(crate) fn check_history(outcome: &Outcome) -> Result<(), String> {
    check_changes(outcome)?;
    let times: BTreeMap<String, u64> =
        outcome.records.iter().map(|(sequence, record)| (sequence_digits(sequence), record.at)).collect();
    let mut versions: BTreeMap<Key, Vec<&Row>> = BTreeMap::new();
    for row in &outcome.rows {
        versions.entry(key_of_row(outcome, row)).or_default().push(row);
    }
    for rows in versions.values_mut() {
        rows.sort_by_key(|row| row.order);
        let known = rows.iter().map(|row| version(row, &times)).collect::<Result<Vec<_>, _>>()?;
        for (row, expected) in rows.iter().zip(intervals(&known)) {
            let found = row.validity.map(|v| (v.from, v.to, v.current));
            if found != Some((expected.from, expected.to, expected.current)) {
                return Err(format!("an interval is not {expected:?}: {row:?} among {rows:?}"));
            }
        }
    }
    let current = outcome.rows.iter().filter(|row| row.validity.is_some_and(|validity| validity.current));
    same_items(outcome, current.collect())
}

/// Returns what a row says of its version, if the stream said the same.
fn version(row: &Row, times: &BTreeMap<String, u64>) -> Result<Version, String> {
    let validity = row.validity.ok_or_else(|| format!("a version has no interval: {row:?}"))?;
    let op = row.op.as_deref().and_then(Op::parse).ok_or_else(|| format!("a version has no operation: {row:?}"))?;
    // The stream tells times to the second; a snapshot, and a removal that its end noticed, have none.
    let told = if row.order.is_snapshot() { None } else { times.get(&digits_of(row.order)) };
    let told = told.map(|ms| i64::try_from(ms / 1_000 * 1_000_000)).transpose().map_err(|e| e.to_string())?;
    if validity.changed_at != told {
        return Err(format!("a version's time is not {told:?}: {row:?}"));
    }
    if is_removal(row) && row.columns.values().filter(|value| **value != Value::Null).count() > 2 {
        return Err(format!("a removal has more than its key: {row:?}"));
    }
    Ok(Version { order: row.order, op, at: validity.changed_at.unwrap_or(validity.synced_at) })
}
