//! Google `BigQuery`.

use commutator_core::{IdentifierRules, LogicalType};

use super::escaped_literal;
use crate::{AddColumns, Casts, Dialect, MergeForm, NumberType, Parameters, Stage, Types, Widening};

/// Characters that no name takes (documentation, "Flexible column names").
const REFUSED: &str = "!\"$()*,./;?@[\\]^`{}~";

/// `BigQuery`: columns ignore case, its JSON bends numbers beyond 64 bits, so documents are text, and there is no transaction around
/// `ALTER TABLE`.
pub static BIGQUERY: Dialect = Dialect {
    name: "BigQuery",
    identifiers: IdentifierRules {
        max_bytes: 300,
        case_sensitive: false,
        accepts: |c| !c.is_control() && !REFUSED.contains(c),
        reserved: &[],
    },
    quote: '`',
    types: Types {
        bool: "BOOL",
        int64: "INT64",
        float64: "FLOAT64",
        text: "STRING",
        binary: "BYTES",
        json: "STRING",
        timestamp: "TIMESTAMP",
        number: NumberType::Text,
        decimal: |precision, scale| {
            Some(if scale <= 9 && precision - scale <= 29 {
                format!("NUMERIC({precision},{scale})")
            } else {
                format!("BIGNUMERIC({precision},{scale})")
            })
        },
    },
    casts: Casts {
        // It writes no zeros at the end by itself.
        digits: |value, _| format!("CAST({value} AS STRING)"),
        // Not proven: how many digits the service writes, and from where on with an exponent.
        digits_of_float: |value| format!("CAST({value} AS STRING)"),
        parse_json: str::to_owned,
        json_of_text: |text| format!("TO_JSON_STRING({text})"),
        text_of_bool: |value| format!("CAST({value} AS STRING)"),
        base64: |value| format!("TO_BASE64({value})"),
        text_of_json: |value| format!("IF(STARTS_WITH({value}, '\"'), JSON_VALUE({value}, '$'), {value})"),
        json_of_number: |_, _| None,
    },
    add: AddColumns::Repeated,
    widen: |from, to| match (from, to) {
        (LogicalType::Int64 | LogicalType::Decimal { .. }, LogicalType::Decimal { .. }) => Widening::InPlace,
        _ => Widening::AddCopyRename,
    },
    merge: MergeForm::Whole,
    aliases: true,
    parameters: Parameters::Numbered("@p"),
    literal: escaped_literal,
    now: "CURRENT_TIMESTAMP()",
    stage: Stage { create: "CREATE TEMPORARY TABLE _ct_stage", name: "_ct_stage", documents: false },
};
