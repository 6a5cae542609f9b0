//! A table of one target: how it is made, and which statements fill it.

use commutator_core::{Column, LogicalType, SyncMode, TableSchema};

use crate::{Dialect, Identifier, SchemaRef, TableRef, name_of};

mod alter;
mod apply;
mod history;
mod upsert;

pub use alter::{Replaced, Which};
use upsert::Upsert;

/// The operations that remove.
const REMOVALS: &str = "('remove', 'expire')";

/// A table of one target: its place, its mode, and the statements that make and fill it.
///
/// Statements that are returned together are run one after the other, in one transaction.
#[derive(Debug, Clone)]
pub struct Layout {
    dialect: &'static Dialect,
    table: TableRef,
    tombstones: TableRef,
    stage: TableRef,
    mode: SyncMode,
    in_place: bool,
}

/// Returns the system columns of a mode beside the user's, with their types and whether they are never null.
pub fn system_columns(mode: SyncMode) -> impl Iterator<Item = (&'static str, LogicalType, bool)> {
    let of_mode: &[_] = match mode {
        SyncMode::Mirror => &[],
        SyncMode::SoftDelete => &[("_ct_deleted", LogicalType::Bool, false)],
        SyncMode::History => &[
            ("_ct_op", LogicalType::Text, true),
            ("_ct_valid_from", LogicalType::Timestamp, true),
            ("_ct_valid_to", LogicalType::Timestamp, false),
            ("_ct_current", LogicalType::Bool, true),
        ],
        SyncMode::Append => &[("_ct_op", LogicalType::Text, true)],
    };
    let always = [("_ct_synced_at", LogicalType::Timestamp, true), ("_ct_changed_at", LogicalType::Timestamp, false)];
    [("_ct_order", LogicalType::Text, true)].into_iter().chain(of_mode.iter().copied()).chain(always)
}

impl Layout {
    /// Creates the layout of a table in a schema.
    pub fn new(dialect: &'static Dialect, schema: &SchemaRef, target: &str, mode: SyncMode) -> Self {
        Self {
            dialect,
            table: TableRef::new(dialect, schema, target),
            tombstones: TableRef::new(dialect, schema, &Self::tombstones_name(dialect, target)),
            stage: TableRef::stage(dialect),
            mode,
            in_place: false,
        }
    }

    /// Returns the layout whose statements change rows where they are, so that they keep what others have written in columns of their own.
    ///
    /// It differs only where the dialect would replace rows ([`MergeForm::Replace`](crate::MergeForm::Replace)).
    #[must_use]
    pub fn in_place(self) -> Self {
        Self { in_place: true, ..self }
    }

    /// Returns the name of the table that keeps a target's removals while a snapshot runs.
    pub fn tombstones_name(dialect: &Dialect, target: &str) -> String {
        name_of(dialect, "_ct_tombstones", target)
    }

    /// Creates the table. It has no primary key: a warehouse checks none, and the statements that fill it need none.
    pub fn create(&self, schema: &TableSchema) -> String {
        let user = schema.columns().iter().map(|column| self.definition(column, false));
        let system = system_columns(self.mode).map(|(name, ty, never_null)| {
            format!("{name} {}{}", self.dialect.native(ty), if never_null { " NOT NULL" } else { "" })
        });
        let table = create_table("CREATE TABLE", self.table.as_str(), user.chain(system));
        self.keyed(table, schema)
    }

    /// Adds what the dialect says of a table with such keys.
    fn keyed(&self, table: String, schema: &TableSchema) -> String {
        let keys: Vec<_> = schema.keys().iter().map(|key| (self.name(&key.name).to_string(), key.ty)).collect();
        match (self.dialect.keyed)(&keys) {
            keyed if keyed.is_empty() => table,
            keyed => format!("{table}\n{keyed}"),
        }
    }

    /// Creates the tombstones' table.
    pub fn create_tombstones(&self, schema: &TableSchema) -> String {
        let keys = schema.keys().iter().map(|key| self.definition(key, false));
        let order = format!("_ct_order {} NOT NULL", self.dialect.native(LogicalType::Text));
        self.keyed(create_table("CREATE TABLE", self.tombstones.as_str(), keys.chain([order])), schema)
    }

