//! What a destination's table must hold at the end, from the simulator's own items and history.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use commutator_conformance::{Row, Value};
use commutator_core::{Checkpoint, OrderKey, SyncMode};
use commutator_simulator::{Item, Value as Sent};

use crate::history::Record;
use crate::modes::{check_history, check_soft_delete};
use crate::run::Outcome;

pub(crate) type Key = Vec<String>;

/// Checks everything that a run promised; an error says what differs.
pub(crate) fn check(outcome: &Outcome) -> Result<(), String> {
    if !outcome.history.lossy && !outcome.gaps.is_empty() {
        return Err(format!("gaps were seen where nothing was lost: {:?}", outcome.gaps));
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
    let records = outcome.history.records.iter().map(|(sequence, record)| (sequence_digits(sequence), record));
    let records: BTreeMap<String, &Record> = records.collect();
    for row in outcome.rows.iter().filter(|row| !row.order.is_snapshot()) {
        let Some(record) = records.get(&digits_of(row.order)) else {
            return Err(format!("a change that never was: {row:?}"));
        };
        check_change(outcome, row, record)?;
    }
    if let Some(began) = complete_since(outcome) {
        let arrived: BTreeSet<String> = outcome.rows.iter().map(|row| digits_of(row.order)).collect();
        let missing = records.iter().find(|(digits, record)| record.at >= began && !arrived.contains(*digits));
        if let Some((digits, record)) = missing {
            return Err(format!("change {digits} is missing: {record:?}"));
        }
    }
    let live = newest.into_values().filter(|row| !is_removal(row)).collect();
    same_items(outcome, live)
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
    let right = match record.op {
        "put" => matches!(op, "insert" | "modify"),
        removal => op == removal,
    };
    if !right {
        return Err(format!("a change became another one: {row:?} for {record:?}"));
    }
    let item = if record.op == "put" { record.item.clone() } else { key_only(outcome, &record.item) };
    let row = if record.op == "put" { row.clone() } else { key_row(outcome, row) };
    differs(outcome, &row, &item).map_or(Ok(()), Err)
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
            None => return Err(format!("an item was lost: {}", item.to_json())),
            Some(row) => differs(outcome, row, item).map_or(Ok(()), Err)?,
        }
    }
    left.into_values().next().map_or(Ok(()), |row| Err(format!("a row was resurrected: {row:?}")))
}

/// Returns how a row differs from an item.
pub(crate) fn differs(outcome: &Outcome, row: &Row, item: &Item) -> Option<String> {
    let mut columns = row.columns.clone();
    for (name, sent) in item.iter() {
        let column = column(outcome, name);
        let actual = columns.remove(&column).unwrap_or(Value::Null);
        let expected = expected(sent);
        if actual != expected && actual != expected.clone().into_json() {
            return Some(format!("{column} is {actual:?}, not {expected:?}, in {row:?}"));
        }
    }
    let more = columns.into_iter().find(|(_, value)| *value != Value::Null)?;
    Some(format!("{more:?} is too much in {row:?} for {}", item.to_json()))
}

fn column(outcome: &Outcome, attribute: &str) -> String {
    outcome.checkpoint.names().get(attribute).cloned().unwrap_or_else(|| attribute.to_owned())
}

pub(crate) fn key_of_row(outcome: &Outcome, row: &Row) -> Key {
    let text = |name: &String| format!("{:?}", row.columns.get(name));
    outcome.target.keys.iter().map(|column| text(&column.name)).collect()
}

pub(crate) fn key_of_item(outcome: &Outcome, item: &Item) -> Key {
    let value = |name: &str| item.iter().find(|(other, _)| column(outcome, other) == name).map(|(_, v)| expected(v));
    outcome.target.keys.iter().map(|column| format!("{:?}", value(&column.name).as_ref())).collect()
}

pub(crate) fn key_only(outcome: &Outcome, item: &Item) -> Item {
    let is_key = |name: &str| outcome.target.keys.iter().any(|key| key.name == column(outcome, name));
    item.iter().filter(|(name, _)| is_key(name)).fold(Item::new(), |key, (name, v)| key.with(name, v.clone()))
}

fn key_row(outcome: &Outcome, row: &Row) -> Row {
    let keys = outcome.target.keys.iter().map(|column| column.name.clone());
    Row {
        columns: keys.filter_map(|name| Some((name.clone(), row.columns.get(&name)?.clone()))).collect(),
        ..row.clone()
    }
}

/// Returns a sequence number without what stands before it, as text to compare by equality.
pub(crate) fn sequence_digits(sequence: &str) -> String {
    sequence.trim_start_matches('0').to_owned()
}

/// Returns the sequence number of an order key in the same form.
pub(crate) fn digits_of(order: OrderKey) -> String {
    sequence_digits(&order.to_string()[8..])
}

/// Returns the value that a row must have for what was sent.
fn expected(sent: &Sent) -> Value {
    match sent {
        Sent::S(text) => Value::text(text.as_str()),
        Sent::N(number) => Value::number(&number.to_string()),
        Sent::B(bytes) => Value::binary(bytes.clone()),
        Sent::Bool(flag) => Value::Bool(*flag),
        Sent::Null => Value::Null,
        _ => Value::json(&json(sent)),
    }
}

fn json(sent: &Sent) -> String {
    let list = |parts: Vec<String>| format!("[{}]", parts.join(","));
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match sent {
        Sent::S(value) => text(value),
        Sent::N(number) => number.to_string(),
        Sent::B(bytes) => text(&STANDARD.encode(bytes)),
        Sent::Bool(flag) => flag.to_string(),
        Sent::Null => "null".to_owned(),
        Sent::M(map) => {
            let entries = map.iter().map(|(name, value)| format!("{}:{}", text(name), json(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Sent::L(values) => list(values.iter().map(json).collect()),
        Sent::Ss(values) => list(values.iter().map(|value| text(value)).collect()),
        Sent::Ns(values) => list(values.iter().map(ToString::to_string).collect()),
        Sent::Bs(values) => list(values.iter().map(|value| text(&STANDARD.encode(value))).collect()),
    }
}
