//! Numbers as `DynamoDB` keeps them: exact decimals of up to 38 digits, in one form per value.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// An exact decimal of up to 38 significant digits between 1E-130 and 9.99…E+125 in magnitude, or zero.
///
/// Equal values are equal whatever their text was: `1.10` is `1.1` and `1e3` is `1000`, which is also what `DynamoDB` answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// Without leading or trailing zeros; empty for zero.
    digits: String,
    /// The power of ten that the number is below: `0.digits × 10^point`. 0 for zero.
    point: i32,
}

impl Number {
    /// Returns how many bytes it has in an item: one per two digits, paired from the decimal point, one for a minus, and one more.
    pub(crate) fn size(&self) -> usize {
        let odd = usize::from(self.point.rem_euclid(2) == 1);
        let digits = (self.digits.len() + odd).div_ceil(2);
        if self.digits.is_empty() { 1 } else { digits + usize::from(self.negative) + 1 }
    }
}

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::validation("A value provided cannot be converted into a number");
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid())?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Ok(Self { negative: false, digits, point: 0 });
        }
        if digits.len() > 38 {
            return Err(Error::validation("Attempting to store more than 38 significant digits in a Number"));
        }
        let point = i32::try_from(whole.len())
            .ok()
            .zip(i32::try_from(all.len() - significant.len()).ok())
            .and_then(|(whole, zeros)| (whole - zeros).checked_add(exponent))
            .ok_or_else(invalid)?;
        let out_of_range = |what, than| {
            let text = "Attempting to store a number with magnitude";
            Err(Error::validation(format!("Number {what}. {text} {than} than supported range")))
        };
        match point {
            127.. => out_of_range("overflow", "larger"),
            ..-129 => out_of_range("underflow", "smaller"),
            _ => Ok(Self { negative, digits, point }),
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        let all = value.unsigned_abs().to_string();
        let digits = all.trim_end_matches('0').to_owned();
        let point = if value == 0 { 0 } else { i32::try_from(all.len()).unwrap_or(0) };
        Self { negative: value < 0, digits, point }
    }
}

impl fmt::Display for Number {
    /// Writes it without an exponent, as `DynamoDB` does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        let shift = usize::try_from(self.point.unsigned_abs()).unwrap_or(0);
        if self.point <= 0 {
            return write!(f, "0.{}{}", "0".repeat(shift), self.digits);
        }
        match self.digits.split_at_checked(shift) {
            Some((whole, "")) => f.write_str(whole),
            Some((whole, fraction)) => write!(f, "{whole}.{fraction}"),
            None => write!(f, "{}{}", self.digits, "0".repeat(shift - self.digits.len())),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |n: &Self| if n.digits.is_empty() { 0 } else { 1 - 2 * i8::from(n.negative) };
        let magnitude = || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { magnitude().reverse() } else { magnitude() })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_normalised() {
        for (sent, kept) in [
            ("1.10", "1.1"),
            ("1e3", "1000"),
            ("-0", "0"),
            ("0E-200", "0"),
            ("00012", "12"),
            ("+5", "5"),
            ("1.", "1"),
            (".5", "0.5"),
            ("-1.50E-3", "-0.0015"),
            ("1e+5", "100000"),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
            ("1234567890123456789012345678901234567800", "1234567890123456789012345678901234567800"),
        ] {
            assert_eq!(number(sent).to_string(), kept, "{sent}");
        }
        assert_eq!(number("1E-130").to_string(), format!("0.{}1", "0".repeat(129)));
        assert_eq!(number("9.9E125").to_string(), format!("99{}", "0".repeat(124)));
        assert_eq!(Number::from(-1200), number("-1200"));
        assert_eq!(Number::from(i64::MIN).to_string(), i64::MIN.to_string());
        assert_eq!(Number::from(0), number("0.0"));
    }

    #[test]
    fn what_is_no_number_or_out_of_range_is_refused() {
        for bad in
            ["", "abc", " 1", "1e", "NaN", "1_0", "0x1", "1.2.3", "-", ".", "1E126", "1E-131", "--1", "1e99999999999"]
        {
            assert_eq!(bad.parse::<Number>().unwrap_err().code(), "ValidationException", "{bad}");
        }
        assert!("123456789012345678901234567890123456789".parse::<Number>().is_err());
    }

    #[test]
    fn order_is_numeric() {
        let sorted =
            ["-1E125", "-2", "-1.5", "-1", "-0.3", "0", "1E-130", "0.3", "1", "1.5", "2", "10", "12", "12.3", "1E125"];
        for pair in sorted.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn sizes_follow_the_documented_rule() {
        for (text, bytes) in
            [("0", 1), ("1", 2), ("12", 2), ("1.1", 3), ("1000", 2), ("123", 3), ("-0.01", 3), ("-123.45", 5)]
        {
            assert_eq!(number(text).size(), bytes, "{text}");
        }
    }
}