    /// Drops the tombstones' table.
    pub fn drop_tombstones(&self) -> String {
        format!("DROP TABLE {}", self.tombstones)
    }

    /// Creates the staging table: a column per column of the schema, called `c0`, `c1`, …, then `_ct_order`, `_ct_changed_at` and `_ct_op`.
    pub fn create_stage(&self, schema: &TableSchema) -> String {
        let dialect = self.dialect;
        let columns =
            schema.columns().iter().enumerate().map(|(i, column)| format!("c{i} {}", dialect.staged(column.ty)));
        let (text, time) = (dialect.native(LogicalType::Text), dialect.native(LogicalType::Timestamp));
        let system = [format!("_ct_order {text}"), format!("_ct_changed_at {time}"), format!("_ct_op {text}")];
        create_table(dialect.stage.create, "", columns.chain(system))
    }

    /// Empties the staging table.
    pub fn clear_stage(&self) -> String {
        format!("DELETE FROM {} WHERE true", self.stage)
    }

    fn definition(&self, column: &Column, nullable: bool) -> String {
        let not_null = if column.key && !nullable { " NOT NULL" } else { "" };
        format!("{} {}{not_null}", self.name(&column.name), self.dialect.native(column.ty))
    }

    fn name(&self, name: &str) -> Identifier {
        Identifier::new(self.dialect, name)
    }

    /// The key columns' quoted names.
    fn keys(&self, schema: &TableSchema) -> Vec<String> {
        schema.keys().iter().map(|key| self.name(&key.name).to_string()).collect()
    }

    /// The condition that a row of a table of ours and a staged row have the same key.
    fn same(&self, schema: &TableSchema, ours: &str, staged: &str) -> String {
        let equal = self.keys(schema).into_iter().enumerate().map(|(i, key)| format!("{ours}.{key} = {staged}.c{i}"));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// What a subquery sees of a table of ours: its keys as staged rows call them, and its order.
    ///
    /// Not the user's columns: one that has the name of a table outside of the subquery would be taken for that, and if it is JSON its
    /// members for the table's columns.
    fn bare(&self, schema: &TableSchema, table: &TableRef) -> String {
        let keys = self.keys(schema).into_iter().enumerate().map(|(i, key)| format!("{key} AS c{i}, "));
        format!("(SELECT {}_ct_order FROM {table})", keys.collect::<String>())
    }

    /// A table as `UPDATE` and `DELETE` name it, and what they call it then.
    fn aliased(&self, table: &TableRef) -> (String, String) {
        if self.dialect.aliases {
            (format!("{table} AS t"), "t".to_owned())
        } else {
            (table.to_string(), table.to_string())
        }
    }

    /// The user's columns with the values that staged rows named `n` have for them.
    fn values(&self, schema: &TableSchema) -> Vec<(String, String)> {
        let value = |(i, column): (usize, &Column)| {
            (self.name(&column.name).to_string(), self.dialect.unstaged(&format!("n.c{i}"), column.ty))
        };
        schema.columns().iter().enumerate().map(value).collect()
    }

    /// Selects the newest staged row of each key, among those for which a condition on `s` holds.
    fn newest(&self, schema: &TableSchema, condition: &str) -> String {
        let filter = if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
        format!(
            "SELECT r.* FROM (SELECT s.*, row_number() OVER (PARTITION BY {} ORDER BY s._ct_order DESC) AS _ct_rank FROM {} s{filter}) r \
             WHERE r._ct_rank = 1",
            staged_keys(schema, "s"),
            self.stage,
        )
    }
}

/// The staged key columns, separated by commas.
fn staged_keys(schema: &TableSchema, alias: &str) -> String {
    (0..schema.keys().len()).map(|i| format!("{alias}.c{i}")).collect::<Vec<_>>().join(", ")
}

/// The condition that two rows have the same key, both of which call its columns as staged rows do.
fn same_staged(schema: &TableSchema, a: &str, b: &str) -> String {
    (0..schema.keys().len()).map(|i| format!("{a}.c{i} = {b}.c{i}")).collect::<Vec<_>>().join(" AND ")
}

fn create_table(create: &str, name: &str, columns: impl Iterator<Item = String>) -> String {
    let space = if name.is_empty() { "" } else { " " };
    format!("{create}{space}{name} (\n  {}\n)", columns.collect::<Vec<_>>().join(",\n  "))
}
