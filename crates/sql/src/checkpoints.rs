//! The table of checkpoints: who owns a target, and how far it has been read.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Dialect, SchemaRef, TableRef};

/// Returns the number of a target's first owner: the microseconds since 1970.
///
/// Owners are counted up from it. It is no fixed number, so that a session which was open when someone deleted the target's row does not
/// have the number of whoever owns the next one.
pub fn first_owner(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 2)
}

/// The statements on the table of checkpoints in a schema.
///
/// The fence: [`raise`](Self::raise) gives a target a new owner, and [`record`](Self::record) writes a checkpoint only for the owner that it
/// names, in the transaction of the rows. Whoever was overtaken changes no row, and so learns that it was.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    dialect: &'static Dialect,
    table: TableRef,
}

impl Checkpoints {
    /// The table's name.
    pub const NAME: &'static str = "_ct_checkpoints";

    /// Creates the statements of a schema.
    pub fn new(dialect: &'static Dialect, schema: &SchemaRef) -> Self {
        Self { dialect, table: TableRef::new(dialect, schema, Self::NAME) }
    }

    /// Creates the table where it is missing. Checkpoint and columns are JSON in text, which every warehouse gives back as it was written.
    pub fn create(&self) -> String {
        let types = &self.dialect.types;
        let (text, number, time) = (types.text, types.int64, types.timestamp);
        format!(
            "CREATE TABLE IF NOT EXISTS {} (
  pipeline {text} NOT NULL,
  table_name {text} NOT NULL,
  slice {text} NOT NULL,
  target {text} NOT NULL,
  mode {text} NOT NULL,
  owner {number} NOT NULL,
  checkpoint {text},
  columns {text},
  updated_at {time} NOT NULL
)",
            self.table
        )
    }

    /// Selects pipeline and table of another row with the same target; parameters: target, slice, pipeline, table.
    ///
    /// Where names ignore case, so does this.
    pub fn select_rival(&self) -> String {
        let p = |n| self.dialect.parameter(n);
        let (column, value) = if self.dialect.identifiers.case_sensitive {
            ("target".to_owned(), p(1))
        } else {
            ("lower(target)".to_owned(), format!("lower({})", p(1)))
        };
        format!(
            "SELECT pipeline, table_name FROM {} WHERE {column} = {value} AND slice = {} AND NOT (pipeline = {} AND table_name = {})",
            self.table,
            p(2),
            p(3),
            p(4),
        )
    }

    /// Raises the owner of a row that exists; parameters: pipeline, table, slice. It changes no row if there is none.
    pub fn raise(&self) -> String {
        format!(
            "UPDATE {} SET owner = owner + 1, updated_at = {} WHERE {}",
            self.table,
            self.dialect.now,
            self.is_row(1)
        )
    }

    /// Inserts a row with its first owner; parameters: pipeline, table, slice, target, mode, [owner](first_owner).
    pub fn insert(&self) -> String {
        let p = |n| self.dialect.parameter(n);
        format!(
            "INSERT INTO {} (pipeline, table_name, slice, target, mode, owner, updated_at) VALUES ({}, {}, {}, {}, {}, {}, {})",
            self.table,
            p(1),
            p(2),
            p(3),
            p(4),
            p(5),
            p(6),
            self.dialect.now,
        )
    }

    /// Selects owner, target, mode, checkpoint and columns; parameters: pipeline, table, slice.
    pub fn select(&self) -> String {
        format!("SELECT owner, target, mode, checkpoint, columns FROM {} WHERE {}", self.table, self.is_row(1))
    }

    /// Sets the mode; parameters: mode, pipeline, table, slice.
    pub fn set_mode(&self) -> String {
        format!("UPDATE {} SET mode = {} WHERE {}", self.table, self.dialect.parameter(1), self.is_row(2))
    }

    /// Writes checkpoint and columns if the owner is still this one; parameters: checkpoint, columns, pipeline, table, slice, owner.
    pub fn record(&self) -> String {
        let p = |n| self.dialect.parameter(n);
        format!(
            "UPDATE {} SET checkpoint = {}, columns = {}, updated_at = {} WHERE {} AND owner = {}",
            self.table,
            p(1),
            p(2),
            self.dialect.now,
            self.is_row(3),
            p(6),
        )
    }

    /// The condition that finds a target's row, whose parameters begin with this one.
    fn is_row(&self, first: usize) -> String {
        let p = |n| self.dialect.parameter(first + n);
        format!("pipeline = {} AND table_name = {} AND slice = {}", p(0), p(1), p(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_comes_later_has_another_number_than_all_before() {
        let at = |seconds| first_owner(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1), 1_000_000);
        // Nobody opens a table a million times a second.
        assert!(at(1_800_000_001) > at(1_800_000_000) + 999_999);
        assert_eq!(first_owner(UNIX_EPOCH - Duration::from_secs(1)), 0);
    }
}
