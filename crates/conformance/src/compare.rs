//! Compares what a table holds with what it must hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use commutator_core::{LogicalType, OrderKey, SyncMode, TableSchema, Target};

use crate::model::Expected;
use crate::{Row, Value};

/// How much of two tables is shown when they differ.
const SHOWN_ROWS: usize = 5;
const SHOWN_CHARACTERS: usize = 400;

/// A row in the form that is compared: values without nulls, the order key, in `append` the operation.
type Comparable = (BTreeMap<String, Value>, OrderKey, Option<String>);

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
    let names = target.keys.iter().map(|column| column.name.clone());
    let mut wanted: Vec<Comparable> = expected
        .into_iter()
        .map(|row| {
            let columns = names.clone().zip(row.key).chain(row.item).filter_map(cell).collect();
            (columns, row.order, row.op.map(str::to_owned))
        })
        .collect();
    let mut found: Vec<Comparable> = actual
        .into_iter()
        .map(|row| {
            let columns = row.columns.into_iter().filter_map(cell).collect();
            (columns, row.order, row.op.filter(|_| target.mode == SyncMode::Append))
        })
        .collect();
    wanted.sort();
    found.sort();
    (wanted, found)
}

fn report(target: &Target, wanted: Vec<Comparable>, found: Vec<Comparable>) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    let (rows, expected) = (found.len(), wanted.len());
    let (missing, unexpected) = difference(wanted, found);
    let mut report = format!("table {} has {rows} rows where {expected} are expected ({})", target.name, target.mode);
    for (title, rows) in [("missing", missing), ("not expected", unexpected)] {
        for (columns, order, op) in rows.iter().take(SHOWN_ROWS) {
            let text: String =
                format!("{columns:?} {order} {}", op.as_deref().unwrap_or("")).chars().take(SHOWN_CHARACTERS).collect();
            write!(report, "\n  {title}: {text}").expect("a String takes every write");
        }
        if rows.len() > SHOWN_ROWS {
            write!(report, "\n  {title}: {} more", rows.len() - SHOWN_ROWS).expect("a String takes every write");
        }
    }
    Err(report)
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
