//! A destination's row as an item again, so that what is known of a refused row can be read like anything else of the source.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use commutator_core::schema::{attribute_of, write_float, write_number};
use commutator_core::{ChangeBatch, Column, Error, ErrorKind, LogicalType, NameMap, Result};
use serde_json::{Map, Value, json};

/// Knows the attribute behind each column.
#[derive(Debug)]
pub(crate) struct Renderer {
    attributes: BTreeMap<String, String>,
}

impl Renderer {
    /// Creates it from the names that attributes were given.
    pub(crate) fn new(names: &NameMap) -> Self {
        Self { attributes: names.iter().map(|(attribute, column)| (column.clone(), attribute.clone())).collect() }
    }

    /// Returns a row's key as `DynamoDB` JSON.
    pub(crate) fn key(&self, batch: &ChangeBatch, row: usize) -> Result<Value> {
        self.columns(batch, row, batch.schema().keys())
    }

    /// Returns a whole row as `DynamoDB` JSON: null is absent, and a set has become a list. The key has the names of its attributes; what
    /// a rule made of another attribute has a name of its own, so that it is known when it is read again.
    pub(crate) fn item(&self, batch: &ChangeBatch, row: usize) -> Result<Value> {
        self.columns(batch, row, batch.schema().columns())
    }

    fn columns(&self, batch: &ChangeBatch, row: usize, columns: &[Column]) -> Result<Value> {
        let mut members = Map::new();
        for (column, array) in columns.iter().zip(batch.rows().columns()) {
            if array.is_null(row) {
                continue;
            }
            let name = self.attributes.get(&column.name).unwrap_or(&column.name);
            let name = if column.key { attribute_of(name) } else { name };
            members.insert(name.to_owned(), value(array, column.ty, row)?);
        }
        Ok(Value::Object(members))
    }
}

fn value(array: &ArrayRef, ty: LogicalType, row: usize) -> Result<Value> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    Ok(match ty {
        LogicalType::Bool => json!({ "BOOL": array.as_boolean().value(row) }),
        LogicalType::Int64 => json!({ "N": array.as_primitive::<Int64Type>().value(row).to_string() }),
        LogicalType::Timestamp => {
            json!({ "N": array.as_primitive::<TimestampMicrosecondType>().value(row).to_string() })
        }
        LogicalType::Float64 => {
            let mut text = Vec::new();
            write_float(array.as_primitive::<Float64Type>().value(row), &mut text);
            json!({ "N": String::from_utf8_lossy(&text) })
        }
        LogicalType::Decimal { scale, .. } => {
            let mut text = Vec::new();
            write_number(array.as_primitive::<Decimal128Type>().value(row), scale, &mut text);
            json!({ "N": String::from_utf8_lossy(&text) })
        }
        LogicalType::Number => json!({ "N": array.as_string::<i32>().value(row) }),
        LogicalType::Text => json!({ "S": array.as_string::<i32>().value(row) }),
        LogicalType::Binary => json!({ "B": BASE64_STANDARD.encode(array.as_binary::<i32>().value(row)) }),
        LogicalType::Json => {
            let parsed = serde_json::from_str(array.as_string::<i32>().value(row)).map_err(|e| {
                Error::new(ErrorKind::Unexpected, "A refused row has a document that is not JSON").with_source(e)
            })?;
            document(parsed)
        }
    })
}

/// Returns JSON under `DynamoDB`'s types. Binary values stay the text that they have become.
fn document(value: Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(values) => json!({ "L": values.into_iter().map(document).collect::<Vec<_>>() }),
        Value::Object(members) => {
            json!({ "M": members.into_iter().map(|(name, value)| (name, document(value))).collect::<Map<_, _>>() })
        }
    }
}
