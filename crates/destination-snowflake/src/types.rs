//! Logical types as they come out of staged files, and as the catalog spells them.

use commutator_core::LogicalType;
use commutator_sql::Dialect;
use commutator_warehouse::{Form, Texts};

/// In which form rows are staged: numbers that are no integers, times and bytes as text, so that Snowflake's reading of Parquet decides
/// nothing about them. It takes bytes for text unless told otherwise, and a time for a number, depending on options and on the
/// scanner (docs.snowflake.com/en/sql-reference/sql/copy-into-table, `TYPE = PARQUET`).
pub(crate) const FORM: Form = Form { binary: Texts::Hex, decimals_as_text: true, times_as_text: true, ..Form::PARQUET };

/// Returns the expression that reads a column of a staged file in the type that the staging table has for it.
pub(crate) fn of_staged(dialect: &Dialect, column: &str, ty: LogicalType) -> String {
    let text = format!("$1:{column}::VARCHAR");
    match ty {
        LogicalType::Bool | LogicalType::Int64 | LogicalType::Float64 => {
            format!("$1:{column}::{}", dialect.native(ty))
        }
        LogicalType::Text | LogicalType::Json => text,
        LogicalType::Binary => format!("TO_BINARY({text}, 'HEX')"),
        LogicalType::Timestamp => format!("TO_TIMESTAMP_TZ({text}, 'YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM')"),
        LogicalType::Number | LogicalType::Decimal { .. } => format!("{text}::{}", dialect.native(ty)),
    }
}

/// Returns a type as the dialect writes it, from how `DESCRIBE TABLE` does: that adds the longest lengths, which are what a type without
/// one has, such as `VARCHAR(16777216)` and `BINARY(8388608)` (docs.snowflake.com/en/sql-reference/data-types-text).
pub(crate) fn spelled(described: &str) -> String {
    let described = described.to_ascii_uppercase().replace(' ', "");
    let Some((name, length)) = described.split_once('(') else { return described };
    let length: u64 = length.trim_end_matches(')').parse().unwrap_or_default();
    match name {
        "VARCHAR" if length >= 16_777_216 => name.to_owned(),
        "BINARY" if length >= 8_388_608 => name.to_owned(),
        "DECFLOAT" => name.to_owned(),
        _ => described,
    }
}

/// Returns a column's name as statements have it: those of our own are not quoted there, which makes them upper case in the catalog.
pub(crate) fn named(found: &str) -> String {
    let ours =
        found.starts_with("_CT_") && found.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if ours { found.to_ascii_lowercase() } else { found.to_owned() }
}

#[cfg(test)]
mod tests {
    use commutator_sql::SNOWFLAKE;

    use super::*;

    #[test]
    fn what_is_described_is_what_was_created() {
        for (described, spelled_as) in [
            ("VARCHAR(16777216)", "VARCHAR"),
            ("VARCHAR(134217728)", "VARCHAR"),
            ("VARCHAR(10)", "VARCHAR(10)"),
            ("BINARY(8388608)", "BINARY"),
            ("NUMBER(38, 7)", "NUMBER(38,7)"),
            ("DECFLOAT(38)", "DECFLOAT"),
            ("TIMESTAMP_TZ(6)", "TIMESTAMP_TZ(6)"),
            ("FLOAT", "FLOAT"),
            ("VARIANT", "VARIANT"),
        ] {
            assert_eq!(spelled(described), spelled_as);
        }
        let all =
            [LogicalType::Bool, LogicalType::Float64, LogicalType::Binary, LogicalType::Json, LogicalType::Number];
        for ty in all {
            assert_eq!(SNOWFLAKE.logical(&spelled(&SNOWFLAKE.native(ty))), Some(ty));
        }
    }

    #[test]
    fn only_columns_of_our_own_lose_their_case() {
        for (found, name) in
            [("_CT_ORDER", "_ct_order"), ("_CT_WIDER_2", "_ct_wider_2"), ("ID", "ID"), ("_CT_ä", "_CT_ä"), ("id", "id")]
        {
            assert_eq!(named(found), name);
        }
    }
}
