//! Amazon Redshift.

use commutator_core::{IdentifierRules, LogicalType};

use super::{BENT, portable_literal, trimmed, unless_null};
use crate::{AlterColumns, Casts, Dialect, MergeForm, NumberType, Parameters, Stage, Types, Widening};

/// Redshift: names are in lower case unless a session says otherwise, `MERGE` takes no conditions, and no column changes its type but by
/// a longer VARCHAR, so every widening goes through a new column. Documents are `SUPER`.
///
/// A number within `SUPER` is of one of Redshift's own types (`docs.aws.amazon.com/redshift/latest/dg/r_SUPER_type.html`), of which `NUMERIC`
/// has 38 digits, 37 of them behind the point; what does not fit there is left to a double. So whoever stages documents refuses numbers
/// that do not fit, and a column of numbers becomes one of documents only if all its numbers fit.
pub static REDSHIFT: Dialect = DOCUMENTS;

/// Redshift with documents as text, which keeps every digit of every number, and is at most 65,535 bytes long.
pub static REDSHIFT_TEXT: Dialect = Dialect {
    types: Types { json: "VARCHAR(65535)", ..DOCUMENTS.types },
    casts: Casts {
        parse_json: str::to_owned,
        // It makes the text `null` of what is null (`docs.aws.amazon.com/redshift/latest/dg/JSON_SERIALIZE.html`).
        json_of_text: |text| unless_null(text, &format!("JSON_SERIALIZE(CAST({text} AS SUPER))")),
        // Only a string begins with a quote.
        text_of_json: |value| {
            format!(
                "CASE WHEN LEFT({value}, 1) = '\"' THEN CAST(JSON_PARSE({value}) AS VARCHAR(65535)) ELSE {value} END"
            )
        },
        json_of_number: |_, _| None,
        ..DOCUMENTS.casts
    },
    stage: Stage { documents: false, ..DOCUMENTS.stage },
    ..DOCUMENTS
};

const DOCUMENTS: Dialect = Dialect {
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
        json_of_text: |text| unless_null(text, &format!("JSON_SERIALIZE(CAST({text} AS SUPER))")),
        text_of_bool: |value| format!("CASE WHEN {value} THEN 'true' WHEN NOT {value} THEN 'false' END"),
        base64: |value| format!("FROM_VARBYTE({value}, 'base64')"),
        text_of_json: |value| {
            format!(
                "CASE WHEN {value} IS NULL THEN NULL WHEN IS_VARCHAR({value}) THEN CAST({value} AS VARCHAR(65535)) ELSE JSON_SERIALIZE({value}) END"
            )
        },
        json_of_number: |value, from| match from {
            LogicalType::Number => {
                let digits = format!("LEN(REPLACE(REPLACE({value}, '-', ''), '.', ''))");
                let fits = format!("{value} IS NULL OR {digits} <= 38");
                let holds = format!("CAST(CASE WHEN {fits} THEN '1' ELSE '{BENT}' END AS BIGINT) = 1");
                Some(format!("CASE WHEN {holds} THEN JSON_PARSE({value}) END"))
            }
            _ => None,
        },
    },
    alter: AlterColumns::One,
    widen: |_: LogicalType, _| Widening::AddCopyRename,
    merge: MergeForm::Apart,
    aliases: false,
    parameters: Parameters::Numbered(":p"),
    literal: portable_literal,
    // That of the transaction, with microseconds; `GETDATE` has seconds.
    now: "SYSDATE",
    // A document may have 16 MB as SUPER, and 64 KB as text.
    stage: Stage { create: "CREATE TEMPORARY TABLE _ct_stage", name: "_ct_stage", documents: true },
    keyed: |_| String::new(),
};
