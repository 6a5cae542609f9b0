//! Amazon Redshift.

use commutator_core::{IdentifierRules, LogicalType};

use super::{portable_literal, trimmed};
use crate::{AddColumns, Casts, Dialect, MergeForm, NumberType, Parameters, Stage, Types, Widening};

/// Redshift: names are in lower case unless a session says otherwise, `MERGE` takes no conditions, and no column changes its type but by
/// a longer VARCHAR, so every widening goes through a new column.
pub static REDSHIFT: Dialect = Dialect {
    name: "Redshift",
    identifiers: IdentifierRules {
        max_bytes: 127,
        case_sensitive: false,
        accepts: |c| c != '\0',
        // PostgreSQL's own columns, and those that Redshift adds.
        reserved: &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid", "insertxid", "deletexid"],
    },
    quote: '"',
    types: Types {
        bool: "BOOLEAN",
        int64: "BIGINT",
        float64: "DOUBLE PRECISION",
        text: "VARCHAR(65535)",
        binary: "VARBYTE(1024000)",
        json: "SUPER",
        timestamp: "TIMESTAMPTZ",
        number: NumberType::Text,
        decimal: |precision, scale| (scale <= 37).then(|| format!("NUMERIC({precision},{scale})")),
    },
    casts: Casts {
        digits: |value, scale| trimmed(format!("CAST({value} AS VARCHAR(65535))"), scale),
        // Not proven: how many digits the service writes, and from where on with an exponent.
        digits_of_float: |value| format!("CAST({value} AS VARCHAR)"),
        parse_json: |text| format!("JSON_PARSE({text})"),
        json_of_text: |text| format!("JSON_SERIALIZE(CAST({text} AS SUPER))"),
        text_of_bool: |value| format!("CASE WHEN {value} THEN 'true' WHEN NOT {value} THEN 'false' END"),
        base64: |value| format!("FROM_VARBYTE({value}, 'base64')"),
        text_of_json: |value| {
            format!(
                "CASE WHEN IS_VARCHAR({value}) THEN CAST({value} AS VARCHAR(65535)) ELSE JSON_SERIALIZE({value}) END"
            )
        },
        json_of_number: |_, _| None,
    },
    add: AddColumns::One,
    widen: |_: LogicalType, _| Widening::AddCopyRename,
    merge: MergeForm::Apart,
    aliases: false,
    parameters: Parameters::Numbered(":p"),
    literal: portable_literal,
    // That of the transaction, with microseconds; `GETDATE` has seconds.
    now: "SYSDATE",
    // A document may have 16 MB as SUPER, and 64 KB as text.
    stage: Stage { create: "CREATE TEMPORARY TABLE _ct_stage", name: "_ct_stage", documents: true },
};
