//! Changes in the suite's own words, and their way into Arrow.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use commutator_core::{ChangeBatch, Column, Epoch, LogicalType, Op, OrderKey, Result, TableSchema};

use crate::Value;

/// The key of a row: a value per key column.
pub type Key = Vec<Value>;

/// The attributes of a row without its key.
pub type Item = BTreeMap<String, Value>;

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// What decides which of two versions is newer.
    pub order: OrderKey,
    /// The operation, by its stored name.
    pub op: OpName,
    /// The attributes after the change; empty for a removal.
    pub item: Item,
    /// When it happened, in microseconds since 1970; a snapshot does not tell.
    pub changed_at: Option<i64>,
}

/// When a change happened of which nothing else is said.
const CHANGED_AT: i64 = 1_700_000_000_000_000;

/// An operation that can be ordered and shown, as sets of changes are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OpName(pub Op);

impl std::fmt::Debug for OpName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl PartialOrd for OpName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OpName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl Change {
    /// Creates a change.
    pub fn new(key: Key, order: OrderKey, op: Op, item: Item) -> Self {
        Self { key, order, op: OpName(op), item, changed_at: (op != Op::Snapshot).then_some(CHANGED_AT) }
    }

    /// Returns the change as one of so many seconds later than others; a snapshot still does not tell.
    #[must_use]
    pub fn later(self, seconds: i64) -> Self {
        Self { changed_at: self.changed_at.map(|at| at + seconds * 1_000_000), ..self }
    }
}

/// Returns the key of one whole number.
pub(crate) fn key(id: i64) -> Key {
    vec![Value::int(id)]
}

/// Returns the order key of a change of the first epoch.
pub(crate) fn at(sequence: u64) -> OrderKey {
    OrderKey::new(Epoch::FIRST, sequence.into())
}

pub(crate) fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns a version of the row `id`: of a snapshot if its order key says so.
pub(crate) fn put<const N: usize>(id: i64, order: OrderKey, attributes: [(&str, Value); N]) -> Change {
    let op = if order.is_snapshot() { Op::Snapshot } else { Op::Modify };
    Change::new(key(id), order, op, item(attributes))
}

/// Returns the removal of the row `id`.
pub(crate) fn remove(id: i64, order: OrderKey) -> Change {
    Change::new(key(id), order, Op::Remove, Item::new())
}

/// Returns the changes as a batch under the least schema that holds them.
pub fn batch(keys: &[Column], changes: &[Change]) -> Result<ChangeBatch> {
    let mut columns = keys.to_vec();
    for (i, column) in columns.iter_mut().enumerate() {
        let types = changes.iter().filter_map(|change| change.key[i].logical_type());
        column.ty = types.fold(column.ty, LogicalType::join);
    }
    let mut types: BTreeMap<&str, LogicalType> = BTreeMap::new();
    for (name, value) in changes.iter().flat_map(|change| &change.item) {
        if let Some(ty) = value.logical_type() {
            types.entry(name).and_modify(|known| *known = known.join(ty)).or_insert(ty);
        }
    }
    columns.extend(types.into_iter().map(|(name, ty)| Column::new(name, ty)));
    batch_under(TableSchema::new(columns)?, changes)
}

/// Returns the changes as a batch under this schema, whose types must hold their values.
pub(crate) fn batch_under(schema: TableSchema, changes: &[Change]) -> Result<ChangeBatch> {
    let arrays = schema.columns().iter().enumerate().map(|(i, column)| {
        let values = changes.iter().map(|change| match change.key.get(i) {
            Some(value) => value,
            None => change.item.get(&column.name).unwrap_or(&Value::Null),
        });
        array(column.ty, &values.collect::<Vec<_>>())
    });
    let rows = RecordBatch::try_new(schema.to_arrow(), arrays.collect()).expect("arrays have the schema's types");
    let ops = changes.iter().map(|change| change.op.0).collect();
    let orders = changes.iter().map(|change| change.order).collect();
    let changed_at = changes.iter().map(|change| change.changed_at);
    ChangeBatch::new(Arc::new(schema), rows, ops, orders, changed_at.collect())
}

