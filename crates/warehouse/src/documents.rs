//! Numbers within documents, where the warehouse has no type for documents that holds every one.
//!
//! Snowflake's `VARIANT` and Redshift's `SUPER` keep a number exactly while it is a decimal of up to 38 digits, 37 of them behind the point, and
//! without an exponent: "When parsing decimal numbers, `PARSE_JSON` attempts to preserve exactness of the representation by treating 123.45 as
//! `NUMBER(5,2)`, not as a `DOUBLE`. However, numbers using scientific notation …, or numbers that can't be stored as fixed-point decimals due to
//! range or scale limitations, are stored as `DOUBLE`" (docs.snowflake.com/en/sql-reference/functions/parse_json). So a number that has an
//! exponent is written without one, and one that then has too many digits is refused.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray};
use commutator_core::{ChangeBatch, Error, ErrorKind, LogicalType, Result};

/// The most digits of a decimal, and the most of them behind the point (docs.snowflake.com/en/sql-reference/data-types-numeric;
/// `docs.aws.amazon.com/redshift/latest/dg/r_Numeric_types201.html`).
const MOST_DIGITS: i64 = 38;
const MOST_SCALE: i64 = 37;

/// Returns rows whose documents have only numbers that a decimal of the warehouse holds, written without exponents.
///
/// Returns [`DataInvalid`](ErrorKind::DataInvalid) with `bent` as its sentence, naming the column, if there is a document with another one.
pub fn with_plain_numbers(rows: ChangeBatch, bent: &'static str) -> Result<ChangeBatch> {
    let schema = Arc::clone(rows.schema());
    let mut columns: Option<Vec<ArrayRef>> = None;
    for (i, column) in schema.columns().iter().enumerate() {
        if column.ty != LogicalType::Json {
            continue;
        }
        let documents = rows.rows().column(i).as_string::<i32>();
        if let Some(plain) = plain_column(documents, bent).map_err(|error| error.with("column", &column.name))? {
            columns.get_or_insert_with(|| rows.rows().columns().to_vec())[i] = Arc::new(plain);
        }
    }
    let Some(columns) = columns else { return Ok(rows) };
    let batch = RecordBatch::try_new(rows.rows().schema(), columns)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "Documents cannot be put back in their rows").with_source(e))?;
    ChangeBatch::new(schema, batch, rows.ops().to_vec(), rows.orders().to_vec(), rows.changed_at().to_vec())
}

/// Returns the documents with other numerals where there are such; `None` if they are fine as they are.
fn plain_column(documents: &StringArray, bent: &'static str) -> Result<Option<StringArray>> {
    let mut changed = None;
    for i in (0..documents.len()).filter(|&i| documents.is_valid(i)) {
        let text = documents.value(i);
        if let Cow::Owned(plain) = plain(text, bent)? {
            let all =
                changed.get_or_insert_with(|| documents.iter().map(|text| text.map(Cow::Borrowed)).collect::<Vec<_>>());
            all[i] = Some(Cow::Owned(plain));
        }
    }
    Ok(changed.map(|all| all.into_iter().collect()))
}

/// Returns a document with its numerals without exponents.
fn plain<'a>(json: &'a str, bent: &'static str) -> Result<Cow<'a, str>> {
    let bytes = json.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end = end_of_numeral(bytes, at);
                if let Cow::Owned(plain) = plain_numeral(&json[at..end], bent)? {
                    out.push_str(&json[copied..at]);
                    out.push_str(&plain);
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(json));
    }
    out.push_str(&json[copied..]);
    Ok(Cow::Owned(out))
}

/// Returns the place behind the string that begins here.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_numeral(bytes: &[u8], start: usize) -> usize {
    let length =
        bytes[start..].iter().take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E')).count();
    start + length
}

/// Returns the numeral without an exponent and, where that makes it fit, without zeros that mean nothing.
fn plain_numeral<'a>(numeral: &'a str, bent: &'static str) -> Result<Cow<'a, str>> {
    let (mantissa, exponent) = numeral.split_once(['e', 'E']).unwrap_or((numeral, "0"));
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let has_exponent = mantissa.len() != numeral.len();
    if !has_exponent && whole.len() + fraction.len() <= 37 {
        return Ok(Cow::Borrowed(numeral));
    }
    let bent = || Error::new(ErrorKind::DataInvalid, bent);
    let exponent: i64 = exponent.parse().map_err(|_| bent())?;
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Ok(Cow::Owned("0".to_owned()));
    }
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    // The value is `trimmed` with so many digits behind the point; fewer than none are zeros at its end.
    let scale = length(fraction) - exponent - (length(significant) - length(trimmed));
    let (before, behind) = ((length(trimmed) - scale).max(0), scale.max(0));
    if before + behind > MOST_DIGITS || behind > MOST_SCALE {
        return Err(bent());
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count.max(0)).unwrap_or_default());
    let plain = if scale <= 0 {
        format!("{sign}{trimmed}{}", zeros(-scale))
    } else {
        let padded = format!("{}{trimmed}", zeros(scale + 1 - length(trimmed)));
        let (whole, fraction) = padded.split_at(padded.len() - usize::try_from(scale).unwrap_or_default());
        format!("{sign}{whole}.{fraction}")
    };
    Ok(if plain == numeral { Cow::Borrowed(numeral) } else { Cow::Owned(plain) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BENT: &str = "bent";

    fn written(json: &str) -> String {
        plain(json, BENT).unwrap().into_owned()
    }

    #[test]
    fn numbers_lose_their_exponents_and_nothing_else() {
        for same in [
            r#"{"a": [1.10, -0.05, 0, 12345678901234567890], "b": "1e5 \" 2e6", "c\\": null}"#,
            "true",
            r#""9e999""#,
            "99999999999999999999999999999999999999",
            "-0.0000000000000000000000000000000000001",
        ] {
            assert!(matches!(plain(same, BENT).unwrap(), Cow::Borrowed(_)), "{same}");
        }
        for (before, after) in [
            ("1e5", "100000"),
            ("[1E+37,1.5e-3, 2]", "[10000000000000000000000000000000000000,0.0015, 2]"),
            (r#"{"1e5":-1.50E1}"#, r#"{"1e5":-15}"#),
            ("1.00000000000000000000000000000000000000", "1"),
            ("0e400", "0"),
            ("-12.5e0", "-12.5"),
        ] {
            assert_eq!(written(before), after);
        }
    }

    #[test]
    fn numbers_that_would_be_rounded_are_refused_without_being_shown() {
        for bent in [
            "1e38",
            "1e-38",
            "123456789012345678901234567890123456789",
            "1234567.00000000000000000000000000000000000001",
            "[1, 9.9999999999999999999999999999999999999E+125]",
            "1e99999999999999999999",
        ] {
            let error = plain(bent, BENT).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DataInvalid, "{bent}");
            assert!(!error.report().contains("99"), "{error}");
        }
    }

    #[test]
    fn a_column_is_copied_only_if_it_changes() {
        let column = |texts: &[Option<&str>]| texts.iter().copied().collect::<StringArray>();
        assert!(plain_column(&column(&[Some("1"), None]), BENT).unwrap().is_none());
        let plain = plain_column(&column(&[Some("1"), None, Some("1e2")]), BENT).unwrap().unwrap();
        assert_eq!(plain, column(&[Some("1"), None, Some("100")]));
    }
}
