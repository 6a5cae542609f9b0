//! Logical types and what they are in `PostgreSQL`: one table, read in both directions.

use std::borrow::Cow;

use commutator_core::LogicalType;

/// The types whose name does not depend on anything, as `format_type` of the catalog writes them.
const NATIVE: [(LogicalType, &str); 8] = [
    (LogicalType::Bool, "boolean"),
    (LogicalType::Int64, "bigint"),
    (LogicalType::Number, "numeric"),
    (LogicalType::Float64, "double precision"),
    (LogicalType::Text, "text"),
    (LogicalType::Binary, "bytea"),
    (LogicalType::Json, "jsonb"),
    (LogicalType::Timestamp, "timestamp with time zone"),
];

/// Returns the type's name in the form that the catalog's `format_type` writes.
pub(crate) fn native(ty: LogicalType) -> Cow<'static, str> {
    match NATIVE.iter().find(|(logical, _)| *logical == ty) {
        Some((_, name)) => Cow::Borrowed(name),
        None => match ty {
            LogicalType::Decimal { precision, scale } => Cow::Owned(format!("numeric({precision},{scale})")),
            other => unreachable!("{other} stands in the table above"),
        },
    }
}

/// Returns the type in a temporary table: JSON stays text there, so that only the rows that are kept are parsed.
pub(crate) fn staged(ty: LogicalType) -> Cow<'static, str> {
    native(if ty == LogicalType::Json { LogicalType::Text } else { ty })
}

/// Returns the logical type of a catalog type, `None` if this destination never makes such a column.
pub(crate) fn logical(native: &str) -> Option<LogicalType> {
    if let Some((logical, _)) = NATIVE.iter().find(|(_, name)| *name == native) {
        return Some(*logical);
    }
    let inner = native.strip_prefix("numeric(")?.strip_suffix(')')?;
    format!("decimal({inner})").parse().ok()
}

/// Returns the expression that turns a column's values into a wider type, exactly as `commutator_core::schema::conform` does with
/// values that are still on their way; `column` is quoted.
pub(crate) fn widened(column: &str, from: LogicalType, to: LogicalType) -> String {
    use LogicalType::{Binary, Decimal, Float64, Json, Number, Text};
    match (from, to) {
        // A cast of a double rounds it to 15 digits; its text has the shortest ones that mean it, but may have an exponent.
        (Float64, Json) => format!("to_jsonb({column}::text::numeric)"),
        (Float64, Number) => format!("{column}::text::numeric"),
        (Float64, Text) => format!("{column}::text::numeric::text"),
        (Decimal { .. }, Json) => format!("to_jsonb(trim_scale({column}))"),
        // `encode` breaks base64 into lines of 76 characters.
        (Binary, Json) => format!(r"to_jsonb(translate(encode({column}, 'base64'), E'\n', ''))"),
        (_, Json) => format!("to_jsonb({column})"),
        (Decimal { .. } | Number, Text) => format!("trim_scale({column})::text"),
        (Binary, Text) => format!(r"translate(encode({column}, 'base64'), E'\n', '')"),
        // A string without its quotes, everything else as it is.
        (Json, Text) => format!("{column} #>> '{{}}'"),
        (Decimal { .. }, Number) => format!("trim_scale({column})"),
        (_, to) => format!("{column}::{}", native(to)),
    }
}

/// Returns whether widening rewrites every row: only more digits before the point do not (documentation of ALTER TABLE).
pub(crate) fn rewrites(from: LogicalType, to: LogicalType) -> bool {
    match (from, to) {
        (LogicalType::Decimal { scale, .. }, LogicalType::Decimal { scale: wider, .. }) => scale != wider,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_again_from_the_catalog() {
        let decimal = LogicalType::Decimal { precision: 38, scale: 7 };
        for ty in NATIVE.iter().map(|(ty, _)| *ty).chain([decimal]) {
            assert_eq!(logical(&native(ty)), Some(ty));
        }
        for foreign in ["integer", "character varying(10)", "numeric(50,2)", "numeric(3,5)", "json"] {
            assert_eq!(logical(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn only_json_is_staged_as_text() {
        assert_eq!(staged(LogicalType::Json), "text");
        assert_eq!(staged(LogicalType::Number), "numeric");
    }

    #[test]
    fn a_decimal_that_only_gains_digits_before_the_point_is_not_rewritten() {
        let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
        assert!(!rewrites(decimal(5, 2), decimal(9, 2)));
        assert!(rewrites(decimal(5, 2), decimal(9, 4)));
        assert!(rewrites(LogicalType::Int64, LogicalType::Json));
    }
}
