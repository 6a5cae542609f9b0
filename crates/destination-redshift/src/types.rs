//! Types as they are staged, as Redshift's catalog writes them, and as the dialect does.

use commutator_sql::{Dialect, REDSHIFT, REDSHIFT_TEXT};
use commutator_warehouse::Form;

use crate::config::Documents;

/// In which form rows are staged: JSON lines, as `COPY` reads no document out of Parquet but from nested types, and matches Parquet's columns by
/// their place alone. Numbers are text: "Represent the number as a string by enclosing the value in double quotation characters"
/// (`docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-json.html`, "Loss of numeric precision"). Bytes are hexadecimal digits, which
/// is how `COPY` reads VARBYTE (docs.aws.amazon.com/redshift/latest/dg/copy-usage-varbyte.html).
pub(crate) const FORM: Form = Form { decimals_as_text: true, integers_as_text: true, ..Form::JSON_LINES };

/// Returns the dialect for documents of this type.
pub(crate) fn dialect(documents: Documents) -> &'static Dialect {
    match documents {
        Documents::Super => &REDSHIFT,
        Documents::Text => &REDSHIFT_TEXT,
    }
}

/// Returns the name that the dialect has for a type of the catalog (`format_type`), or that name in upper case if it has none.
pub(crate) fn native(catalog: &str) -> String {
    let types = &REDSHIFT.types;
    let plain = catalog.trim().trim_matches('"');
    let (name, digits) = plain.split_once('(').unwrap_or((plain, ""));
    let dialects = match name.trim() {
        "boolean" => types.bool,
        "bigint" => types.int64,
        "double precision" => types.float64,
        "timestamp with time zone" => types.timestamp,
        "super" => types.json,
        "character varying" => return format!("VARCHAR({digits}"),
        "binary varying" | "varbyte" | "varbinary" => return format!("VARBYTE({digits}"),
        "numeric" => return format!("NUMERIC({digits}"),
        _ => return plain.to_uppercase(),
    };
    dialects.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator_core::LogicalType;

    #[test]
    fn every_type_of_ours_is_found_again() {
        for (catalog, ty) in [
            ("boolean", LogicalType::Bool),
            ("bigint", LogicalType::Int64),
            ("double precision", LogicalType::Float64),
            ("character varying(65535)", LogicalType::Text),
            ("binary varying(1024000)", LogicalType::Binary),
            ("super", LogicalType::Json),
            ("timestamp with time zone", LogicalType::Timestamp),
            ("numeric(5,2)", LogicalType::Decimal { precision: 5, scale: 2 }),
        ] {
            assert_eq!(native(catalog), REDSHIFT.native(ty), "{catalog}");
        }
        assert_eq!(native("character varying(10)"), "VARCHAR(10)");
        assert_eq!(native("integer"), "INTEGER");
    }
}
