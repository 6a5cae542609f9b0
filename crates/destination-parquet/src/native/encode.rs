//! JSON text to arrays of a form.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Decimal128Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, StringArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use commutator_core::rules::json;
use commutator_core::{Error, ErrorKind, LogicalType, Result};

use super::infer::unscaled;
use super::{element, fields};
use crate::error;
use crate::form::{Form, Member};

/// A value's text; `None` is what Arrow has null for.
type Value<'a> = Option<&'a str>;

/// Returns an array of a form that holds these values.
///
/// Forms are widened before rows are written, so every value fits; the error is for the case that one does not.
pub(super) fn encode(form: &Form, values: Vec<Value<'_>>) -> Result<ArrayRef> {
    match form {
        _ if form.is_text() => Ok(Arc::new(StringArray::from_iter(values))),
        Form::Scalar(ty) => scalars(*ty, &values),
        Form::List(elements) => lists(elements, &values),
        Form::Struct(_) => structs(form, &values),
        Form::Nothing | Form::Json => Ok(Arc::new(StringArray::from_iter(values))),
    }
}

fn scalars(ty: LogicalType, values: &[Value<'_>]) -> Result<ArrayRef> {
    let count = values.len();
    Ok(match ty {
        LogicalType::Bool => {
            let mut builder = BooleanBuilder::with_capacity(count);
            for value in values {
                builder.append_option(value.map(|text| text.parse::<bool>().map_err(|_| unfit())).transpose()?);
            }
            Arc::new(builder.finish())
        }
        LogicalType::Int64 => {
            let mut builder = Int64Builder::with_capacity(count);
            for value in values {
                builder.append_option(value.map(|text| text.parse::<i64>().map_err(|_| unfit())).transpose()?);
            }
            Arc::new(builder.finish())
        }
        LogicalType::Decimal { precision, scale } => {
            let mut builder = Decimal128Builder::with_capacity(count);
            for value in values {
                builder.append_option(value.map(|text| unscaled(text, scale).ok_or_else(unfit)).transpose()?);
            }
            let array = builder.finish().with_precision_and_scale(precision, scale.cast_signed());
            Arc::new(array.map_err(error::arrow)?)
        }
        _ => {
            let mut builder = StringBuilder::with_capacity(count, values.iter().flatten().map(|text| text.len()).sum());
            for value in values {
                builder.append_option(value.map(|text| json::string(text).ok_or_else(unfit)).transpose()?);
            }
            Arc::new(builder.finish())
        }
    })
}

fn lists(elements: &Form, values: &[Value<'_>]) -> Result<ArrayRef> {
    let mut all = Vec::new();
    let mut offsets = Vec::with_capacity(values.len() + 1);
    offsets.push(0);
    for value in values {
        if let Some(text) = value {
            all.extend(
                json::elements(text)
                    .ok_or_else(unfit)?
                    .into_iter()
                    .map(|value| Some(value).filter(|value| *value != "null")),
            );
        }
        offsets.push(i32::try_from(all.len()).map_err(|_| unfit())?);
    }
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
    let (offsets, values) = (OffsetBuffer::new(ScalarBuffer::from(offsets)), encode(elements, all)?);
    Ok(Arc::new(ListArray::try_new(element(elements), offsets, values, Some(nulls)).map_err(error::arrow)?))
}

fn structs(form: &Form, values: &[Value<'_>]) -> Result<ArrayRef> {
    let Form::Struct(members) = form else { return Err(unfit()) };
    let places: HashMap<&str, usize> = members.keys().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut columns: Vec<Vec<Value<'_>>> = vec![vec![None; values.len()]; members.len()];
    let members: Vec<&Member> = members.values().collect();
    let mut is_there = vec![false; members.len()];
    for (row, value) in values.iter().enumerate() {
        let Some(text) = value else { continue };
        is_there.fill(false);
        for (name, value) in json::members(text).ok_or_else(unfit)? {
            let place = *places.get(name.as_ref()).ok_or_else(unfit)?;
            let member = members[place];
            if std::mem::replace(&mut is_there[place], true) || (value == "null" && !member.null) {
                return Err(unfit());
            }
            columns[place][row] = Some(value).filter(|value| *value != "null" || member.form.is_text());
        }
        if members.iter().zip(&is_there).any(|(member, there)| !there && !member.missing) {
            return Err(unfit());
        }
    }
    let arrays = members.iter().zip(columns).map(|(member, column)| encode(&member.form, column));
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
    let array = StructArray::try_new(fields(form), arrays.collect::<Result<_>>()?, Some(nulls));
    Ok(Arc::new(array.map_err(error::arrow)?))
}

fn unfit() -> Error {
    Error::new(ErrorKind::Unexpected, "A nested value does not fit the form of its column")
}
