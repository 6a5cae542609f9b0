//! Single values, whatever their column's type is.
//!
//! A batch in which an attribute has values of several kinds has a JSON column, another batch of the same table has not. Rules must not
//! see a difference, so they look at values through this: a JSON column's text is text, its number a number. Binary values are their
//! base64 text, which is what they are in JSON.

use std::borrow::Cow;
use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::json;
use crate::LogicalType;
use crate::schema::{canonical_number, write_float, write_json_string, write_number};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    /// In canonical form.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// A map, list or set as JSON.
    Document(&'a str),
}

/// A column to look values up in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells<'a> {
    array: &'a ArrayRef,
    ty: LogicalType,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(array: &'a ArrayRef, ty: LogicalType) -> Self {
        Self { array, ty }
    }

    pub(crate) fn get(&self, row: usize) -> Cell<'a> {
        let array = self.array;
        if array.is_null(row) {
            return Cell::Null;
        }
        match self.ty {
            LogicalType::Bool => Cell::Bool(array.as_boolean().value(row)),
            LogicalType::Int64 => number(array.as_primitive::<Int64Type>().value(row).into(), 0),
            LogicalType::Timestamp => number(array.as_primitive::<TimestampMicrosecondType>().value(row).into(), 0),
            LogicalType::Decimal { scale, .. } => number(array.as_primitive::<Decimal128Type>().value(row), scale),
            LogicalType::Float64 => digits(|text| write_float(array.as_primitive::<Float64Type>().value(row), text)),
            LogicalType::Number => canonical(array.as_string::<i32>().value(row)),
            LogicalType::Text => Cell::Text(array.as_string::<i32>().value(row).into()),
            LogicalType::Binary => Cell::Text(BASE64_STANDARD.encode(array.as_binary::<i32>().value(row)).into()),
            LogicalType::Json => Cell::of_json(array.as_string::<i32>().value(row)),
        }
    }
}

fn number<'a>(value: i128, scale: u8) -> Cell<'a> {
    digits(|text| write_number(value, scale, text))
}

fn digits<'a>(write: impl FnOnce(&mut Vec<u8>)) -> Cell<'a> {
    let mut text = Vec::new();
    write(&mut text);
    Cell::Number(String::from_utf8(text).unwrap_or_default().into())
}

fn canonical(text: &str) -> Cell<'_> {
    match canonical_number(text) {
        Some(number) if number != text => Cell::Number(number.into()),
        _ => Cell::Number(text.into()),
    }
}

impl<'a> Cell<'a> {
    /// Returns the value that a JSON text is.
    pub(crate) fn of_json(text: &'a str) -> Self {
        let text = text.trim_ascii();
        match text.as_bytes().first() {
            Some(b'"') => json::string(text).map_or(Self::Document(text), Cell::Text),
            Some(b'{' | b'[') => Self::Document(text),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => canonical(text),
        }
    }

    /// Appends the value as JSON; null is `null`.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.as_bytes()),
            Self::Text(text) => write_json_string(text, out),
            Self::Document(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Returns the value as text; `None` for null.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => if *value { "true" } else { "false" }.into(),
            Self::Number(text) | Self::Text(text) => Cow::Borrowed(text),
            Self::Document(text) => Cow::Borrowed(text),
        })
    }
}

/// Compares two numbers in canonical form, of any length.
pub(crate) fn compare_numbers(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (Some(a), Some(b)) => magnitudes(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => magnitudes(a, b),
    }
}

fn magnitudes(a: &str, b: &str) -> Ordering {
    let (a_whole, a_rest) = a.split_once('.').unwrap_or((a, ""));
    let (b_whole, b_rest) = b.split_once('.').unwrap_or((b, ""));
    // Without zeros in front the longer whole part is the greater one; of fractions, digits compare like text.
    (a_whole.len(), a_whole, a_rest).cmp(&(b_whole.len(), b_whole, b_rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_compare_as_decimals(a in -2000i128..2000, b in -2000i128..2000, scales in (0u8..4, 0u8..4)) {
            let text = |value: i128, scale: u8| canonical_number(&format!("{value}e-{scale}")).unwrap();
            let scaled = |value: i128, scale: u8| value * 10i128.pow(u32::from(4 - scale));
            let expected = scaled(a, scales.0).cmp(&scaled(b, scales.1));
            prop_assert_eq!(compare_numbers(&text(a, scales.0), &text(b, scales.1)), expected);
        }
    }

    #[test]
    fn a_json_value_is_what_it_would_be_in_a_column_of_its_kind() {
        assert_eq!(Cell::of_json(r#""a\"b""#), Cell::Text("a\"b".into()));
        assert_eq!(Cell::of_json("1.50"), Cell::Number("1.5".into()));
        assert_eq!(Cell::of_json("9E+3"), Cell::Number("9000".into()));
        assert_eq!(Cell::of_json("true"), Cell::Bool(true));
        assert_eq!(Cell::of_json("null"), Cell::Null);
        assert_eq!(Cell::of_json("[1]"), Cell::Document("[1]"));
    }
}
