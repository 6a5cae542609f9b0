//! The type of a number, decided from its digits.

use super::LogicalType;

/// Returns the least logical type that holds a decimal numeral exactly, or `None` if the text is not a numeral.
///
/// Accepted are an optional sign, digits, an optional fraction and an optional exponent, as `DynamoDB` and its emulators write
/// them (`-12.50`, `1E-130`, `.5`). Trailing zeros of a fraction do not count as digits.
pub fn number_type(text: &str) -> Option<LogicalType> {
    let parts = Parts::of(text)?;
    if parts.digits.is_empty() {
        return Some(LogicalType::Int64);
    }
    let digits = i64::try_from(parts.digits.len()).ok()?;
    let scale = (-parts.exponent).max(0);
    let integer = (digits + parts.exponent).max(0);
    if scale == 0 && integer <= 19 && parts.fits_i64() {
        return Some(LogicalType::Int64);
    }
    Some(match (u32::try_from(integer), u32::try_from(scale)) {
        (Ok(integer), Ok(scale)) if integer <= 38 && scale <= 38 => LogicalType::decimal(integer, scale),
        _ => LogicalType::Number,
    })
}

/// Returns a numeral in its plain canonical form, or `None` if the text is not a numeral.
///
/// No exponent, no plus sign, no superfluous zeros, `0` for every zero: equal numbers have equal text. This is the form in
/// which `DynamoDB` itself returns numbers. Exponents beyond ±1,000 are refused, as `DynamoDB` has none beyond -130 and 125.
pub fn canonical_number(text: &str) -> Option<String> {
    let parts = Parts::of(text)?;
    if parts.digits.is_empty() {
        return Some("0".to_owned());
    }
    if parts.exponent.abs() > 1_000 {
        return None;
    }
    let exponent = isize::try_from(parts.exponent).ok()?;
    let mut out = String::with_capacity(parts.digits.len() + exponent.unsigned_abs() + 3);
    if parts.negative {
        out.push('-');
    }
    let point = parts.digits.len().cast_signed() + exponent;
    match usize::try_from(point) {
        Ok(point) if point >= parts.digits.len() => {
            out.push_str(&parts.digits);
            out.extend(std::iter::repeat_n('0', point - parts.digits.len()));
        }
        Ok(point) if point > 0 => {
            out.push_str(&parts.digits[..point]);
            out.push('.');
            out.push_str(&parts.digits[point..]);
        }
        _ => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', point.unsigned_abs()));
            out.push_str(&parts.digits);
        }
    }
    Some(out)
}

/// A numeral taken apart: its significant digits without zeros at either end, and the power of ten they are multiplied by.
struct Parts {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if integer.len() + fraction.len() == 0 || !all_digits(integer) || !all_digits(fraction) {
            return None;
        }
        let joined = format!("{integer}{fraction}");
        let trimmed = joined.trim_end_matches('0');
        let dropped = i64::try_from(joined.len() - trimmed.len()).ok()?;
        let fraction_length = i64::try_from(fraction.len()).ok()?;
        Some(Self {
            negative,
            digits: trimmed.trim_start_matches('0').to_owned(),
            exponent: i64::from(exponent) - fraction_length + dropped,
        })
    }

    fn fits_i64(&self) -> bool {
        let zeros = usize::try_from(self.exponent).unwrap_or(0);
        let text = format!("{}{}{}", if self.negative { "-" } else { "" }, self.digits, "0".repeat(zeros));
        text.parse::<i64>().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_the_digits() {
        let decimal = |precision, scale| Some(LogicalType::Decimal { precision, scale });
        for (text, ty) in [
            ("0", Some(LogicalType::Int64)),
            ("-0.0", Some(LogicalType::Int64)),
            ("9223372036854775807", Some(LogicalType::Int64)),
            ("-9223372036854775808", Some(LogicalType::Int64)),
            ("1E3", Some(LogicalType::Int64)),
            ("9223372036854775808", decimal(19, 0)),
            ("12.50", decimal(3, 1)),
            ("0.001", decimal(3, 3)),
            ("1e20", decimal(21, 0)),
            ("99999999999999999999999999999999999999", decimal(38, 0)),
            ("0.99999999999999999999999999999999999999", decimal(38, 38)),
            ("1E-39", Some(LogicalType::Number)),
            ("1E-130", Some(LogicalType::Number)),
            ("9.9999999999999999999999999999999999999E+125", Some(LogicalType::Number)),
            ("", None),
            ("-", None),
            ("1.2.3", None),
            ("0x10", None),
            ("NaN", None),
        ] {
            assert_eq!(number_type(text), ty, "{text}");
        }
    }

    #[test]
    fn equal_numbers_have_equal_canonical_text() {
        for (text, canonical) in [
            ("1.10", "1.1"),
            ("1e3", "1000"),
            ("+5", "5"),
            (".5", "0.5"),
            ("-0", "0"),
            ("-00120.0500", "-120.05"),
            ("1E-3", "0.001"),
            ("12345e-2", "123.45"),
        ] {
            assert_eq!(canonical_number(text).as_deref(), Some(canonical), "{text}");
        }
        assert_eq!(canonical_number("1e-130").unwrap().len(), 132);
        assert_eq!(canonical_number("1e2147483647"), None);
    }
}
