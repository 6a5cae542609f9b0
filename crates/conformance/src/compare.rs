//! Compares what a table holds with what it must hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use commutator_core::history::{Version, intervals};
use commutator_core::{LogicalType, Op, OrderKey, SyncMode, TableSchema, Target};

use crate::model::Expected;
use crate::row::Validity;
use crate::{Row, Value};

/// How much of two tables is shown when they differ.
const SHOWN_ROWS: usize = 5;
const SHOWN_CHARACTERS: usize = 400;

type Columns = BTreeMap<String, Value>;

/// A row in the form that is compared: values without nulls, and the system columns that the mode has.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Comparable {
    columns: Columns,
    order: OrderKey,
    op: Option<String>,
    deleted: Option<bool>,
    validity: Option<Validity>,
}

/// Returns how the rows of a target differ from the expected ones. Nulls and absent columns are the same, and a value in a column
/// that the destination describes as JSON is compared as JSON.
pub(crate) fn compare(
    target: &Target,
    schema: Option<&TableSchema>,
    actual: Vec<Row>,
    expected: Vec<Expected>,
) -> Result<(), String> {
    let (wanted, found) = comparable(target, schema, actual, expected);
    report(target, wanted, found)
}

/// Like [`compare`], but any row may be there more than once.
pub(crate) fn at_least(
    target: &Target,
    schema: Option<&TableSchema>,
    actual: Vec<Row>,
    expected: Vec<Expected>,
) -> Result<(), String> {
    let (mut wanted, mut found) = comparable(target, schema, actual, expected);
    wanted.dedup();
    found.dedup();
    report(target, wanted, found)
}

/// Returns both sides in the form that is compared, sorted.
fn comparable(
    target: &Target,
    schema: Option<&TableSchema>,
    actual: Vec<Row>,
    expected: Vec<Expected>,
) -> (Vec<Comparable>, Vec<Comparable>) {
    let is_json = |name: &str| schema.and_then(|s| s.get(name)).is_some_and(|(_, c)| c.ty == LogicalType::Json);
    let cell = |(name, value): (String, Value)| {
        let value = if is_json(&name) { value.into_json() } else { value };
        (value != Value::Null).then_some((name, value))
    };
    let (has_op, has_validity) = match target.mode {
        SyncMode::Mirror | SyncMode::SoftDelete => (false, false),
        SyncMode::History => (true, true),
        SyncMode::Append => (true, false),
    };
    let mut found: Vec<Comparable> = actual
        .into_iter()
        .map(|row| Comparable {
            columns: row.columns.into_iter().filter_map(cell).collect(),
            order: row.order,
            op: row.op.filter(|_| has_op),
            deleted: row.deleted.filter(|_| target.mode == SyncMode::SoftDelete),
            validity: row.validity.filter(|_| has_validity),
        })
        .collect();
    found.sort();
    let names = || target.keys.iter().map(|column| column.name.clone());
    let validities = if has_validity { validities(target, &found, &expected, &cell) } else { Vec::new() };
    let validity = validities.into_iter().map(Some).chain(std::iter::repeat(None));
    let row = |(row, validity): (Expected, Option<Validity>)| {
        let optional = row.optional;
        let key: Columns = names().zip(row.key).filter_map(&cell).collect();
        let mut wanted = std::iter::once(row.item).chain(row.or).map(|item| Comparable {
            columns: key.clone().into_iter().chain(item.into_iter().filter_map(&cell)).collect(),
            order: row.order,
            op: row.op.filter(|_| has_op).map(|op| op.as_str().to_owned()),
            deleted: row.deleted,
            validity,
        });
        let first = wanted.next().expect("the first item is there always");
        if found.binary_search(&first).is_ok() {
            return Some(first);
        }
        let found = wanted.find(|other| found.binary_search(other).is_ok());
        found.or_else(|| (!optional).then_some(first))
    };
    let mut wanted: Vec<Comparable> = expected.into_iter().zip(validity).filter_map(row).collect();
    wanted.sort();
    (wanted, found)
}

