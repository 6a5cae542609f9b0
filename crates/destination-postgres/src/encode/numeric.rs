//! `numeric` in binary: digits to the base 10,000, the weight of the first one, a sign, and how many decimal digits to show.

use bytes::{BufMut, BytesMut};
use commutator_core::schema::canonical_number;
use commutator_core::{Error, ErrorKind, Result};

const BASE: u128 = 10_000;
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
/// Decimal digits per digit to the base 10,000.
const GROUP: usize = 4;

/// Appends `value / 10^scale` with its length; `scale` is at most 38.
pub(super) fn put_decimal(value: i128, scale: u8, out: &mut BytesMut) {
    // An i128 has at most 39 decimal digits: 10 groups before or behind the point, and one that the point cuts in two.
    let mut groups = [0_u16; 12];
    let mut used = 0;
    let mut rest = value.unsigned_abs();
    let scale_digits = usize::from(scale);
    let cut = scale_digits % GROUP;
    if cut > 0 {
        let unit = 10_u128.pow(u32::from(scale % 4));
        groups[0] = narrow(rest % unit * (BASE / unit));
        rest /= unit;
        used = 1;
    }
    while u64::try_from(rest).is_err() {
        groups[used] = narrow(rest % BASE);
        rest /= BASE;
        used += 1;
    }
    // What is left fits in a u64, whose division is several times faster.
    let mut rest = u64::try_from(rest).unwrap_or(0);
    while rest > 0 {
        groups[used] = narrow(u128::from(rest % 10_000));
        rest /= 10_000;
        used += 1;
    }
    // The groups stand from the least to the greatest; those behind the point come first.
    let behind = scale_digits.div_ceil(GROUP);
    let weight = used.cast_signed() - behind.cast_signed() - 1;
    let low = groups[..used].iter().take_while(|&&group| group == 0).count();
    let sign = if value < 0 { NEGATIVE } else { POSITIVE };
    put(groups[low..used].iter().rev().copied(), weight, sign, scale_digits, out);
}

/// Appends a numeral with its length: an optional sign, digits, an optional fraction, an optional exponent.
///
/// Returns [`DataInvalid`](ErrorKind::DataInvalid) for anything else.
pub(super) fn put_number(text: &str, out: &mut BytesMut) -> Result<()> {
    let canonical;
    let plain = if is_plain(text) {
        text
    } else {
        canonical = canonical_number(text)
            .ok_or_else(|| Error::new(ErrorKind::DataInvalid, "A number column holds what is not a number"))?;
        &canonical
    };
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (POSITIVE, plain),
    };
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (integer, fraction) = (integer.as_bytes(), fraction.as_bytes());
    let before = integer.len().div_ceil(GROUP);
    let head = integer.len() % GROUP;
    let (first, rest) = integer.split_at(head);
    let groups = (!first.is_empty())
        .then_some(first)
        .into_iter()
        .chain(rest.chunks(GROUP))
        .map(|group| (group, 0))
        .chain(fraction.chunks(GROUP).map(|group| (group, GROUP - group.len())))
        .map(|(group, missing)| {
            let value = group.iter().fold(0_u16, |value, digit| value * 10 + u16::from(digit - b'0'));
            (0..missing).fold(value, |value, _| value * 10)
        });
    put(groups, before.cast_signed() - 1, sign, fraction.len(), out);
    Ok(())
}

/// Digits with at most one point between them, after at most one minus.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(integer) && all_digits(fraction)
}

