//! Whether a row of a destination has what its item has, under the policies for types and contracts.

use std::collections::BTreeMap;

use commutator_conformance::{Row, Value};
use commutator_core::LogicalType;
use commutator_core::rules::{Numbers, OnTypeConflict, SchemaPolicy};
use commutator_simulator::Item;

use crate::plain::Plain;
use crate::run::Outcome;
use crate::shown::{Cell, beside};

/// Returns how a row differs from cells.
pub(crate) fn differs(outcome: &Outcome, row: &Row, cells: &[Cell]) -> Option<String> {
    let mut columns: BTreeMap<String, Value> = row.columns.clone();
    columns.retain(|_, value| *value != Value::Null);
    for cell in cells {
        let missing = without_place(outcome, cell);
        let found = take(outcome, cell, &mut columns);
        let expected = match (missing, found.as_slice()) {
            (Some(SchemaPolicy::DiscardColumn), []) => continue,
            (Some(policy), _) => format!("nothing by {policy:?}"),
            (None, [value]) if accepts(outcome, cell, value) => continue,
            (None, _) => format!("{:?}", cell.plain),
        };
        return Some(format!("{:?} is {found:?}, not {expected}, in {row:?}", cell.identity));
    }
    let more = columns.into_iter().next()?;
    Some(format!("{more:?} is too much in {row:?} for {cells:?}"))
}

/// Returns whether a contract keeps the whole row of an item away.
pub(crate) fn is_discarded(outcome: &Outcome, item: &Item) -> bool {
    let cells = outcome.shown.cells(item);
    cells.iter().any(|cell| without_place(outcome, cell) == Some(SchemaPolicy::DiscardRow))
}

/// Returns what was said of a cell for which the table has no place, if it has none.
///
/// A contract begins to hold when the first snapshot is complete. Until then a table gets room for whatever comes, so that its last
/// columns tell for every row whether it had a place.
fn without_place(outcome: &Outcome, cell: &Cell) -> Option<SchemaPolicy> {
    let rules = &outcome.shown.said.rules;
    if cell.is_free || !outcome.shown.said.has_contract() {
        return None;
    }
    let fits = |ty: LogicalType| {
        let is_number = matches!(cell.plain, Plain::Number(_));
        let becomes_text = cell.exact.is_none()
            && (rules.on_type_conflict == OnTypeConflict::Text
                || (is_number && rules.numbers == Numbers::DecimalOrText));
        (ty == LogicalType::Text && becomes_text) || cell.plain.fits(ty, rules.numbers == Numbers::Float)
    };
    let policy = match column_type(outcome, &cell.identity) {
        None => rules.contract.columns,
        Some(ty) if stands_beside(outcome, cell, ty) => {
            match column_type(outcome, &beside(&cell.identity, cell.plain.kind())) {
                Some(ty) if fits(ty) => return None,
                _ => rules.contract.types,
            }
        }
        Some(ty) if cell.exact.is_some() || fits(ty) => return None,
        Some(_) => rules.contract.types,
    };
    (policy != SchemaPolicy::Evolve).then_some(policy)
}

fn stands_beside(outcome: &Outcome, cell: &Cell, ty: LogicalType) -> bool {
    let has_variants = outcome.shown.said.rules.on_type_conflict == OnTypeConflict::Variant;
    has_variants && cell.exact.is_none() && ty != LogicalType::Json && !cell.plain.fits(widest(ty), true)
}

/// Returns the type that holds all values of a type's kind.
fn widest(ty: LogicalType) -> LogicalType {
    match ty {
        LogicalType::Int64 | LogicalType::Decimal { .. } | LogicalType::Float64 => LogicalType::Number,
        other => other,
    }
}

fn column_type(outcome: &Outcome, identity: &str) -> Option<LogicalType> {
    let name = outcome.checkpoint.names().get(identity)?;
    outcome.schema.as_ref()?.columns().iter().find(|column| column.name == *name).map(|column| column.ty)
}

