//! `DuckDB` 1.4 and newer, which has `MERGE` (documentation, "MERGE INTO Statement").

use commutator_core::{IdentifierRules, LogicalType};

use super::{plain_literal, trimmed};
use crate::{AddColumns, Casts, Dialect, MergeForm, NumberType, Parameters, Stage, Types, Widening};

/// `DuckDB`: names ignore the case of ASCII letters and keep it, columns change their type under any expression, and all of it, `ALTER TABLE`
/// included, is part of the transaction.
pub static DUCKDB: Dialect = Dialect {
    name: "DuckDB",
    identifiers: IdentifierRules {
        // It has no limit; this one keeps names readable.
        max_bytes: 255,
        case_sensitive: false,
        accepts: |c| c != '\0',
        // Every table has it (documentation, "Rowid").
        reserved: &["rowid"],
    },
    quote: '"',
    types: Types {
        bool: "BOOLEAN",
        int64: "BIGINT",
        float64: "DOUBLE",
        text: "VARCHAR",
        binary: "BLOB",
        json: "JSON",
        timestamp: "TIMESTAMP WITH TIME ZONE",
        number: NumberType::Text,
        decimal: |precision, scale| Some(format!("DECIMAL({precision},{scale})")),
    },
    casts: Casts {
        // Where all digits are behind the point, it writes none before it.
        digits: |value, scale| match scale {
            0 => format!("CAST({value} AS VARCHAR)"),
            _ => trimmed(format!(r"regexp_replace(CAST({value} AS VARCHAR), '^(-?)\.', '\10.')"), scale),
        },
        digits_of_float,
        parse_json: |text| format!("CAST({text} AS JSON)"),
        json_of_text: |text| format!("CAST(to_json({text}) AS VARCHAR)"),
        text_of_bool: |value| format!("CAST({value} AS VARCHAR)"),
        base64: |value| format!("base64({value})"),
        text_of_json: |value| {
            format!("CASE WHEN json_type({value}) = 'VARCHAR' THEN {value} ->> '$' ELSE CAST({value} AS VARCHAR) END")
        },
    },
    add: AddColumns::One,
    widen: |_: LogicalType, _| Widening::Using,
    merge: MergeForm::Whole,
    aliases: true,
    parameters: Parameters::Numbered("$"),
    literal: plain_literal,
    now: "now()",
    stage: Stage { create: "CREATE TEMPORARY TABLE _ct_stage", name: "temp.main._ct_stage" },
};

/// `DuckDB` writes the shortest digits, but very large and small ones with an exponent (`1e-05`), and whole ones with `.0`. There are no
/// variables in an expression; a list of one element gives its parts names.
fn digits_of_float(value: &str) -> String {
    let (whole, fraction) = (r"regexp_extract(t, '^-?([0-9]+)', 1)", r"regexp_extract(t, '[.]([0-9]+)', 1)");
    let power = |sign: &str| format!("CAST('0' || regexp_extract(t, 'e{sign}([0-9]+)$', 1) AS INTEGER)");
    let parts = format!(
        "{{'s': CASE WHEN starts_with(t, '-') THEN '-' ELSE '' END, \
         'd': rtrim(ltrim({whole} || {fraction}, '0'), '0'), \
         'p': length({whole}) - length(regexp_extract({whole} || {fraction}, '^0*')) + {} - {}}}",
        power("[+]?"),
        power("-"),
    );
    format!(
        "list_transform(list_transform([CAST({value} AS VARCHAR)], lambda t: {parts}), lambda n: \
         CASE WHEN n.d = '' THEN '0' \
         WHEN n.p >= length(n.d) THEN n.s || n.d || repeat('0', n.p - length(n.d)) \
         WHEN n.p > 0 THEN n.s || n.d[1:n.p] || '.' || n.d[n.p + 1:] \
         ELSE n.s || '0.' || repeat('0', -n.p) || n.d END)[1]"
    )
}