/// Appends groups from the greatest, the first of which has `weight`; zeros at either end are left out, as the server does.
fn put(groups: impl Iterator<Item = u16>, weight: isize, sign: u16, shown: usize, out: &mut BytesMut) {
    let start = out.len();
    out.put_bytes(0, 12);
    let mut weight = weight;
    let mut any = false;
    let mut end = out.len();
    for group in groups {
        if !any && group == 0 {
            weight -= 1;
            continue;
        }
        any = true;
        out.put_u16(group);
        if group != 0 {
            end = out.len();
        }
    }
    out.truncate(end);
    let count = (end - start - 12) / 2;
    let (weight, sign) = if count == 0 { (0, POSITIVE) } else { (weight, sign) };
    // `canonical_number` refuses exponents beyond 1,000, and 38 digits are far fewer: everything fits.
    let header: [u16; 4] = [
        u16::try_from(count).unwrap_or(u16::MAX),
        i16::try_from(weight).unwrap_or(i16::MAX).cast_unsigned(),
        sign,
        u16::try_from(shown).unwrap_or(u16::MAX),
    ];
    let length = u32::try_from(end - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    for (i, field) in header.into_iter().enumerate() {
        out[start + 4 + 2 * i..][..2].copy_from_slice(&field.to_be_bytes());
    }
}

fn narrow(group: u128) -> u16 {
    // A group is below 10,000.
    u16::try_from(group).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator_core::schema::write_number;
    use proptest::prelude::*;

    /// Reads the binary form back into plain text, by the server's own rule (`numeric_out`).
    fn read(bytes: &[u8]) -> String {
        let word = |i: usize| u16::from_be_bytes([bytes[4 + 2 * i], bytes[5 + 2 * i]]);
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        assert_eq!(length as usize, bytes.len() - 4);
        let (count, weight, sign, shown) = (usize::from(word(0)), word(1).cast_signed(), word(2), usize::from(word(3)));
        assert_eq!(bytes.len(), 12 + 2 * count);
        let group = |i: i32| usize::try_from(i).ok().filter(|&i| i < count).map_or(0, |i| word(4 + i));
        let mut text = if sign == NEGATIVE { "-".to_owned() } else { String::new() };
        let digits = |groups: std::ops::RangeInclusive<i32>| {
            groups.map(|i| format!("{:04}", group(i))).collect::<Vec<_>>().concat()
        };
        let integer = digits(0..=i32::from(weight));
        let integer = integer.trim_start_matches('0');
        text.push_str(if integer.is_empty() { "0" } else { integer });
        if shown > 0 {
            let first = i32::from(weight) + 1;
            let last = first + i32::try_from(shown).unwrap();
            let fraction = digits(first..=last);
            text.push('.');
            text.push_str(&fraction[..shown]);
        }
        text
    }

    fn number(text: &str) -> String {
        let mut out = BytesMut::new();
        put_number(text, &mut out).unwrap();
        read(&out)
    }

    proptest! {
        #[test]
        fn decimals_are_exact(value in any::<i128>(), digits in 0u32..39, scale in 0u8..=38) {
            let value = value % 10_i128.pow(digits.min(38));
            let mut out = BytesMut::new();
            put_decimal(value, scale, &mut out);
            let mut text = Vec::new();
            write_number(value, scale, &mut text);
            let read = read(&out);
            prop_assert_eq!(canonical_number(&read).unwrap(), String::from_utf8(text).unwrap());
            let shown = read.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            prop_assert_eq!(shown, usize::from(scale));
        }

        #[test]
        fn numbers_are_exact(text in "-?[0-9]{1,38}E-?[0-9]{1,2}") {
            prop_assert_eq!(number(&text), canonical_number(&text).unwrap());
        }
    }

    #[test]
    fn the_limits_of_dynamodb_are_exact() {
        for text in
            ["1E-130", "9.9999999999999999999999999999999999999E+125", "-9.9999999999999999999999999999999999999E125"]
        {
            assert_eq!(number(text), canonical_number(text).unwrap());
        }
        for (text, plain) in
            [("0", "0"), ("-0", "-0"), ("0.00010000", "0.00010000"), ("10000", "10000"), ("123456.7", "123456.7")]
        {
            assert_eq!(number(text), plain.trim_start_matches("-0").to_owned() + if plain == "-0" { "0" } else { "" });
        }
        let mut out = BytesMut::new();
        put_decimal(99_999_999_999_999_999_999_999_999_999_999_999_999, 38, &mut out);
        assert_eq!(read(&out), format!("0.{}", "9".repeat(38)));
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for bad in ["", "-", "1.2.3", "NaN", "1e99999", "0x1"] {
            assert_eq!(put_number(bad, &mut BytesMut::new()).unwrap_err().kind(), ErrorKind::DataInvalid, "{bad}");
        }
    }
}