/// Takes what a row has for a cell, in whichever column it may be.
fn take(outcome: &Outcome, cell: &Cell, columns: &mut BTreeMap<String, Value>) -> Vec<Value> {
    let mut identities = vec![cell.identity.clone()];
    let has_variants = outcome.shown.said.rules.on_type_conflict == OnTypeConflict::Variant;
    if has_variants && cell.exact.is_none() {
        identities.push(beside(&cell.identity, cell.plain.kind()));
        // In a page where an attribute has several kinds, binary values are their text.
        if matches!(cell.plain, Plain::Binary(_)) {
            identities.push(beside(&cell.identity, "text"));
        }
    }
    let names = outcome.checkpoint.names();
    let column = |identity: &String| columns.remove(names.get(identity).unwrap_or(identity));
    identities.iter().filter_map(column).collect()
}

fn accepts(outcome: &Outcome, cell: &Cell, value: &Value) -> bool {
    if let Some(exact) = &cell.exact {
        return value == exact;
    }
    let (said, plain) = (&outcome.shown.said, &cell.plain);
    let rounded = plain.rounded();
    let rounds = said.rules.numbers == Numbers::Float;
    let becomes_text = said.rules.on_type_conflict == OnTypeConflict::Text;
    match (value, plain) {
        (Value::Json(_), Plain::Document(text)) => *value == Value::json(text),
        // With `text`, only a column that a contract keeps what it is has other values beside documents.
        (Value::Json(_), _) if becomes_text && !said.has_contract() => false,
        (Value::Json(_), _) => *value == plain.value().into_json() || (rounds && *value == rounded.value().into_json()),
        (Value::Text(text), Plain::Text(wanted)) => text == wanted,
        (Value::Text(text), Plain::Binary(_)) => *text == plain.text() && outcome.shown.is_said(),
        (Value::Text(text), Plain::Document(wanted)) if becomes_text => {
            serde_json::from_str::<serde_json::Value>(text).is_ok() && Value::json(text) == Value::json(wanted)
        }
        (Value::Text(text), _) if becomes_text => *text == plain.text() || (rounds && *text == rounded.text()),
        (Value::Number(_), Plain::Number(_)) if rounds => *value == rounded.value(),
        _ => *value == plain.value(),
    }
}

/// Returns a column that keeps its type and lost it, if there is one.
pub(crate) fn lost_type(outcome: &Outcome) -> Option<String> {
    let rules = &outcome.shown.said.rules;
    if rules.on_type_conflict != OnTypeConflict::Variant {
        return None;
    }
    let records = || outcome.history.records.values().filter(|record| record.op == "put");
    let cells: Vec<Cell> = records().flat_map(|record| outcome.shown.cells(&record.item)).collect();
    let has_document =
        |identity: &str| cells.iter().any(|cell| cell.identity == identity && matches!(cell.plain, Plain::Document(_)));
    let lost = cells
        .iter()
        .filter(|cell| cell.exact.is_none() && !cell.is_free)
        .find(|cell| column_type(outcome, &cell.identity) == Some(LogicalType::Json) && !has_document(&cell.identity));
    lost.map(|cell| format!("{:?} became JSON, though it has values of other kinds beside it", cell.identity))
}

/// Returns a name that is not the one which was asked for, though nothing else asked for it.
pub(crate) fn wrong_name(outcome: &Outcome) -> Option<String> {
    let names = outcome.checkpoint.names();
    let wanted = |identity: &str| crate::shown::origin_and_name(identity).1.to_lowercase();
    let is_word = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let mut wanting: BTreeMap<String, usize> = BTreeMap::new();
    for identity in names.keys() {
        *wanting.entry(wanted(identity)).or_default() += 1;
    }
    let wrong = names.iter().find(|(identity, name)| {
        let asked = crate::shown::origin_and_name(identity).1;
        is_word(asked) && wanting[&wanted(identity)] == 1 && *name != asked
    });
    wrong.map(|(identity, name)| format!("the column of {identity:?} is called {name:?}"))
}
