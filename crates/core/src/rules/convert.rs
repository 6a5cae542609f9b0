//! Columns of values, built one by one.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::cell::Cell;
use super::join::TypeJoin;
use crate::schema::{canonical_number, nearest_float, write_float};
use crate::{Error, ErrorKind, LogicalType, Result};

/// Which values a type takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Those that are of its kind, and stay what they are.
    SameKind,
    /// Also those whose text says what it takes: the numeral `"12"`, `"true"`, base64; and as text, anything. To a double any number is
    /// rounded.
    AnyKind,
}

/// A column, and the rows whose values it does not take; they are null.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) array: ArrayRef,
    pub(crate) bad: Vec<usize>,
}

/// Builds a column of a type.
pub(crate) fn build<'a>(
    to: LogicalType,
    cells: impl Iterator<Item = Cell<'a>>,
    strictness: Strictness,
) -> Result<Built> {
    let mut bad = Vec::new();
    let lenient = strictness == Strictness::AnyKind;
    let array: ArrayRef = match to {
        LogicalType::Bool => Arc::new(BooleanArray::from(each(cells, &mut bad, |cell| boolean(cell, lenient)))),
        LogicalType::Int64 => {
            Arc::new(Int64Array::from(each(cells, &mut bad, |cell| number(cell, lenient)?.parse::<i64>().ok())))
        }
        LogicalType::Decimal { precision, scale } => {
            let values = each(cells, &mut bad, |cell| decimal(&number(cell, lenient)?, precision, scale));
            let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale.cast_signed());
            Arc::new(array.map_err(|e| Error::new(ErrorKind::Unexpected, "A decimal has no such type").with_source(e))?)
        }
        LogicalType::Float64 => Arc::new(Float64Array::from(each(cells, &mut bad, |cell| float(cell, lenient)))),
        LogicalType::Number => Arc::new(StringArray::from(each(cells, &mut bad, |cell| number(cell, lenient)))),
        LogicalType::Text => Arc::new(StringArray::from(each(cells, &mut bad, |cell| match cell {
            Cell::Text(text) => Some(text.to_string()),
            cell if lenient => cell.text().map(std::borrow::Cow::into_owned),
            _ => None,
        }))),
        LogicalType::Binary => {
            let values = each(cells, &mut bad, |cell| match cell {
                Cell::Text(text) if lenient => BASE64_STANDARD.decode(&**text).ok(),
                _ => None,
            });
            Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>())
        }
        LogicalType::Json => Arc::new(StringArray::from(each(cells, &mut bad, |cell| {
            let mut text = Vec::new();
            cell.write_json(&mut text);
            String::from_utf8(text).ok()
        }))),
        LogicalType::Timestamp => {
            return Err(Error::new(ErrorKind::Unsupported, "Only system columns have the type timestamp"));
        }
    };
    Ok(Built { array, bad })
}

/// Returns the least type that takes all values as what they are; `None` if all are null.
pub(crate) fn infer<'a>(cells: impl Iterator<Item = Cell<'a>>) -> Option<LogicalType> {
    TypeJoin::default().infer(cells)
}

fn each<'a, T>(
    cells: impl Iterator<Item = Cell<'a>>,
    bad: &mut Vec<usize>,
    value: impl Fn(&Cell<'a>) -> Option<T>,
) -> Vec<Option<T>> {
    cells
        .enumerate()
        .map(|(row, cell)| {
            if cell == Cell::Null {
                return None;
            }
            let value = value(&cell);
            if value.is_none() {
                bad.push(row);
            }
            value
        })
        .collect()
}

fn boolean(cell: &Cell<'_>, lenient: bool) -> Option<bool> {
    match cell {
        Cell::Bool(value) => Some(*value),
        Cell::Text(text) if lenient => text.parse().ok(),
        _ => None,
    }
}

fn number(cell: &Cell<'_>, lenient: bool) -> Option<String> {
    match cell {
        Cell::Number(text) => Some(text.to_string()),
        Cell::Text(text) if lenient => canonical_number(text),
        _ => None,
    }
}

/// Returns the double that is nearest to a number; strictly, only if its shortest digits are the number's own.
fn float(cell: &Cell<'_>, lenient: bool) -> Option<f64> {
    let text = number(cell, lenient)?;
    let float = nearest_float(&text)?;
    let mut digits = Vec::new();
    write_float(float, &mut digits);
    (lenient || digits == text.as_bytes()).then_some(float)
}

/// Returns a number in canonical form as a multiple of `10^-scale`, if it is one that has no more digits than `precision`.
fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let zeros = usize::from(scale).checked_sub(fraction.len())?;
    let value: i128 = format!("{integer}{fraction}{}", "0".repeat(zeros)).parse().ok()?;
    (value.unsigned_abs() < 10_u128.pow(precision.into())).then_some(value)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Decimal128Type, Float64Type};

    use super::*;

    #[test]
    fn numbers_are_never_rounded() {
        let to = LogicalType::Decimal { precision: 5, scale: 2 };
        let cells = ["1.5", "-999.99", "1000", "1.005", "0"].map(|text| Cell::Number(text.into()));
        let built = build(to, cells.into_iter(), Strictness::SameKind).unwrap();
        let values = built.array.as_primitive::<Decimal128Type>();
        assert_eq!(values.iter().collect::<Vec<_>>(), [Some(150), Some(-99_999), None, None, Some(0)]);
        assert_eq!(built.bad, [2, 3]);
    }

    #[test]
    fn a_cast_to_a_double_takes_the_nearest_one_and_nothing_that_is_no_number() {
        let number = |text: &'static str| Cell::Number(text.into());
        let text = |text: &'static str| Cell::Text(text.into());
        let cells = || {
            let numbers = [number("0.1"), number("9007199254740993"), Cell::Null];
            numbers.into_iter().chain([text("1e3"), text("-0"), text("1e400"), text("NaN"), text(""), Cell::Bool(true)])
        };
        let built = build(LogicalType::Float64, cells(), Strictness::AnyKind).unwrap();
        let values: Vec<_> = built.array.as_primitive::<Float64Type>().iter().collect();
        assert_eq!(values[..5], [Some(0.1), Some(9_007_199_254_740_992.0), None, Some(1000.0), Some(0.0)]);
        assert_eq!(built.bad, [5, 6, 7, 8]);
        assert!(values[4].unwrap().is_sign_positive());
        // As what they are, only numbers fit whose digits survive.
        assert_eq!(build(LogicalType::Float64, cells(), Strictness::SameKind).unwrap().bad, [1, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_cast_reads_what_text_says_and_nothing_else() {
        let cells = || [Cell::Text("12".into()), Cell::Text("x".into()), Cell::Bool(true), Cell::Null].into_iter();
        assert_eq!(build(LogicalType::Int64, cells(), Strictness::AnyKind).unwrap().bad, [1, 2]);
        assert_eq!(build(LogicalType::Int64, cells(), Strictness::SameKind).unwrap().bad, [0, 1, 2]);
        let text = build(LogicalType::Text, cells(), Strictness::AnyKind).unwrap();
        assert_eq!(
            text.array.as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("12"), Some("x"), Some("true"), None]
        );
        assert_eq!((text.array.null_count(), text.bad.len()), (1, 0));
    }
}
