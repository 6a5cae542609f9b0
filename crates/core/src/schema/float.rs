//! Doubles: the nearest one to a number's digits, and the shortest digits that mean a double.

use std::io::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array};

use super::{LogicalType, write_number};

/// Returns the double that is nearest to a decimal numeral, ties to even; `None` if the text is none, or lies beyond all of them.
///
/// ```
/// use commutator_core::schema::nearest_float;
/// assert_eq!(nearest_float("9007199254740993"), Some(9_007_199_254_740_992.0));
/// assert_eq!((nearest_float("1e400"), nearest_float("NaN")), (None, None));
/// ```
pub fn nearest_float(text: &str) -> Option<f64> {
    let float: f64 = text.parse().ok()?;
    // There is one zero: `-0` is no other number.
    float.is_finite().then_some(float + 0.0)
}

/// Appends the shortest digits whose nearest double is this one, in the canonical form of numbers: no exponent, `0` for every zero.
///
/// What is not finite has no digits, and is `null`; no column holds such a value.
pub fn write_float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        write!(out, "{}", value + 0.0).expect("a Vec takes every write");
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Returns the doubles that are nearest to the numbers of a column; `None` if it has no numbers, or one that no double is near.
pub(crate) fn nearest_floats(array: &ArrayRef, ty: LogicalType) -> Option<Float64Array> {
    Some(match ty {
        LogicalType::Float64 => array.as_primitive::<Float64Type>().clone(),
        LogicalType::Int64 => array.as_primitive::<Int64Type>().unary(of_int),
        LogicalType::Decimal { scale, .. } => {
            array.as_primitive::<Decimal128Type>().unary(|value| of_decimal(value, scale))
        }
        LogicalType::Number => {
            let floats = array.as_string::<i32>().iter().map(|text| text.map(|text| nearest_float(text).ok_or(())));
            floats.map(Option::transpose).collect::<Result<_, ()>>().ok()?
        }
        _ => return None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "the cast rounds to the nearest double, which is what is asked for")]
fn of_int(value: i64) -> f64 {
    value as f64
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A quotient of two doubles is the nearest one to the true quotient, so where both are exact nothing is rounded twice.
fn of_decimal(value: i128, scale: u8) -> f64 {
    match (i64::try_from(value), POWERS.get(usize::from(scale))) {
        (Ok(value), Some(power)) if value.unsigned_abs() <= 1 << 53 => of_int(value) / power,
        _ => {
            let mut text = Vec::new();
            write_number(value, scale, &mut text);
            // 38 digits are far below the greatest double.
            std::str::from_utf8(&text).ok().and_then(nearest_float).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Decimal128Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::super::canonical_number;
    use super::*;

    fn shortest(value: f64) -> String {
        let mut out = Vec::new();
        write_float(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn nearest(ty: LogicalType, array: impl arrow_array::Array + 'static) -> Option<f64> {
        let array: ArrayRef = Arc::new(array);
        nearest_floats(&array, ty).map(|floats| floats.value(0))
    }

    proptest! {
        #[test]
        fn digits_of_a_double_are_canonical_and_mean_it(value in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL) {
            let text = shortest(value);
            prop_assert_eq!(canonical_number(&text), Some(text.clone()));
            prop_assert_eq!(nearest_float(&text), Some(value));
        }

        #[test]
        fn every_type_is_rounded_once(digits in any::<i128>(), cut in 0..39_u32, scale in 0..=38_u8) {
            let digits = digits % 10_i128.pow(cut.min(38));
            let mut text = Vec::new();
            write_number(digits, scale, &mut text);
            let text = String::from_utf8(text).unwrap();
            // An exponent is another way through the standard library's parser.
            let expected: f64 = format!("{digits}e-{scale}").parse().unwrap();
            let decimal = Decimal128Array::from(vec![digits]).with_precision_and_scale(38, scale.cast_signed()).unwrap();
            prop_assert_eq!(nearest(LogicalType::Decimal { precision: 38, scale }, decimal), Some(expected));
            prop_assert_eq!(nearest(LogicalType::Number, StringArray::from(vec![text])), Some(expected));
            if let Ok(whole) = i64::try_from(digits) {
                let expected: f64 = whole.to_string().parse().unwrap();
                prop_assert_eq!(nearest(LogicalType::Int64, Int64Array::from(vec![whole])), Some(expected));
            }
        }
    }

    #[test]
    fn extremes_of_the_source_are_finite_and_there_is_one_zero() {
        let nines = format!("{}E+88", "9".repeat(38));
        for (text, digits) in [
            ("-0.0", "0".to_owned()),
            ("1E-130", format!("0.{}1", "0".repeat(129))),
            ("9.99E125", format!("999{}", "0".repeat(123))),
            (&nines, format!("1{}", "0".repeat(126))),
            ("9223372036854775807", "9223372036854775808".replace("5808", "6000")),
        ] {
            assert_eq!(shortest(nearest_float(text).unwrap()), digits, "{text}");
        }
        assert_eq!((shortest(f64::NAN), nearest_float("inf"), nearest_float("x")), ("null".to_owned(), None, None));
    }
}
