//! The dialects.

mod bigquery;
mod duckdb;
mod redshift;
mod snowflake;

pub use bigquery::{BIGQUERY, BIGQUERY_JSON};
pub use duckdb::DUCKDB;
pub use redshift::{REDSHIFT, REDSHIFT_TEXT};
pub use snowflake::{SNOWFLAKE, SNOWFLAKE_TEXT};

/// What stands in the message of the error with which a statement fails that would bend a number.
pub const BENT: &str = "_ct_number_would_bend";

/// A text in single quotes, where only quotes are special.
fn plain_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text in single quotes, where backslashes are special, too.
fn escaped_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A text in single quotes, without a backslash: whether that is special depends on the server's version and settings.
fn portable_literal(text: &str) -> String {
    let parts: Vec<_> = text.split('\\').map(plain_literal).collect();
    match parts.as_slice() {
        [whole] => whole.clone(),
        parts => format!("({})", parts.join(" || CHR(92) || ")),
    }
}

/// The digits of a decimal without zeros at the end, of its text.
fn trimmed(text: String, scale: u8) -> String {
    if scale == 0 { text } else { format!("rtrim(rtrim({text}, '0'), '.')") }
}

/// NULL of NULL, where a function would make a value of it.
fn unless_null(value: &str, otherwise: &str) -> String {
    format!("CASE WHEN {value} IS NOT NULL THEN {otherwise} END")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_end_where_they_end() {
        assert_eq!(plain_literal(r"it's \"), r"'it''s \'");
        assert_eq!(escaped_literal(r"it's \"), r"'it\'s \\'");
        assert_eq!(portable_literal(r"it's \"), "('it''s ' || CHR(92) || '')");
        assert_eq!(portable_literal("it's"), "'it''s'");
    }
}
