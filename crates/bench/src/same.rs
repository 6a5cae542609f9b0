//! Whether two decoders read the same: the same rows with the same values under the same names.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use commutator_core::schema::write_number;
use serde_json::Value as Json;

/// A value as all decoders show it.
#[derive(Debug, PartialEq)]
enum Cell {
    Bool(bool),
    /// In canonical form: a column is as wide as its widest value, whoever decodes it.
    Number(String),
    Text(String),
    /// The members of a map have no order in the SDK's types; numbers are compared digit by digit.
    Document(Json),
    Binary(Vec<u8>),
}

/// Holds that two decoders read the same.
pub(crate) fn check(ours: &[RecordBatch], theirs: &RecordBatch) -> Result<()> {
    let rows = ours.iter().map(RecordBatch::num_rows).sum::<usize>();
    ensure!(rows == theirs.num_rows(), "{rows} rows are not {}", theirs.num_rows());
    let theirs = cells(theirs)?;
    let ours = ours.iter().map(cells).collect::<Result<Vec<_>>>()?;
    for (row, (ours, theirs)) in ours.iter().flatten().zip(&theirs).enumerate() {
        ensure!(ours == theirs, "row {row}: {ours:?} is not {theirs:?}");
    }
    Ok(())
}

/// Returns the cells of each row that are not null.
fn cells(batch: &RecordBatch) -> Result<Vec<BTreeMap<String, Cell>>> {
    let mut rows: Vec<_> = std::iter::repeat_with(BTreeMap::new).take(batch.num_rows()).collect();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        for (i, row) in rows.iter_mut().enumerate().filter(|(i, _)| !column.is_null(*i)) {
            row.insert(field.name().clone(), cell(column, i)?);
        }
    }
    Ok(rows)
}

fn cell(column: &dyn Array, i: usize) -> Result<Cell> {
    let number = |value: i128, scale: i8| {
        let mut text = Vec::new();
        write_number(value, scale.unsigned_abs(), &mut text);
        String::from_utf8(text).map(Cell::Number)
    };
    Ok(match column.data_type() {
        DataType::Boolean => Cell::Bool(column.as_boolean().value(i)),
        DataType::Int64 => number(column.as_primitive::<Int64Type>().value(i).into(), 0)?,
        DataType::Decimal128(_, scale) => number(column.as_primitive::<Decimal128Type>().value(i), *scale)?,
        DataType::Binary => Cell::Binary(column.as_binary::<i32>().value(i).to_owned()),
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(i);
            match serde_json::from_str(text) {
                Ok(document @ (Json::Object(_) | Json::Array(_))) => Cell::Document(document),
                _ => Cell::Text(text.to_owned()),
            }
        }
        other => bail!("no decoder makes columns of type {other}"),
    })
}
