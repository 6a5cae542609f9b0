//! Numbers from their digits, without a text in between where they are short.

use std::cmp::Ordering;

use commutator_core::LogicalType;
use commutator_core::schema::{canonical_number, number_type};

const ONES: u64 = 0x0101_0101_0101_0101;

/// As many digits as always fit 64 bits.
const SHORT_DIGITS: usize = 19;

/// As many digits as a decimal has.
const MOST_DIGITS: usize = 38;

/// Powers of ten, as many as a decimal of 38 digits can need.
pub(super) const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// A number that a column of fixed width holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numeral {
    /// A whole number of 64 bits.
    Int(i64),
    /// `value / 10^scale`, with the digits it needs before and behind the point.
    Decimal { value: i128, integer: u8, scale: u8 },
}

/// A number of any length.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum General {
    Numeral(Numeral),
    /// More digits than a decimal has, as canonical text.
    Long(String),
}

/// Reads a numeral that ends in a quote, and returns how many bytes both take.
///
/// Returns `None` for whatever is not short and plain; [`general`] knows the rest.
#[inline]
pub(super) fn short(text: &[u8]) -> Option<(Numeral, usize)> {
    let negative = *text.first()? == b'-';
    let mut at = usize::from(negative);
    let mut mantissa = 0;
    let whole = digits(text, &mut at, &mut mantissa, SHORT_DIGITS)?;
    if whole == 0 || whole > SHORT_DIGITS {
        return None;
    }
    match *text.get(at)? {
        b'"' => Some((Numeral::Int(signed(mantissa, negative)?), at + 1)),
        b'.' => {
            at += 1;
            let fraction = digits(text, &mut at, &mut mantissa, SHORT_DIGITS - whole)?;
            if fraction == 0 || whole + fraction > SHORT_DIGITS || *text.get(at)? != b'"' {
                return None;
            }
            // Zeros at either end are no digits.
            let integer = match text[usize::from(negative)] {
                b'0' if whole > 1 => return None,
                b'0' => 0,
                _ => whole,
            };
            let ends_in_zero = text[at - 1] == b'0';
            Some((fractional(mantissa, integer, fraction, ends_in_zero, negative)?, at + 1))
        }
        _ => None,
    }
}

#[inline]
fn fractional(
    mut mantissa: u64,
    integer: usize,
    fraction: usize,
    ends_in_zero: bool,
    negative: bool,
) -> Option<Numeral> {
    let (integer, mut scale) = (u8::try_from(integer).ok()?, u8::try_from(fraction).ok()?);
    if ends_in_zero {
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale -= 1;
        }
        if scale == 0 {
            return signed(mantissa, negative).map(Numeral::Int);
        }
    }
    let value = i128::from(mantissa);
    Some(Numeral::Decimal { value: if negative { -value } else { value }, integer, scale })
}

/// Reads a numeral of up to 38 digits that ends in a quote, and returns how many bytes both take.
///
/// Returns `None` for whatever is not plain; [`general`] knows the rest.
pub(super) fn long(text: &[u8]) -> Option<(Numeral, usize)> {
    let negative = *text.first()? == b'-';
    let start = usize::from(negative);
    let mut mantissa = 0;
    let whole = digits_128(text, start, &mut mantissa)?;
    let mut at = start + whole;
    let mut scale = 0;
    if *text.get(at)? == b'.' {
        scale = digits_128(text, at + 1, &mut mantissa)?;
        at += 1 + scale;
        if scale == 0 {
            return None;
        }
    }
    let leading_zero = text[start] == b'0';
    if whole == 0 || whole + scale > MOST_DIGITS || (leading_zero && whole > 1) || *text.get(at)? != b'"' {
        return None;
    }
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    let value = if negative { -mantissa } else { mantissa };
    let numeral = match i64::try_from(value) {
        Ok(value) if scale == 0 => Numeral::Int(value),
        _ => {
            let integer = if leading_zero { 0 } else { whole };
            Numeral::Decimal { value, integer: u8::try_from(integer).ok()?, scale: u8::try_from(scale).ok()? }
        }
    };
    Some((numeral, at + 1))
}

/// Reads the digits at `at` into the mantissa and returns how many there are; after too many the mantissa is wrong.
fn digits_128(text: &[u8], at: usize, mantissa: &mut i128) -> Option<usize> {
    let mut count = 0;
    loop {
        let (found, value) = block(text, at + count)?;
        *mantissa = mantissa.wrapping_mul(POWERS[found]).wrapping_add(value.into());
        count += found;
        if found < 8 || count > MOST_DIGITS {
            return Some(count);
        }
    }
}

/// The lowest whole number of 64 bits has no counterpart; it is left to [`general`].
#[inline]
fn signed(mantissa: u64, negative: bool) -> Option<i64> {
    let value = i64::try_from(mantissa).ok()?;
    Some(if negative { -value } else { value })
}

