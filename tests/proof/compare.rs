//! What a destination's table must hold at the end, from the simulator's own items and history.

use std::collections::{BTreeMap, BTreeSet};

use commutator_conformance::Row;
use commutator_core::{Checkpoint, OrderKey, SyncMode};
use commutator_simulator::Item;

use crate::cells::{differs, is_discarded, lost_type, wrong_name};
use crate::history::Record;
use crate::modes::{check_history, check_soft_delete};
use crate::run::Outcome;
use crate::shown::Shown;

pub(crate) type Key = Vec<String>;

/// Checks everything that a run promised; an error says what differs.
pub(crate) fn check(outcomes: &[Outcome]) -> Result<(), String> {
    outcomes
        .iter()
        .try_for_each(|outcome| check_table(outcome).map_err(|problem| format!("{}: {problem}", outcome.target.name)))
}

fn check_table(outcome: &Outcome) -> Result<(), String> {
    if !outcome.history.lossy && !outcome.gaps.is_empty() {
        return Err(format!("gaps were seen where nothing was lost: {:?}", outcome.gaps));
    }
    if let Some(problem) = wrong_name(outcome).or_else(|| lost_type(outcome)) {
        return Err(problem);
    }
    match outcome.target.mode {
        SyncMode::Mirror => check_mirror(outcome),
        SyncMode::SoftDelete => check_soft_delete(outcome),
        SyncMode::History => check_history(outcome),
        SyncMode::Append => check_changes(outcome),
    }
}

/// The items that exist, each once.
fn check_mirror(outcome: &Outcome) -> Result<(), String> {
    same_items(outcome, outcome.rows.iter().collect())
}

/// Every change once, as it was; and of each key the newest of the last epoch is what the item is now.
pub(crate) fn check_changes(outcome: &Outcome) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut newest: BTreeMap<Key, &Row> = BTreeMap::new();
    let last = outcome.checkpoint.epoch();
    let whole = outcome.gaps.is_empty() && !outcome.history.lossy;
    for row in &outcome.rows {
        let key = key_of_row(outcome, row);
        let id = match row.order.is_snapshot() {
            true => (row.order.to_string(), Some(key.clone())),
            // A change comes in one epoch only, unless some of the stream was lost.
            false if whole => (digits_of(row.order), None),
            false => (row.order.to_string(), None),
        };
        if !seen.insert(id) {
            return Err(format!("a change came twice: {row:?}"));
        }
        if row.order.epoch() == last && newest.get(&key).is_none_or(|held| held.order < row.order) {
            newest.insert(key, row);
        }
    }
    let records = outcome.records.iter().map(|(sequence, record)| (sequence_digits(sequence), record));
    let records: BTreeMap<String, &Record> = records.collect();
    for row in outcome.rows.iter().filter(|row| !row.order.is_snapshot()) {
        let Some(record) = records.get(&digits_of(row.order)) else {
            return Err(format!("a change that never was: {row:?}"));
        };
        check_change(outcome, row, record)?;
    }
    if let Some(began) = complete_since(outcome) {
        let arrived: BTreeSet<String> = outcome.rows.iter().map(|row| digits_of(row.order)).collect();
        let is_here = |digits: &str, record: &Record| {
            arrived.contains(digits) || is_withheld(outcome, record) || is_idle(outcome, record)
        };
        let missing = records.iter().find(|(digits, record)| record.at >= began && !is_here(digits, record));
        if let Some((digits, record)) = missing {
            return Err(format!("change {digits} is missing: {record:?}"));
        }
    }
    let live = newest.into_iter().filter(|(key, row)| !is_removal(row) && !has_left(outcome, key));
    same_items(outcome, live.map(|(_, row)| row).collect())
}

/// Returns whether an item is there that does not belong here any more: in `append` nobody is told.
fn has_left(outcome: &Outcome, key: &Key) -> bool {
    let is_this = |item: &&Item| key_of_item(outcome, item) == *key;
    outcome.target.mode == SyncMode::Append && outcome.others.iter().any(|item| is_this(&item))
}

/// Returns the time since which every change must have arrived, in milliseconds since 1970.
///
/// Where nothing was lost that is the first snapshot's beginning, however often the table was read anew.
pub(crate) fn complete_since(outcome: &Outcome) -> Option<u64> {
    let whole = outcome.gaps.is_empty() && !outcome.history.lossy;
    let began = if whole { outcome.began } else { snapshot_started_at(&outcome.checkpoint) };
    let began = began.filter(|_| outcome.gaps.is_empty())?;
    // A stream that was replaced just before has nothing older than itself, the service tells its time in seconds, and the reader
    // takes the earlier one of both clocks.
    let behind_ms = outcome.history.scenario.clock_ahead_ms.min(0).unsigned_abs();
    Some(if outcome.history.replaced { began + behind_ms + 1_000 } else { began })
}

