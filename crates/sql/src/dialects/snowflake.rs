//! Snowflake.

use commutator_core::{IdentifierRules, LogicalType};

use super::{BENT, escaped_literal, trimmed};
use crate::{AlterColumns, Casts, Dialect, MergeForm, NumberType, Parameters, Stage, Types, Widening};

/// Snowflake: quoted names keep their case and are told apart by it, numbers become longer in place but nothing else, and `DECFLOAT` holds
/// what no decimal does. Documents are `VARIANT`.
///
/// `VARIANT` has decimals of 38 digits, 37 of them behind the point, and takes a number for a double that does not fit those or has an
/// exponent: "numbers using scientific notation …, or numbers that can't be stored as fixed-point decimals due to range or scale
/// limitations, are stored as DOUBLE" (docs.snowflake.com/en/sql-reference/functions/parse_json). So whoever stages documents writes numbers
/// without an exponent and refuses those that do not fit, and a column of numbers becomes one of documents only if all its numbers fit.
pub static SNOWFLAKE: Dialect = VARIANT;

/// Snowflake with documents as text, which keeps every digit of every number.
pub static SNOWFLAKE_TEXT: Dialect = Dialect {
    types: Types { json: "VARCHAR", ..VARIANT.types },
    casts: Casts {
        parse_json: str::to_owned,
        text_of_json: |value| {
            format!(
                "CASE WHEN IS_VARCHAR(PARSE_JSON({value})) THEN CAST(PARSE_JSON({value}) AS VARCHAR) ELSE {value} END"
            )
        },
        json_of_number: |_, _| None,
        ..VARIANT.casts
    },
    ..VARIANT
};

const VARIANT: Dialect = Dialect {
    name: "Snowflake",
    // "Identifiers can be up to 255 characters" (docs.snowflake.com/en/sql-reference/identifiers-syntax); as bytes, to be on the safe side.
    identifiers: IdentifierRules { max_bytes: 255, case_sensitive: true, accepts: |c| c != '\0', reserved: &[] },
    quote: '"',
    types: Types {
        bool: "BOOLEAN",
        int64: "NUMBER(19,0)",
        float64: "FLOAT",
        text: "VARCHAR",
        binary: "BINARY",
        json: "VARIANT",
        timestamp: "TIMESTAMP_TZ(6)",
        // 38 digits, and exponents far beyond DynamoDB's (docs.snowflake.com/en/sql-reference/data-types-numeric, `DECFLOAT`).
        number: NumberType::Native("DECFLOAT"),
        // "The maximum scale … is 37" (the same page, `NUMBER`).
        decimal: |precision, scale| (scale <= 37).then(|| format!("NUMBER({precision},{scale})")),
    },
    casts: Casts {
        digits: |value, scale| trimmed(format!("CAST({value} AS VARCHAR)"), scale),
        // Not proven: how many digits the service writes. If they are too few, the statement fails and bends nothing.
        digits_of_float: |value| {
            let text = format!("CAST({value} AS VARCHAR)");
            only_if(&format!("{value} IS NULL OR CAST({text} AS FLOAT) = {value}"), &text)
        },
        parse_json: |text| format!("PARSE_JSON({text})"),
        json_of_text: |text| format!("TO_JSON(TO_VARIANT({text}))"),
        text_of_bool: |value| format!("CAST({value} AS VARCHAR)"),
        base64: |value| format!("BASE64_ENCODE({value})"),
        text_of_json: |value| {
            format!("CASE WHEN IS_VARCHAR({value}) THEN CAST({value} AS VARCHAR) ELSE TO_JSON({value}) END")
        },
        json_of_number: |value, from| match from {
            // The same double, whatever its digits.
            LogicalType::Float64 => Some(format!("TO_VARIANT({value})")),
            LogicalType::Number => {
                let text = format!("CAST({value} AS VARCHAR)");
                let plain = format!("REGEXP_LIKE({text}, '-?[0-9]+([.][0-9]{{1,37}})?')");
                let short = format!("LENGTH(REPLACE(REPLACE({text}, '-', ''), '.', '')) <= 38");
                Some(only_if(&format!("{value} IS NULL OR ({plain} AND {short})"), &format!("PARSE_JSON({text})")))
            }
            _ => None,
        },
    },
    // "ADD COLUMN a, b" (docs.snowflake.com/en/sql-reference/sql/alter-table).
    alter: AlterColumns::List,
    // "Increase the precision of a number column"; scale and type cannot change (docs.snowflake.com/en/sql-reference/sql/alter-table-column).
    widen: |from, to| match (from, to) {
        (LogicalType::Int64, LogicalType::Decimal { scale: 0, .. }) => Widening::InPlace,
        (LogicalType::Decimal { scale, .. }, LogicalType::Decimal { scale: wider, .. })
            if scale == wider && scale <= 37 =>
        {
            Widening::InPlace
        }
        _ => Widening::AddCopyRename,
    },
    merge: MergeForm::Whole,
    aliases: true,
    parameters: Parameters::Question,
    // Backslashes are special in single quotes (docs.snowflake.com/en/sql-reference/data-types-text, "Escape sequences").
    literal: escaped_literal,
    now: "CURRENT_TIMESTAMP(6)",
    stage: Stage {
        // A temporary table is the session's, and nobody says that a session serves one request only.
        create: "CREATE OR REPLACE TEMPORARY TABLE _ct_stage",
        name: "_ct_stage",
        documents: false,
    },
    keyed: |_| String::new(),
};

/// A value under a condition; the statement fails, with [`BENT`] in its message, for a row of which it does not hold.
fn only_if(condition: &str, value: &str) -> String {
    let holds = format!("CAST(CASE WHEN {condition} THEN '1' ELSE '{BENT}' END AS NUMBER(19,0)) = 1");
    format!("CASE WHEN {holds} THEN {value} END")
}