/// Reads the digits at `at` into the mantissa and returns how many there are; more than `most` are not all read.
#[inline]
fn digits(text: &[u8], at: &mut usize, mantissa: &mut u64, most: usize) -> Option<usize> {
    let mut count = 0;
    loop {
        let (found, value) = block(text, *at)?;
        count += found;
        if found > 0 {
            if count > most {
                return Some(count);
            }
            *mantissa = *mantissa * TENS[found] + value;
            *at += found;
        }
        if found < 8 {
            return Some(count);
        }
    }
}

/// Returns how many digits there are at `at`, up to eight, and the number that they are.
#[inline]
fn block(text: &[u8], at: usize) -> Option<(usize, u64)> {
    let block = text.get(at..)?.first_chunk::<8>()?;
    let word = u64::from_le_bytes(*block) ^ (ONES * 0x30);
    // A byte above 9 reaches the top bit when 0x76 is added; what it carries over lies above the first such byte.
    let other = (word.wrapping_add(ONES * 0x76) | word) & (ONES * 0x80);
    let found = other.trailing_zeros() as usize / 8;
    Some((found, if found > 0 { eight(word << (8 * (8 - found))) } else { 0 }))
}

const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Returns the number whose eight digits are the bytes of `word`, the first digit in the lowest byte.
#[inline]
fn eight(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// Returns the number that a text is, or `None` if it is none or lies beyond every exponent `DynamoDB` has.
pub(super) fn general(text: &str) -> Option<General> {
    let ty = number_type(text)?;
    let canonical = canonical_number(text)?;
    Some(match ty {
        LogicalType::Int64 => General::Numeral(Numeral::Int(canonical.parse().ok()?)),
        LogicalType::Decimal { precision, scale } => {
            let value = canonical.replace('.', "").parse().ok()?;
            General::Numeral(Numeral::Decimal { value, integer: precision - scale, scale })
        }
        _ => General::Long(canonical),
    })
}

/// Returns the length of a number without an exponent that is in JSON's form and ends in a quote.
#[inline]
pub(super) fn plain_length(text: &[u8]) -> Option<usize> {
    let start = usize::from(*text.first()? == b'-');
    let mut at = start;
    let mut ignored = 0;
    let whole = digits(text, &mut at, &mut ignored, SHORT_DIGITS)?;
    if whole == 0 || whole > SHORT_DIGITS || (whole > 1 && text[start] == b'0') {
        return None;
    }
    if *text.get(at)? == b'.' {
        at += 1;
        let fraction = digits(text, &mut at, &mut ignored, SHORT_DIGITS - whole)?;
        if fraction == 0 || whole + fraction > SHORT_DIGITS {
            return None;
        }
    }
    (*text.get(at)? == b'"').then_some(at)
}

/// Returns whether a JSON number is in canonical form already, as nearly all are.
pub(super) fn is_canonical(text: &str) -> bool {
    let plain = !text.bytes().any(|b| matches!(b, b'e' | b'E'));
    plain && !(text.ends_with('0') && text.contains('.')) && text != "-0"
}

/// Returns the length of the JSON number at the start of a text.
pub(super) fn json_length(text: &[u8]) -> Option<usize> {
    let run = |from: usize| text.get(from..).map_or(0, |t| t.iter().take_while(|b| b.is_ascii_digit()).count());
    let start = usize::from(text.first() == Some(&b'-'));
    let whole = run(start);
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let mut at = start + whole;
    if text.get(at) == Some(&b'.') {
        let fraction = run(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = run(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// Appends a number as it stands in a JSON document: as it was sent if that is a JSON number, else in its canonical form.
///
/// Returns `None` if it is no number that [`general`] accepts.
pub(super) fn write_json(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let is_json = json_length(text) == Some(text.len());
    let plain = is_json && !text.iter().any(|b| matches!(b, b'e' | b'E'));
    if plain {
        out.extend_from_slice(text);
        return Some(());
    }
    let canonical = canonical_number(str::from_utf8(text).ok()?)?;
    out.extend_from_slice(if is_json { text } else { canonical.as_bytes() });
    Some(())
}

/// Appends a whole number.
pub(super) fn write_int(value: i64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    while rest > 0 || start == digits.len() {
        start -= 1;
        digits[start] += (rest % 10).to_le_bytes()[0];
        rest /= 10;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

/// Compares two numbers in canonical form.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    match (a.strip_prefix(b"-"), b.strip_prefix(b"-")) {
        (None, None) => compare_absolute(a, b),
        (Some(a), Some(b)) => compare_absolute(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

fn compare_absolute(a: &[u8], b: &[u8]) -> Ordering {
    let whole = |text: &[u8]| text.iter().position(|&b| b == b'.').unwrap_or(text.len());
    // With as many digits before the point, the order of the texts is that of the numbers.
    whole(a).cmp(&whole(b)).then_with(|| a.cmp(b))
}
