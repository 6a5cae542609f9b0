//! Arrays of a form to JSON text.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Decimal128Array, Int64Array, ListArray, StringArray, StructArray,
};
use commutator_core::schema::{write_json_string, write_number};
use commutator_core::{Error, LogicalType, Result};

use crate::error;
use crate::form::{self, Form};

/// Returns the JSON text of an array's values; null stays null.
pub(super) fn decode(form: &Form, array: &ArrayRef) -> Result<ArrayRef> {
    let values = Values::of(form, array)?;
    let mut builder = StringBuilder::new();
    let mut text = Vec::new();
    for row in 0..array.len() {
        if values.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        values.write(row, &mut text);
        builder.append_value(std::str::from_utf8(&text).map_err(error::decode)?);
    }
    Ok(Arc::new(builder.finish()))
}

/// An array of a form, down to its leaves.
enum Values<'a> {
    Json(&'a StringArray),
    Text(&'a StringArray),
    Bool(&'a BooleanArray),
    Int64(&'a Int64Array),
    Decimal(&'a Decimal128Array, u8),
    List(&'a ListArray, Box<Self>),
    Struct(&'a StructArray, Vec<Member<'a>>),
}

struct Member<'a> {
    /// Its name as JSON, and the colon.
    start: Vec<u8>,
    /// Whether a null in Arrow is one in JSON, rather than a member that is not there.
    null: bool,
    values: Values<'a>,
}

impl<'a> Values<'a> {
    fn of(form: &Form, array: &'a ArrayRef) -> Result<Self> {
        Ok(match form {
            _ if form.is_text() => Self::Json(array.as_string_opt().ok_or_else(unlike)?),
            Form::Scalar(LogicalType::Bool) => Self::Bool(array.as_boolean_opt().ok_or_else(unlike)?),
            Form::Scalar(LogicalType::Int64) => Self::Int64(array.as_primitive_opt::<Int64Type>().ok_or_else(unlike)?),
            Form::Scalar(LogicalType::Decimal { scale, .. }) => {
                let values = array.as_primitive_opt::<Decimal128Type>().ok_or_else(unlike)?;
                if values.scale() != scale.cast_signed() {
                    return Err(unlike());
                }
                Self::Decimal(values, *scale)
            }
            Form::Scalar(_) => Self::Text(array.as_string_opt().ok_or_else(unlike)?),
            Form::List(elements) => {
                let list = array.as_list_opt::<i32>().ok_or_else(unlike)?;
                Self::List(list, Box::new(Self::of(elements, list.values())?))
            }
            Form::Struct(members) => {
                let array = array.as_struct_opt().ok_or_else(unlike)?;
                if array.num_columns() != members.len() {
                    return Err(unlike());
                }
                let member = |((name, member), values): ((&String, &form::Member), &'a ArrayRef)| {
                    let mut start = Vec::with_capacity(name.len() + 3);
                    write_json_string(name, &mut start);
                    start.push(b':');
                    let null = member.null && !member.form.is_text();
                    Ok(Member { start, null, values: Self::of(&member.form, values)? })
                };
                Self::Struct(array, members.iter().zip(array.columns()).map(member).collect::<Result<_>>()?)
            }
            Form::Nothing | Form::Json => Self::Json(array.as_string_opt().ok_or_else(unlike)?),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Json(values) | Self::Text(values) => values.is_null(row),
            Self::Bool(values) => values.is_null(row),
            Self::Int64(values) => values.is_null(row),
            Self::Decimal(values, _) => values.is_null(row),
            Self::List(values, _) => values.is_null(row),
            Self::Struct(values, _) => values.is_null(row),
        }
    }

    /// Writes a value that is not null.
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Json(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Self::Text(values) => write_json_string(values.value(row), out),
            Self::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Self::Int64(values) => write_number(values.value(row).into(), 0, out),
            Self::Decimal(values, scale) => write_number(values.value(row), *scale, out),
            Self::List(list, elements) => {
                out.push(b'[');
                let offsets = list.value_offsets();
                // Offsets are positive, and in order.
                let range = offsets[row].cast_unsigned() as usize..offsets[row + 1].cast_unsigned() as usize;
                for (i, at) in range.enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    if elements.is_null(at) { out.extend_from_slice(b"null") } else { elements.write(at, out) }
                }
                out.push(b']');
            }
            Self::Struct(_, members) => {
                out.push(b'{');
                let start = out.len();
                for member in members {
                    let is_null = member.values.is_null(row);
                    if is_null && !member.null {
                        continue;
                    }
                    if out.len() > start {
                        out.push(b',');
                    }
                    out.extend_from_slice(&member.start);
                    if is_null { out.extend_from_slice(b"null") } else { member.values.write(row, out) }
                }
                out.push(b'}');
            }
        }
    }
}

fn unlike() -> Error {
    error::decode("a column has another form than its manifest says")
}
