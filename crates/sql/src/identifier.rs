//! Names that may stand in a statement.

use std::fmt;

use commutator_core::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::Dialect;

/// A quoted name. Its only constructor quotes, so nothing that a user chose reaches a statement as anything but a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier(String);

impl Identifier {
    /// Quotes a name as the dialect does; a quote within it is doubled.
    pub fn new(dialect: &Dialect, name: &str) -> Self {
        let quote = dialect.quote;
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push(quote);
        for c in name.chars() {
            if c == quote {
                quoted.push(quote);
            }
            quoted.push(c);
        }
        quoted.push(quote);
        Self(quoted)
    }

    /// Returns the name with its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A schema with what it is in, each part quoted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemaRef(String);

impl SchemaRef {
    /// Quotes the parts, from the outermost to the schema: a database and a schema, or a schema alone.
    pub fn new(dialect: &Dialect, parts: &[&str]) -> Self {
        let parts: Vec<_> = parts.iter().map(|part| Identifier::new(dialect, part).0).collect();
        Self(parts.join("."))
    }

    /// Returns the names with their quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table with its schema, each part quoted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableRef(String);

impl TableRef {
    /// Quotes the name of a table in a schema.
    pub fn new(dialect: &Dialect, schema: &SchemaRef, table: &str) -> Self {
        Self(format!("{schema}.{}", Identifier::new(dialect, table)))
    }

    /// Returns the staging table of a transaction.
    pub fn stage(dialect: &Dialect) -> Self {
        Self(dialect.stage.name.to_owned())
    }

    /// Returns the names with their quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Dialect {
    /// Refuses a name that no table or schema can have; `what` is the setting that it comes from.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) for a name that is empty, too long, has a character that is not accepted, or
    /// begins like the tables that a pipeline keeps for itself.
    pub fn admit_name(&self, what: &'static str, name: &str) -> Result<()> {
        let rules = &self.identifiers;
        let system = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("_ct_"));
        if !name.is_empty() && name.len() <= rules.max_bytes && name.chars().all(rules.accepts) && !system {
            return Ok(());
        }
        let message = format!(
            "The name has to have 1 to {} bytes and only characters that {} takes, and must not begin with _ct_; give it another one",
            rules.max_bytes, self.name
        );
        Err(Error::new(ErrorKind::ConfigInvalid, message).with("setting", what).with(what, name))
    }
}

/// Returns the name of something that belongs to a target: it says whose it is, and fits.
pub fn name_of(dialect: &Dialect, kind: &str, target: &str) -> String {
    let plain = format!("{kind}_{target}");
    if plain.len() <= dialect.identifiers.max_bytes {
        return plain;
    }
    let digest = Sha256::digest(target.as_bytes());
    let number = digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte));
    format!("{kind}_{number:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BIGQUERY, DUCKDB};

    #[test]
    fn names_are_quoted() {
        assert_eq!(Identifier::new(&DUCKDB, r#"a"b"#).as_str(), r#""a""b""#);
        assert_eq!(Identifier::new(&BIGQUERY, "order").as_str(), "`order`");
        assert_eq!(
            TableRef::new(&DUCKDB, &SchemaRef::new(&DUCKDB, &["shop", "main"]), "Orders").as_str(),
            r#""shop"."main"."Orders""#
        );
    }

    #[test]
    fn names_that_no_table_can_have_are_refused() {
        assert!(DUCKDB.admit_name("name", "a.b-c 日本").is_ok());
        for bad in ["", "a\0b", "_ct_x", "_CT_x", &"x".repeat(256)] {
            let error = DUCKDB.admit_name("name", bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{bad}");
        }
        assert!(BIGQUERY.admit_name("name", "a.b").is_err());
    }

    #[test]
    fn long_targets_have_names_of_their_own() {
        let long = |n: usize| name_of(&DUCKDB, "_ct_tombstones", &"x".repeat(n));
        assert_eq!(long(2), "_ct_tombstones_xx");
        assert!(long(255).len() <= 255 && long(255) != long(254));
    }
}
