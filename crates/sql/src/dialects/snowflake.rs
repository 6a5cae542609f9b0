//! Snowflake.

use commutator_core::{IdentifierRules, LogicalType};

use super::{escaped_literal, trimmed};
use crate::{AddColumns, Casts, Dialect, MergeForm, NumberType, Parameters, Stage, Types, Widening};

/// Snowflake: quoted names keep their case and are told apart by it, numbers become longer in place but nothing else, and `DECFLOAT` holds
/// what no decimal does.
pub static SNOWFLAKE: Dialect = Dialect {
    name: "Snowflake",
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
        number: NumberType::Native("DECFLOAT"),
        decimal: |precision, scale| (scale <= 37).then(|| format!("NUMBER({precision},{scale})")),
    },
    casts: Casts {
        digits: |value, scale| trimmed(format!("CAST({value} AS VARCHAR)"), scale),
        // Not proven: how many digits the service writes, and from where on with an exponent.
        digits_of_float: |value| format!("CAST({value} AS VARCHAR)"),
        parse_json: |text| format!("PARSE_JSON({text})"),
        json_of_text: |text| format!("TO_JSON(TO_VARIANT({text}))"),
        text_of_bool: |value| format!("CAST({value} AS VARCHAR)"),
        base64: |value| format!("BASE64_ENCODE({value})"),
        text_of_json: |value| {
            format!("CASE WHEN IS_VARCHAR({value}) THEN CAST({value} AS VARCHAR) ELSE TO_JSON({value}) END")
        },
    },
    add: AddColumns::List,
    widen: |from, to| match (from, to) {
        (LogicalType::Int64, LogicalType::Decimal { scale: 0, .. }) => Widening::InPlace,
        (LogicalType::Decimal { scale, .. }, LogicalType::Decimal { scale: wider, .. }) if scale == wider => {
            Widening::InPlace
        }
        _ => Widening::AddCopyRename,
    },
    merge: MergeForm::Whole,
    aliases: true,
    parameters: Parameters::Question,
    literal: escaped_literal,
    now: "CURRENT_TIMESTAMP(6)",
    stage: Stage { create: "CREATE TEMPORARY TABLE _ct_stage", name: "_ct_stage", documents: false },
    keyed: |_| String::new(),
};
