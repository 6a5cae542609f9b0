//! The JSON text of single values, as it stands in `Json` columns.

use std::io::Write as _;

/// Appends a JSON string literal.
///
/// Only what JSON requires is escaped: the quote, the backslash and control characters.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (i, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..0x20 => {
                out.extend_from_slice(&text.as_bytes()[plain..i]);
                write!(out, "\\u{byte:04x}").expect("a Vec takes every write");
                plain = i + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..i]);
        out.extend_from_slice(escape);
        plain = i + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

/// Appends the canonical text of `value / 10^scale`: no superfluous zeros, no exponent.
pub fn write_number(value: i128, scale: u8, out: &mut Vec<u8>) {
    let digits = value.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if value < 0 {
        out.push(b'-');
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (integer, fraction) = padded.split_at(padded.len() - scale);
    out.extend_from_slice(integer.as_bytes());
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_are_what_serde_json_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            write_json_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn numbers_are_canonical(value in any::<i64>(), scale in 0u8..38) {
            let mut out = Vec::new();
            write_number(value.into(), scale, &mut out);
            let text = String::from_utf8(out).unwrap();
            let canonical = super::super::canonical_number(&format!("{value}e-{scale}"));
            prop_assert_eq!(Some(text), canonical);
        }
    }
}