/// Returns what the intervals of the expected versions must be. When a version was synced only the destination knows.
fn validities(
    target: &Target,
    found: &[Comparable],
    expected: &[Expected],
    cell: &impl Fn((String, Value)) -> Option<(String, Value)>,
) -> Vec<Validity> {
    let key = |columns: &Columns| -> Columns {
        let values = target.keys.iter().filter_map(|key| columns.get_key_value(&key.name));
        values.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let synced_at: BTreeMap<(Columns, OrderKey), i64> =
        found.iter().filter_map(|row| Some(((key(&row.columns), row.order), row.validity?.synced_at))).collect();
    let mut of_key: BTreeMap<Columns, BTreeMap<OrderKey, usize>> = BTreeMap::new();
    let mut of_row = Vec::with_capacity(expected.len());
    for (i, row) in expected.iter().enumerate() {
        let names = target.keys.iter().map(|column| column.name.clone());
        let key: Columns = names.zip(row.key.clone()).filter_map(cell).collect();
        let synced_at = synced_at.get(&(key.clone(), row.order)).copied().unwrap_or(i64::MAX);
        of_row.push(Validity { changed_at: row.changed_at, synced_at, from: 0, to: None, current: false });
        of_key.entry(key).or_default().insert(row.order, i);
    }
    for rows in of_key.into_values() {
        let version = |(&order, &i): (&OrderKey, &usize)| Version {
            order,
            op: expected[i].op.unwrap_or(Op::Modify),
            at: of_row[i].changed_at.unwrap_or(of_row[i].synced_at),
        };
        let versions: Vec<_> = rows.iter().map(version).collect();
        for (i, interval) in rows.into_values().zip(intervals(&versions)) {
            of_row[i] = Validity { from: interval.from, to: interval.to, current: interval.current, ..of_row[i] };
        }
    }
    of_row
}

fn report(target: &Target, wanted: Vec<Comparable>, found: Vec<Comparable>) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    let (rows, expected) = (found.len(), wanted.len());
    let (missing, unexpected) = difference(wanted, found);
    let mut report = format!("table {} has {rows} rows where {expected} are expected ({})", target.name, target.mode);
    for (title, rows) in [("missing", missing), ("not expected", unexpected)] {
        for row in rows.iter().take(SHOWN_ROWS) {
            let text: String = row.to_string().chars().take(SHOWN_CHARACTERS).collect();
            write!(report, "\n  {title}: {text}").expect("a String takes every write");
        }
        if rows.len() > SHOWN_ROWS {
            write!(report, "\n  {title}: {} more", rows.len() - SHOWN_ROWS).expect("a String takes every write");
        }
    }
    Err(report)
}

impl std::fmt::Display for Comparable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { columns, order, op, deleted, validity } = self;
        write!(f, "{columns:?} {order} {}", op.as_deref().unwrap_or(""))?;
        if *deleted == Some(true) {
            f.write_str(" deleted")?;
        }
        validity.map_or(Ok(()), |validity| write!(f, " {validity:?}"))
    }
}

/// Returns what only the first and what only the second of two sorted multisets has.
fn difference<T: Ord>(first: Vec<T>, second: Vec<T>) -> (Vec<T>, Vec<T>) {
    let (mut only_first, mut only_second) = (Vec::new(), Vec::new());
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    loop {
        match (first.peek(), second.peek()) {
            (Some(a), Some(b)) if a == b => {
                first.next();
                second.next();
            }
            (Some(a), Some(b)) if a < b => only_first.extend(first.next()),
            (Some(_), None) => only_first.extend(first.next()),
            (_, Some(_)) => only_second.extend(second.next()),
            (None, None) => return (only_first, only_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_count_doubles() {
        assert_eq!(difference(vec![1, 1, 2, 4], vec![1, 2, 3, 3]), (vec![1, 4], vec![3, 3]));
    }
}
