//! Google `BigQuery`. Pages are those of its documentation, under cloud.google.com/bigquery/docs.

use commutator_core::{IdentifierRules, LogicalType};

use super::{BENT, escaped_literal, unless_null};
use crate::{AlterColumns, Casts, Dialect, MergeForm, NumberType, Parameters, Stage, Types, Widening};

/// The characters beside letters, marks and numbers that names of columns take ("Specifying a schema", "Flexible column names").
const ACCEPTED: &str = "_-&%=+:'<>#| ";

/// Columns ignore case, and some beginnings of names are taken ("Specifying a schema", "Column names").
const IDENTIFIERS: IdentifierRules = IdentifierRules {
    max_bytes: 300,
    case_sensitive: false,
    accepts: |c| c.is_alphanumeric() || ACCEPTED.contains(c),
    reserved: &[
        "_table_*",
        "_file_*",
        "_partition*",
        "_row_timestamp*",
        "__root__*",
        "_colidentifier*",
        "_change_sequence_number*",
        "_change_type*",
        "_change_timestamp*",
        "_field_*",
    ],
};

const TYPES: Types = Types {
    bool: "BOOL",
    int64: "INT64",
    float64: "FLOAT64",
    text: "STRING",
    binary: "BYTES",
    json: "STRING",
    timestamp: "TIMESTAMP",
    // BIGNUMERIC has no more than 38 digits behind the point, and rounds what has more.
    number: NumberType::Text,
    // "Data types": NUMERIC(P,S) has 0 ≤ S ≤ 9 and at most 29 digits before the point, BIGNUMERIC(P,S) 38 on either side. So every decimal
    // has a type, and as no value has more digits than its column's type none is rounded.
    decimal: |precision, scale| {
        let name = if scale <= 9 && precision - scale <= 29 { "NUMERIC" } else { "BIGNUMERIC" };
        Some(format!("{name}({precision},{scale})"))
    },
};

const CASTS: Casts = Casts {
    // "Conversion functions": no zeros at the end, and no point without digits behind it. The result for NUMERIC and BIGNUMERIC has no
    // exponent.
    digits: |value, _| format!("CAST({value} AS STRING)"),
    // Not proven: how many digits the service writes, and from where on with an exponent.
    digits_of_float: |value| format!("CAST({value} AS STRING)"),
    parse_json: str::to_owned,
    // "JSON functions": of a STRING it makes a JSON string with what must be escaped escaped; and of NULL the text `null` ("JSON encodings"),
    // where there would be a value then and was none.
    json_of_text: |text| unless_null(text, &format!("TO_JSON_STRING({text})")),
    // `true` or `false` ("Conversion functions").
    text_of_bool: |value| format!("CAST({value} AS STRING)"),
    // RFC 4648 with padding, in one line ("String functions").
    base64: |value| format!("TO_BASE64({value})"),
    text_of_json: |value| format!("IF(STARTS_WITH({value}, '\"'), JSON_VALUE({value}, '$'), {value})"),
    json_of_number: |_, _| None,
};

/// `BigQuery` with documents as text: its JSON bends numbers beyond 64 bits, or refuses them.
///
/// There is no transaction around `ALTER TABLE` ("Multi-statement transactions").
pub static BIGQUERY: Dialect = dialect(TYPES, CASTS);

/// `BigQuery` with documents as JSON. A document with a number that JSON cannot keep exactly is refused: that is what the mode `exact`
/// means, which is also the default ("JSON functions", `PARSE_JSON`).
pub static BIGQUERY_JSON: Dialect = dialect(
    Types { json: "JSON", ..TYPES },
    Casts {
        parse_json: |text| format!("PARSE_JSON({text}, wide_number_mode => 'exact')"),
        // A JSON string without its quotes; whatever else a document is has no other form than its JSON.
        text_of_json: |value| {
            format!(
                "CASE WHEN {value} IS NULL THEN NULL WHEN JSON_TYPE({value}) = 'string' THEN JSON_VALUE({value}, '$') \
                 ELSE TO_JSON_STRING({value}) END"
            )
        },
        json_of_number: |value, from| match from {
            LogicalType::Number | LogicalType::Decimal { .. } => {
                let json = format!("PARSE_JSON(CAST({value} AS STRING), wide_number_mode => 'exact')");
                // What cannot be parsed is NULL under "SAFE. prefix", and `ERROR` takes any type ("Debugging functions").
                let fits = format!("{value} IS NULL OR SAFE.{json} IS NOT NULL");
                Some(format!("IF({fits}, {json}, ERROR('{BENT}'))"))
            }
            _ => None,
        },
        ..CASTS
    },
);

const fn dialect(types: Types, casts: Casts) -> Dialect {
    Dialect {
        name: "BigQuery",
        identifiers: IDENTIFIERS,
        quote: '`',
        types,
        casts,
        // "Data definition language", `ALTER TABLE ADD COLUMN`. A table takes five such statements in ten seconds.
        alter: AlterColumns::Repeated,
        widen: widening,
        merge: MergeForm::Whole,
        aliases: true,
        parameters: Parameters::Numbered("@p"),
        literal,
        // That of the transaction within one.
        now: "CURRENT_TIMESTAMP()",
        stage: Stage { create: "CREATE TEMPORARY TABLE _ct_stage", name: "_ct_stage", documents: false },
        keyed: clustered,
    }
}

/// "Data definition language", `ALTER COLUMN SET DATA TYPE`: INT64 becomes NUMERIC or BIGNUMERIC, NUMERIC becomes BIGNUMERIC, and digits may
/// be added to either.
fn widening(from: LogicalType, to: LogicalType) -> Widening {
    match (from, to) {
        (LogicalType::Int64 | LogicalType::Decimal { .. }, LogicalType::Decimal { .. }) => Widening::InPlace,
        _ => Widening::AddCopyRename,
    }
}

/// Rows of keys that are near each other are stored together. Columns that a table is clustered by can be neither renamed nor dropped ("Data
/// definition language"), so those are left out that may have to make room for a wider one; four at most ("Introduction to clustered tables").
fn clustered(keys: &[(String, LogicalType)]) -> String {
    let texts = keys.iter().filter(|(_, ty)| *ty == LogicalType::Text).take(4);
    let names: Vec<_> = texts.map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("CLUSTER BY {}", names.join(", ")) }
}

/// A text in quotes has no line breaks of its own ("Lexical structure").
fn literal(text: &str) -> String {
    escaped_literal(text).replace('\n', r"\n").replace('\r', r"\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decimal_has_a_type_that_holds_it() {
        for precision in 1..=38_u8 {
            for scale in 0..=precision {
                let name = (TYPES.decimal)(precision, scale).unwrap();
                let whole = precision - scale;
                let holds =
                    if name.starts_with("NUMERIC") { scale <= 9 && whole <= 29 } else { scale <= 38 && whole <= 38 };
                assert!(holds, "{name}");
            }
        }
    }

    #[test]
    fn literals_are_one_line() {
        assert_eq!(literal("a'b\\c\nd\r"), r"'a\'b\\c\nd\r'");
    }
}