fn array(ty: LogicalType, values: &[&Value]) -> ArrayRef {
    let text = |value: &Value| match value {
        Value::Number(text) | Value::Text(text) | Value::Json(text) => text.clone(),
        other => unreachable!("{other:?} has no text"),
    };
    let bytes = |value: Value| match value {
        Value::Binary(bytes) => bytes,
        other => unreachable!("{other:?} is not binary"),
    };
    let values = values.iter().map(|value| (**value != Value::Null).then(|| (*value).clone()));
    match ty {
        LogicalType::Bool => Arc::new(values.map(|v| v.map(|v| v == Value::Bool(true))).collect::<BooleanArray>()),
        LogicalType::Int64 => {
            let parse = |v: Value| text(&v).parse::<i64>().expect("the type was inferred from the value");
            Arc::new(values.map(|v| v.map(parse)).collect::<Int64Array>())
        }
        LogicalType::Float64 => {
            let parse = |v: Value| text(&v).parse::<f64>().expect("a number is a numeral");
            Arc::new(values.map(|v| v.map(parse)).collect::<Float64Array>())
        }
        LogicalType::Decimal { precision, scale } => {
            let array = values.map(|v| v.map(|v| unscaled(&text(&v), scale))).collect::<Decimal128Array>();
            Arc::new(array.with_precision_and_scale(precision, scale.cast_signed()).expect("a valid decimal type"))
        }
        LogicalType::Number | LogicalType::Text => {
            Arc::new(values.map(|v| v.map(|v| text(&v))).collect::<StringArray>())
        }
        LogicalType::Json => Arc::new(values.map(|v| v.map(|v| text(&v.into_json()))).collect::<StringArray>()),
        LogicalType::Binary => Arc::new(values.map(|v| v.map(bytes)).collect::<BinaryArray>()),
        LogicalType::Timestamp => unreachable!("no value of the suite is a timestamp"),
    }
}

/// Returns the number of units of `10^-scale` in a canonical numeral.
fn unscaled(text: &str, scale: u8) -> i128 {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{integer}{fraction:0<width$}", width = usize::from(scale));
    digits.parse().expect("the type was inferred from the value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows_of;

    #[test]
    fn changes_survive_the_way_into_arrow_and_back() {
        let changes = [
            put(
                1,
                at(5),
                [
                    ("bool", Value::Bool(true)),
                    ("decimal", Value::number("-0.050")),
                    ("json", Value::json("[1.10]")),
                    ("number", Value::number("1E-130")),
                    ("binary", Value::binary([0, 1])),
                    ("mixed", Value::int(1)),
                ],
            ),
            put(2, OrderKey::snapshot(Epoch(1)), [("decimal", Value::number("12")), ("mixed", Value::text("x"))]),
            remove(3, at(7)),
        ];
        let batch = batch(&[Column::key("id", LogicalType::Int64)], &changes).unwrap();
        let ty = |name: &str| batch.schema().get(name).unwrap().1.ty;
        assert_eq!(ty("decimal"), LogicalType::Int64.join(LogicalType::Decimal { precision: 2, scale: 2 }));
        assert_eq!((ty("number"), ty("mixed")), (LogicalType::Number, LogicalType::Json));
        for (row, change) in rows_of(&batch).into_iter().zip(&changes) {
            assert_eq!((row.order, row.op.as_deref()), (change.order, Some(change.op.0.as_str())));
            assert_eq!(row.columns["id"], change.key[0]);
            for (name, value) in change.item.iter().filter(|(name, _)| *name != "mixed") {
                assert_eq!(&row.columns[name], value);
            }
        }
        assert_eq!(rows_of(&batch)[0].columns["mixed"], Value::json("1"));
    }
}
