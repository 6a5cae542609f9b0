//! How the catalog's types are written in the dialect.

use crate::client::wire::TableField;

/// Returns a column's type as the dialect writes it: the REST API has the names of legacy SQL, and digits and lengths beside them.
///
/// (`TableFieldSchema` in the REST reference: `INTEGER` is the same as `INT64`, and so on.)
pub(crate) fn native(field: &TableField) -> String {
    let plain = match field.r#type.as_str() {
        "INTEGER" => "INT64",
        "FLOAT" => "FLOAT64",
        "BOOLEAN" => "BOOL",
        "RECORD" => "STRUCT",
        same => same,
    };
    let with_digits = match (plain, &field.precision, &field.max_length) {
        // A scale of nought is left out by the catalog.
        ("NUMERIC" | "BIGNUMERIC", Some(precision), _) => {
            format!("{plain}({precision},{})", field.scale.as_deref().unwrap_or("0"))
        }
        ("STRING" | "BYTES", _, Some(length)) => format!("{plain}({length})"),
        _ => plain.to_owned(),
    };
    if field.mode.as_deref() == Some("REPEATED") { format!("ARRAY<{with_digits}>") } else { with_digits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator_core::LogicalType;
    use commutator_sql::BIGQUERY;

    fn field(json: serde_json::Value) -> TableField {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn types_are_written_as_in_statements() {
        use LogicalType::{Binary, Bool, Float64, Int64, Text, Timestamp};
        let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
        for (json, ty) in [
            (serde_json::json!({ "type": "STRING" }), Text),
            (serde_json::json!({ "type": "INTEGER", "mode": "NULLABLE" }), Int64),
            (serde_json::json!({ "type": "FLOAT", "mode": "REQUIRED" }), Float64),
            (serde_json::json!({ "type": "BOOLEAN" }), Bool),
            (serde_json::json!({ "type": "BYTES" }), Binary),
            (serde_json::json!({ "type": "TIMESTAMP" }), Timestamp),
            (serde_json::json!({ "type": "NUMERIC", "precision": "5", "scale": "2" }), decimal(5, 2)),
            (serde_json::json!({ "type": "NUMERIC", "precision": "29" }), decimal(29, 0)),
            (serde_json::json!({ "type": "BIGNUMERIC", "precision": "38", "scale": "38" }), decimal(38, 38)),
            (serde_json::json!({ "type": "BIGNUMERIC", "precision": "38" }), decimal(38, 0)),
        ] {
            assert_eq!(native(&field(json)), BIGQUERY.native(ty));
        }
        for (json, written) in [
            (serde_json::json!({ "type": "NUMERIC" }), "NUMERIC"),
            (serde_json::json!({ "type": "STRING", "maxLength": "10" }), "STRING(10)"),
            (serde_json::json!({ "type": "INTEGER", "mode": "REPEATED" }), "ARRAY<INT64>"),
            (serde_json::json!({ "type": "RECORD" }), "STRUCT"),
            (serde_json::json!({ "type": "JSON" }), "JSON"),
        ] {
            assert_eq!(native(&field(json)), written);
        }
    }
}