/// Returns when the snapshot of a checkpoint's epoch began, in milliseconds since 1970.
pub(crate) fn snapshot_started_at(checkpoint: &Checkpoint) -> Option<u64> {
    checkpoint.fact("snapshot_started_at").and_then(|at| at.parse().ok())
}

fn check_change(outcome: &Outcome, row: &Row, record: &Record) -> Result<(), String> {
    let op = row.op.as_deref().unwrap_or_default();
    let right = match (record.op, record.existed) {
        ("put", false) => "insert",
        ("put", true) => "modify",
        (removal, _) => removal,
    };
    if op != right {
        return Err(format!("a change became another one: {row:?} for {record:?}"));
    }
    let cells = match record.op {
        "put" => outcome.shown.cells(&record.item),
        _ => outcome.shown.key_cells(&record.item),
    };
    differs(outcome, row, &cells).map_or(Ok(()), Err)
}

/// Returns whether a change may be left out: where not every item has a row, a removal of one that had none. That one which had a row is
/// gone shows in the rows that are current.
pub(crate) fn is_idle(outcome: &Outcome, record: &Record) -> bool {
    let Shown { said, part, mode, .. } = &outcome.shown;
    let chooses = said.filter.is_some() || part.is_some();
    chooses && matches!(mode, SyncMode::History | SyncMode::SoftDelete) && record.op != "put"
}

/// Returns whether a contract keeps a change away.
pub(crate) fn is_withheld(outcome: &Outcome, record: &Record) -> bool {
    record.op == "put" && is_discarded(outcome, &record.item)
}

pub(crate) fn is_removal(row: &Row) -> bool {
    matches!(row.op.as_deref(), Some("remove" | "expire"))
}

/// Compares rows with the items that exist.
pub(crate) fn same_items(outcome: &Outcome, rows: Vec<&Row>) -> Result<(), String> {
    let mut left: BTreeMap<Key, &Row> = BTreeMap::new();
    for row in rows {
        if let Some(other) = left.insert(key_of_row(outcome, row), row) {
            return Err(format!("a key is there twice: {row:?} and {other:?}"));
        }
    }
    for item in &outcome.items {
        let key = key_of_item(outcome, item);
        match left.remove(&key) {
            row if is_discarded(outcome, item) => is_earlier(outcome, &key, row)?,
            None => return Err(format!("an item was lost: {}", item.to_json())),
            Some(row) => differs(outcome, row, &outcome.shown.cells(item)).map_or(Ok(()), Err)?,
        }
    }
    left.into_values().next().map_or(Ok(()), |row| Err(format!("a row was resurrected: {row:?}")))
}

/// Checks what is there of an item that has no place as it is now: the newest version that had one, unless the table was read anew.
fn is_earlier(outcome: &Outcome, key: &Key, row: Option<&Row>) -> Result<(), String> {
    let of_key = outcome.records.values().filter(|record| key_of_item(outcome, &record.item) == *key);
    let mut versions: Vec<&Record> = Vec::new();
    for record in of_key {
        match record.op {
            "put" if is_withheld(outcome, record) => {}
            "put" => versions.push(record),
            _ => versions.clear(),
        }
    }
    let is = |version: &&&Record| {
        row.is_some_and(|row| differs(outcome, row, &outcome.shown.cells(&version.item)).is_none())
    };
    let once = outcome.checkpoint.epoch() == commutator_core::Epoch::FIRST;
    let right = match (row, once) {
        (None, true) => versions.is_empty(),
        (None, false) => true,
        (Some(_), true) => versions.last().as_ref().is_some_and(is),
        (Some(_), false) => versions.iter().any(|version| is(&version)),
    };
    if right { Ok(()) } else { Err(format!("{row:?} is not the newest of {versions:?} that had a place")) }
}

pub(crate) fn key_of_row(outcome: &Outcome, row: &Row) -> Key {
    let text = |name: &String| format!("{:?}", row.columns.get(name));
    outcome.target.keys.iter().map(|column| text(&column.name)).collect()
}

pub(crate) fn key_of_item(outcome: &Outcome, item: &Item) -> Key {
    let names = outcome.checkpoint.names();
    let cells = outcome.shown.key_cells(item);
    let value = |name: &str| {
        let cell = cells.iter().find(|cell| names.get(&cell.identity).is_some_and(|of| of == name));
        cell.and_then(|cell| cell.exact.clone())
    };
    outcome.target.keys.iter().map(|column| format!("{:?}", value(&column.name).as_ref())).collect()
}

/// Returns a sequence number without what stands before it, as text to compare by equality.
pub(crate) fn sequence_digits(sequence: &str) -> String {
    sequence.trim_start_matches('0').to_owned()
}

/// Returns the sequence number of an order key in the same form.
pub(crate) fn digits_of(order: OrderKey) -> String {
    sequence_digits(&order.to_string()[8..])
}
