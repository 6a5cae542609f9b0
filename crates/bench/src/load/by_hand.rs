//! The same rows by psql: `\copy` into a table of the same columns, and the statement that one would type for changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use commutator_core::{LogicalType, TableSchema};

use super::file;
use crate::psql::Server;

/// The name of our table; psql's are beside it.
pub(super) const TABLE: &str = "orders";

/// The tables that psql fills, and the files with the rows of ours.
pub(super) struct ByHand<'a> {
    server: &'a Server,
    schema: &'a str,
    columns: &'a TableSchema,
    rows: PathBuf,
    changes: PathBuf,
}

impl<'a> ByHand<'a> {
    pub(super) fn new(server: &'a Server, schema: &'a str, columns: &'a TableSchema, scratch: &Path) -> Self {
        let [rows, changes] = ["rows", "changes"].map(|what| file(scratch, schema, what));
        Self { server, schema, columns, rows, changes }
    }

    /// Makes psql's tables like ours, and keeps our rows in a file in COPY's binary format.
    pub(super) fn take_rows(&self) -> Result<()> {
        let (schema, list, file) = (self.schema, self.list(""), self.rows.display());
        self.server.ask(&format!(
            "CREATE TABLE {schema}.with_key (LIKE {schema}.{TABLE} INCLUDING ALL)
             CREATE TABLE {schema}.without_key (LIKE {schema}.{TABLE} INCLUDING DEFAULTS)
             \\copy {schema}.{TABLE} ({list}) TO '{file}' (FORMAT binary)"
        ))?;
        Ok(())
    }

    /// Copies the rows as we have committed them.
    pub(super) fn copy(&self, with_key: bool) -> Result<()> {
        let table = if with_key { "with_key" } else { "without_key" };
        let (schema, list, file) = (self.schema, self.list(""), self.rows.display());
        self.server.ask(&format!("\\copy {schema}.{table} ({list}) FROM '{file}' (FORMAT binary)"))?;
        Ok(())
    }

    /// Keeps the rows that our last commit changed in a file, JSON as text.
    pub(super) fn take_changes(&self) -> Result<()> {
        let (schema, list, file) = (self.schema, self.list("::text"), self.changes.display());
        self.server.ask(&format!(
            "\\copy (SELECT {list} FROM {schema}.{TABLE} WHERE _ct_changed_at IS NOT NULL) TO '{file}' (FORMAT binary)"
        ))?;
        Ok(())
    }

    /// Copies the changes into a temporary table and merges them, in one transaction.
    pub(super) fn merge(&self) -> Result<()> {
        let (schema, list, file) = (self.schema, self.list(""), self.changes.display());
        let set: Vec<_> = self.names().map(|name| format!("{name} = excluded.{name}")).collect();
        let (cast, keys, set) = (self.list("::jsonb"), self.keys(), set.join(", "));
        let staged = self.list("::text");
        self.server.ask(&format!(
            "BEGIN
             CREATE TEMPORARY TABLE stage ON COMMIT DROP AS SELECT {staged} FROM {schema}.with_key LIMIT 0
             \\copy stage ({list}) FROM '{file}' (FORMAT binary)
             INSERT INTO {schema}.with_key AS t ({list}, _ct_synced_at) SELECT {cast}, now() FROM stage ORDER BY {keys} ON CONFLICT ({keys}) DO UPDATE SET {set}, _ct_synced_at = excluded._ct_synced_at WHERE t._ct_order < excluded._ct_order
             COMMIT"
        ))?;
        Ok(())
    }

    /// Holds that both have the same rows.
    pub(super) fn compare(&self) -> Result<()> {
        let (schema, list) = (self.schema, self.list(""));
        let differ = self.server.ask(&format!(
            "SELECT count(*) FROM ((SELECT {list} FROM {schema}.{TABLE} EXCEPT SELECT {list} FROM {schema}.with_key) UNION ALL (SELECT {list} FROM {schema}.with_key EXCEPT SELECT {list} FROM {schema}.{TABLE})) d"
        ))?;
        ensure!(differ.trim() == "0", "{} rows differ", differ.trim());
        Ok(())
    }

    /// Removes tables and files.
    pub(super) fn remove(&self) -> Result<()> {
        self.server.ask(&format!("DROP SCHEMA {} CASCADE", self.schema))?;
        fs::remove_file(&self.rows)?;
        Ok(fs::remove_file(&self.changes)?)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let own = self.columns.columns().iter().map(|column| format!("\"{}\"", column.name));
        own.chain(["_ct_order", "_ct_changed_at"].map(str::to_owned))
    }

    fn keys(&self) -> String {
        self.names().take(self.columns.keys().len()).collect::<Vec<_>>().join(", ")
    }

    /// The columns, those of JSON with a cast.
    fn list(&self, cast: &str) -> String {
        let types = self.columns.columns().iter().map(|column| column.ty == LogicalType::Json);
        let cast = |(name, json): (String, bool)| {
            if json && !cast.is_empty() { format!("{name}{cast} AS {name}") } else { name }
        };
        self.names().zip(types.chain([false, false])).map(cast).collect::<Vec<_>>().join(", ")
    }
}
