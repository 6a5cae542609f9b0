//! Brings a batch into the schema its destination's table has.

use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{Column, LogicalType, TableSchema, write_float, write_json_string, write_number};
use crate::rules::cell::Cells;
use crate::{ChangeBatch, Error, ErrorKind, Result};

/// Returns the batch with the columns of `wanted`, in its order: values widened, absent columns null.
///
/// No value changes but in its representation, and a batch that already has the schema is returned as it is. A value that becomes
/// JSON keeps its kind: text becomes a JSON string, binary a JSON string in base64, a number its digits, a double its
/// shortest ones. One that becomes text is its
/// digits, `true` or `false`, base64, or what is nested as JSON.
///
/// Returns [`SchemaConflict`](ErrorKind::SchemaConflict) if the batch has a column that `wanted` lacks, a type does not fit, or a
/// key column is missing: merge first.
pub fn conform(batch: &ChangeBatch, wanted: &Arc<TableSchema>) -> Result<ChangeBatch> {
    if Arc::ptr_eq(batch.schema(), wanted) || batch.schema() == wanted {
        return Ok(batch.clone());
    }
    let target = wanted.by_name();
    for column in batch.schema().columns() {
        match target.get(column.name.as_str()) {
            Some((_, to)) if fits(column.ty, to) && column.key == to.key => {}
            other => {
                return Err(Error::new(ErrorKind::SchemaConflict, "A batch does not fit the wanted schema")
                    .with("column", &column.name)
                    .with("has", column.ty)
                    .with("wanted", other.map_or("no such column".to_owned(), |(_, to)| to.ty.to_string())));
            }
        }
    }
    let own = batch.schema().by_name();
    let columns = wanted
        .columns()
        .iter()
        .map(|to| match own.get(to.name.as_str()) {
            Some(&(i, from)) => widen(batch.rows().column(i), from.ty, to),
            None => Ok(new_null_array(to.to_field().data_type(), batch.len())),
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    let rows = RecordBatch::try_new_with_options(wanted.to_arrow(), columns, &options)
        .map_err(|e| Error::new(ErrorKind::SchemaConflict, "A batch lacks a key column").with_source(e))?;
    batch.with_rows(Arc::clone(wanted), rows)
}

/// Everything but the key may become text, where the policy of a table says so.
fn fits(ty: LogicalType, to: &Column) -> bool {
    let as_text = to.ty == LogicalType::Text && !to.key && ty != LogicalType::Timestamp;
    as_text || ty.fits_in(to.ty)
}

fn widen(array: &ArrayRef, from: LogicalType, to: &Column) -> Result<ArrayRef> {
    use LogicalType::{Binary, Bool, Decimal, Float64, Int64, Json, Number, Text, Timestamp};
    Ok(match (from, to.ty) {
        (a, b) if a == b => Arc::clone(array),
        (Int64, Decimal { precision, scale }) => {
            let values = array.as_primitive::<Int64Type>();
            decimals(values.iter().map(|v| v.map(i128::from)), (precision, scale), scale, to)?
        }
        (Decimal { scale: from_scale, .. }, Decimal { precision, scale }) => {
            let values = array.as_primitive::<Decimal128Type>();
            decimals(values.iter(), (precision, scale), scale - from_scale, to)?
        }
        (Int64, Number | Json) => {
            let values = array.as_primitive::<Int64Type>();
            texts(array, |i, out| write_number(values.value(i).into(), 0, out))
        }
        (Decimal { scale, .. }, Number | Json) => {
            let values = array.as_primitive::<Decimal128Type>();
            texts(array, |i, out| write_number(values.value(i), scale, out))
        }
        (Float64, Number | Json) => {
            let values = array.as_primitive::<Float64Type>();
            texts(array, |i, out| write_float(values.value(i), out))
        }
        (Number, Json) => texts(array, |i, out| out.extend_from_slice(array.as_string::<i32>().value(i).as_bytes())),
        (Text, Json) => texts(array, |i, out| write_json_string(array.as_string::<i32>().value(i), out)),
        (Bool, Json) => texts(array, |i, out| {
            out.extend_from_slice(if array.as_boolean().value(i) { b"true" } else { b"false" });
        }),
        (Binary, Json) => texts(array, |i, out| {
            out.push(b'"');
            out.extend_from_slice(BASE64_STANDARD.encode(array.as_binary::<i32>().value(i)).as_bytes());
            out.push(b'"');
        }),
        (Int64 | Decimal { .. } | Number | Float64 | Bool | Binary | Json, Text) if !to.key => {
            let cells = Cells::new(array, from);
            texts(array, |i, out| out.extend_from_slice(cells.get(i).text().unwrap_or_default().as_bytes()))
        }
        (Timestamp | Bool | Text | Binary | Json | Number | Float64 | Int64 | Decimal { .. }, _) => {
            return Err(Error::new(ErrorKind::SchemaConflict, "A column cannot be widened")
                .with("column", &to.name)
                .with("from", from)
                .with("to", to.ty));
        }
    })
}

fn decimals(
    values: impl Iterator<Item = Option<i128>>,
    (precision, scale): (u8, u8),
    shift: u8,
    to: &Column,
) -> Result<ArrayRef> {
    let factor = 10_i128.pow(shift.into());
    let mut builder = Decimal128Builder::new();
    for value in values {
        let shifted = value.map(|v| v.checked_mul(factor)).map(|v| v.ok_or_else(|| too_long(to)));
        builder.append_option(shifted.transpose()?);
    }
    let array = builder
        .finish()
        .with_precision_and_scale(precision, scale.cast_signed())
        .map_err(|e| too_long(to).with_source(e))?;
    Ok(Arc::new(array))
}

fn too_long(to: &Column) -> Error {
    Error::new(ErrorKind::SchemaConflict, "A number has more digits than its column").with("column", &to.name)
}

fn texts(array: &ArrayRef, write: impl Fn(usize, &mut Vec<u8>)) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let mut text = Vec::new();
    for i in 0..array.len() {
        if array.is_null(i) {
            builder.append_null();
        } else {
            text.clear();
            write(i, &mut text);
            builder.append_value(String::from_utf8_lossy(&text));
        }
    }
    Arc::new(builder.finish())
}
