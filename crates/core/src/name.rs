//! Names that must not be mixed up: a table's and a pipeline's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The name of a `DynamoDB` table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableName(String);

impl TableName {
    /// Creates a table name; it is not checked, the source knows which tables exist.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a pipeline; destinations keep checkpoints under it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PipelineId(String);

impl PipelineId {
    /// Creates a pipeline id of 1 to 64 ASCII letters, digits, `-` and `_`.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) for anything else: the id becomes part of paths and statements.
    pub fn new(id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=64).contains(&id.len()) && id.chars().all(valid) {
            Ok(Self(id))
        } else {
            Err(Error::new(
                ErrorKind::ConfigInvalid,
                "A pipeline id takes 1 to 64 ASCII letters, digits, hyphens and underscores",
            )
            .with("id", id))
        }
    }

    /// Returns the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PipelineId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipeline_ids_are_safe_in_paths() {
        assert!(PipelineId::new("shop-1_a").is_ok());
        for bad in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(PipelineId::new(bad).unwrap_err().kind(), ErrorKind::ConfigInvalid, "{bad}");
        }
    }
}
