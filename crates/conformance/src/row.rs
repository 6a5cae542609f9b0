//! Rows as a harness reads them back.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
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
    /// `_ct_op`, where the mode has it: in `append`.
    pub op: Option<String>,
}

/// Returns the rows of a batch; for harnesses that can read their destination as Arrow.
pub fn rows_of(batch: &ChangeBatch) -> Vec<Row> {
    let columns = columns_of(batch.schema(), batch.rows());
    let system = batch.orders().iter().zip(batch.ops());
    let row = |(columns, (&order, op)): (_, (&OrderKey, &commutator_core::Op))| Row {
        columns,
        order,
        op: Some(op.as_str().to_owned()),
    };
    columns.into_iter().zip(system).map(row).collect()
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
        LogicalType::Number => Value::number(array.as_string::<i32>().value(i)),
        LogicalType::Text => Value::text(array.as_string::<i32>().value(i)),
        LogicalType::Binary => Value::binary(array.as_binary::<i32>().value(i)),
        LogicalType::Json => Value::json(array.as_string::<i32>().value(i)),
        LogicalType::Timestamp => unreachable!("only system columns are timestamps"),
    }
}
