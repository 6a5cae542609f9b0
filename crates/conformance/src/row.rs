//! Rows as a harness reads them back.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use commutator_core::schema::write_number;
use commutator_core::{ChangeBatch, LogicalType, OrderKey, TableSchema};

use crate::Value;

/// A row of a destination's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Every column but the system columns; a column that is left out counts as null.
    pub columns: BTreeMap<String, Value>,
    /// `_ct_order`.
    pub order: OrderKey,
    /// `_ct_op`, where the mode has it: in `append` and `history`.
    pub op: Option<String>,
    /// `_ct_deleted`, where the mode has it: in `soft_delete`.
    pub deleted: Option<bool>,
    /// When the version was the row, where the mode says it: in `history`.
    pub validity: Option<Validity>,
}

/// The times of a version in `history`, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Validity {
    /// `_ct_changed_at`.
    pub changed_at: Option<i64>,
    /// `_ct_synced_at`.
    pub synced_at: i64,
    /// `_ct_valid_from`.
    pub from: i64,
    /// `_ct_valid_to`.
    pub to: Option<i64>,
    /// `_ct_current`.
    pub current: bool,
}

impl Row {
    /// Creates a row that has no more system columns than its order key.
    pub fn new(columns: BTreeMap<String, Value>, order: OrderKey) -> Self {
        Self { columns, order, op: None, deleted: None, validity: None }
    }
}

/// Returns the rows of a batch; for harnesses that can read their destination as Arrow.
pub fn rows_of(batch: &ChangeBatch) -> Vec<Row> {
    let columns = columns_of(batch.schema(), batch.rows());
    let system = batch.orders().iter().zip(batch.ops());
    let row = |(columns, (&order, op)): (_, (&OrderKey, &commutator_core::Op))| Row {
        op: Some(op.as_str().to_owned()),
        ..Row::new(columns, order)
    };
    columns.into_iter().zip(system).map(row).collect()
}

/// Returns Arrow rows whose first columns are those of `schema` and that have system columns by their names; for harnesses that read
/// their destination's tables as Arrow.
///
/// # Panics
///
/// Panics if there is no `_ct_order`, or if a system column has another type than in the documentation.
pub fn rows_of_table(schema: &TableSchema, rows: &RecordBatch) -> Vec<Row> {
    let texts = |name: &str| rows.column_by_name(name).map(AsArray::as_string::<i32>);
    let flags = |name: &str| rows.column_by_name(name).map(AsArray::as_boolean);
    let times = |name: &str| rows.column_by_name(name).map(AsArray::as_primitive::<TimestampMicrosecondType>);
    let time = |name: &str, i: usize| times(name).filter(|column| column.is_valid(i)).map(|column| column.value(i));
    let orders = texts("_ct_order").expect("every table has _ct_order");
    let validity = |i| {
        Some(Validity {
            changed_at: time("_ct_changed_at", i),
            synced_at: time("_ct_synced_at", i)?,
            from: time("_ct_valid_from", i)?,
            to: time("_ct_valid_to", i),
            current: flags("_ct_current")?.value(i),
        })
    };
    let row = |(i, columns): (usize, _)| Row {
        op: texts("_ct_op").map(|ops| ops.value(i).to_owned()),
        deleted: flags("_ct_deleted").map(|deleted| deleted.value(i)),
        validity: validity(i),
        ..Row::new(columns, orders.value(i).parse().expect("an order key"))
    };
    columns_of(schema, rows).into_iter().enumerate().map(row).collect()
}

/// Returns a row that was read as text, column by column, each with its name, the name of its type, and null as `None`; for harnesses that
/// read their destination's tables through SQL.
///
/// `micros` reads a time, `value` a value of a type. What a change of columns leaves until the next one is left out.
///
/// # Panics
///
/// Panics if a system column holds what it cannot hold.
pub fn row_of_texts<'a>(
    columns: impl IntoIterator<Item = (&'a str, &'a str, Option<&'a str>)>,
    micros: impl Fn(&str) -> i64,
    value: impl Fn(&str, &str) -> Value,
) -> Row {
    let mut values = BTreeMap::new();
    let mut system = BTreeMap::new();
    for (name, ty, text) in columns {
        if name == "_ct_item" || !name.starts_with("_ct_") {
            values.insert(name.to_owned(), text.map_or(Value::Null, |text| value(ty, text)));
        } else if let Some(text) = text {
            system.insert(name, text);
        }
    }
    let flag = |name: &str| system.get(name).map(|&text| text == "true");
    let time = |name: &str| system.get(name).map(|&text| micros(text));
    let validity = || {
        Some(Validity {
            changed_at: time("_ct_changed_at"),
            synced_at: time("_ct_synced_at")?,
            from: time("_ct_valid_from")?,
            to: time("_ct_valid_to"),
            current: flag("_ct_current")?,
        })
    };
    Row {
        op: system.get("_ct_op").map(|&op| op.to_owned()),
        deleted: flag("_ct_deleted"),
        validity: validity(),
        ..Row::new(values, system["_ct_order"].parse().expect("an order key"))
    }
}

/// Returns the values of Arrow rows whose first columns are those of `schema`, column by column; further ones are left out.
pub fn columns_of(schema: &TableSchema, rows: &RecordBatch) -> Vec<BTreeMap<String, Value>> {
    let columns = || schema.columns().iter().zip(rows.columns());
    let value = |i: usize| columns().map(move |(column, array)| (column.name.clone(), value_of(column.ty, array, i)));
    (0..rows.num_rows()).map(|i| value(i).collect()).collect()
}

/// Returns one value of an array that represents a logical type.
fn value_of(ty: LogicalType, array: &dyn Array, i: usize) -> Value {
    if array.is_null(i) {
        return Value::Null;
    }
    match ty {
        LogicalType::Bool => Value::Bool(array.as_boolean().value(i)),
        LogicalType::Int64 => Value::int(array.as_primitive::<Int64Type>().value(i)),
        LogicalType::Decimal { scale, .. } => {
            let mut text = Vec::new();
            write_number(array.as_primitive::<Decimal128Type>().value(i), scale, &mut text);
            Value::number(&String::from_utf8_lossy(&text))
        }
        LogicalType::Float64 => Value::number(&format!("{:e}", array.as_primitive::<Float64Type>().value(i))),
        LogicalType::Number => Value::number(array.as_string::<i32>().value(i)),
        LogicalType::Text => Value::text(array.as_string::<i32>().value(i)),
        LogicalType::Binary => Value::binary(array.as_binary::<i32>().value(i)),
        LogicalType::Json => Value::json(array.as_string::<i32>().value(i)),
        LogicalType::Timestamp => unreachable!("only system columns are timestamps"),
    }
}
