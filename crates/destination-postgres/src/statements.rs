//! SQL text. Everything here is a pure function of names and types.

use commutator_core::{Column, Epoch, LogicalType, OrderKey, SchemaAction, SyncMode, TableSchema};
use sha2::{Digest, Sha256};

use crate::encode::Shape;
use crate::types::{native, rewrites, staged, widened};

pub(crate) mod changes;

/// The temporary table of a transaction, which goes with it.
pub(crate) const STAGE: &str = "pg_temp._ct_stage";
/// The longest name; the server cuts longer ones off.
pub(crate) const MAX_NAME: usize = 63;
/// The most columns of a table (documentation, appendix K), dropped ones included.
pub(crate) const MAX_COLUMNS: usize = 1600;
/// System columns of a table, at most.
pub(crate) const SYSTEM_COLUMNS: usize = 4;

/// Quotes a name.
pub(crate) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text, independent of `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// A column's quoted names, separated by commas.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A table of one target: its place, its key, and how the key is made unique.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The table, quoted and with its schema.
    pub(crate) table: String,
    /// The table that keeps removals while a snapshot runs.
    pub(crate) tombstones: String,
    /// The table of checkpoints.
    pub(crate) checkpoints: String,
    pub(crate) mode: SyncMode,
    /// Whether `_ct_key`, a hash of the key, is the primary key in place of the key columns.
    pub(crate) hashed: bool,
}

/// Returns the name of the table that keeps a target's removals: it says whose they are, and fits.
pub(crate) fn tombstones_name(target: &str) -> String {
    let plain = format!("_ct_tombstones_{target}");
    if plain.len() <= MAX_NAME {
        return plain;
    }
    let digest = Sha256::digest(target.as_bytes());
    let number = digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte));
    format!("_ct_tombstones_{number:032x}")
}

impl Layout {
    pub(crate) fn new(schema: &str, target: &str, mode: SyncMode, hashed: bool) -> Self {
        let qualified = |table: &str| format!("{}.{}", name(schema), name(table));
        Self {
            table: qualified(target),
            tombstones: qualified(&tombstones_name(target)),
            checkpoints: checkpoints(schema),
            mode,
            hashed,
        }
    }

    /// Creates the table; in `mirror` with a primary key.
    pub(crate) fn create(&self, schema: &TableSchema) -> String {
        let mut lines: Vec<_> = schema.columns().iter().map(|column| definition(column, native(column.ty))).collect();
        lines.push("_ct_order text COLLATE \"C\" NOT NULL".to_owned());
        if self.mode == SyncMode::Append {
            lines.push("_ct_op text NOT NULL".to_owned());
        }
        lines.push("_ct_synced_at timestamp with time zone NOT NULL DEFAULT now()".to_owned());
        lines.push("_ct_changed_at timestamp with time zone".to_owned());
        if self.mode != SyncMode::Append {
            lines.push(format!("PRIMARY KEY ({})", list(schema.keys().iter().map(|key| key.name.as_str()))));
        }
        format!("CREATE TABLE {} (\n  {}\n)", self.table, lines.join(",\n  "))
    }

    /// Adds and widens columns in one statement, so that the table is rewritten at most once; `None` if there is nothing to do.
    pub(crate) fn alter(&self, actions: &[SchemaAction]) -> Option<String> {
        let steps: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                SchemaAction::CreateTable { .. } => None,
                SchemaAction::AddColumn { column } => {
                    Some(format!("ADD COLUMN {} {}", name(&column.name), native(column.ty)))
                }
                SchemaAction::WidenColumn { name: column, from, to } => Some(widen(column, *from, *to)),
            })
            .collect();
        (!steps.is_empty()).then(|| format!("ALTER TABLE {} {}", self.table, steps.join(", ")))
    }

    /// Widens the key columns of the tombstones along with the table's; `None` if no key column is widened.
    pub(crate) fn alter_tombstones(&self, schema: &TableSchema, actions: &[SchemaAction]) -> Option<String> {
        let steps: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                SchemaAction::WidenColumn { name: column, from, to }
                    if schema.keys().iter().any(|key| key.name == *column) =>
                {
                    Some(widen(column, *from, *to))
                }
                _ => None,
            })
            .collect();
        (!steps.is_empty()).then(|| format!("ALTER TABLE {} {}", self.tombstones, steps.join(", ")))
    }

    /// Creates the tombstones' table.
    pub(crate) fn create_tombstones(&self, schema: &TableSchema) -> String {
        let mut lines: Vec<_> = schema.keys().iter().map(|key| definition(key, native(key.ty))).collect();
        lines.push("_ct_order text COLLATE \"C\" NOT NULL".to_owned());
        if self.hashed {
            lines.push("_ct_key bytea NOT NULL".to_owned());
        }
        lines.push(format!("PRIMARY KEY ({})", self.unique(schema)));
        format!("CREATE TABLE {} (\n  {}\n)", self.tombstones, lines.join(",\n  "))
    }

    /// Creates the temporary table.
    pub(crate) fn create_stage(schema: &TableSchema) -> String {
        let mut lines: Vec<_> = schema.columns().iter().map(|column| definition(column, staged(column.ty))).collect();
        lines.push("_ct_order text COLLATE \"C\" NOT NULL".to_owned());
        lines.push("_ct_changed_at timestamp with time zone".to_owned());
        lines.push("_ct_removed boolean NOT NULL".to_owned());
        format!("CREATE TEMPORARY TABLE _ct_stage (\n  {}\n) ON COMMIT DROP", lines.join(",\n  "))
    }

    /// Copies rows of this shape.
    pub(crate) fn copy(&self, schema: &TableSchema, shape: Shape) -> String {
        let table = if shape == Shape::Stage { STAGE } else { &self.table };
        let columns = schema.columns().iter().map(|column| column.name.as_str()).chain(shape.columns().iter().copied());
        format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", list(columns))
    }

    /// Applies the staged rows: of each key the newest, where it is newer than the table's row and than the tombstone.
    ///
    /// `removals`: whether removals are staged. `check`: whether a table of tombstones exists. `record`: whether removals
    /// leave tombstones, for which that table must exist.
    pub(crate) fn apply(&self, schema: &TableSchema, removals: bool, check: bool, record: bool) -> String {
        let keys = list(schema.keys().iter().map(|key| key.name.as_str()));
        let hash = if self.hashed { format!(", {} AS _ct_key", hash(schema, "s")) } else { String::new() };
        let newest = format!("SELECT DISTINCT ON ({keys}) s.*{hash} FROM {STAGE} s ORDER BY {keys}, _ct_order DESC");
        let unique = self.unique(schema);
        let mut with = Vec::new();
        let mut conditions = Vec::new();
        let source = if removals {
            with.push(format!("newest AS MATERIALIZED ({newest})"));
            with.push(format!(
                "removed AS (DELETE FROM {} t USING newest n WHERE n._ct_removed AND {} AND t._ct_order < n._ct_order)",
                self.table,
                self.same(schema, "t", "n"),
            ));
            if record {
                with.push(format!(
                    "recorded AS (INSERT INTO {table} AS d ({keys}, _ct_order{extra}) SELECT {keys}, _ct_order{extra} FROM newest \
                     WHERE _ct_removed ON CONFLICT ({unique}) DO UPDATE SET _ct_order = excluded._ct_order \
                     WHERE d._ct_order < excluded._ct_order)",
                    table = self.tombstones,
                    extra = if self.hashed { ", _ct_key" } else { "" },
                ));
            }
            conditions.push("NOT n._ct_removed".to_owned());
            "newest".to_owned()
        } else {
            format!("({newest})")
        };
        if check {
            conditions.push(format!(
                "NOT EXISTS (SELECT 1 FROM {} d WHERE {} AND d._ct_order >= n._ct_order)",
                self.tombstones,
                self.same(schema, "d", "n"),
            ));
        }
        let mut columns: Vec<_> = schema.columns().iter().map(|column| name(&column.name)).collect();
        let mut values: Vec<_> = schema.columns().iter().map(value).collect();
        for (column, value) in
            [("_ct_order", "n._ct_order"), ("_ct_changed_at", "n._ct_changed_at"), ("_ct_synced_at", "now()")]
        {
            columns.push(column.to_owned());
            values.push(value.to_owned());
        }
        let set: Vec<_> = columns[schema.keys().len()..].iter().map(|c| format!("{c} = excluded.{c}")).collect();
        if self.hashed {
            columns.push("_ct_key".to_owned());
            values.push("n._ct_key".to_owned());
        }
        let with = if with.is_empty() { String::new() } else { format!("WITH {} ", with.join(",\n")) };
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        format!(
            "{with}INSERT INTO {} AS t ({}) SELECT {} FROM {source} n{filter} ON CONFLICT ({unique}) DO UPDATE SET {} \
             WHERE t._ct_order < excluded._ct_order",
            self.table,
            columns.join(", "),
            values.join(", "),
            set.join(", "),
        )
    }

    /// Deletes what the source no longer has: rows that the snapshot of `epoch` did not see.
    pub(crate) fn delete_older(&self, epoch: Epoch) -> String {
        format!("DELETE FROM {} WHERE _ct_order < {}", self.table, literal(&OrderKey::snapshot(epoch).to_string()))
    }

    /// Makes a hash of the key the primary key of a table, in three statements; `constraint` is the primary key it has.
    ///
    /// The column is filled by a rewrite, which leaves no dead rows as an update would.
    pub(crate) fn rekey(table: &str, schema: &TableSchema, constraint: &str) -> [String; 3] {
        let hash = hash_of(schema, |column| name(&column.name));
        [
            format!("ALTER TABLE {table} DROP CONSTRAINT {}, ADD COLUMN _ct_key bytea", name(constraint)),
            format!("ALTER TABLE {table} ALTER COLUMN _ct_key TYPE bytea USING {hash}"),
            format!("ALTER TABLE {table} ADD PRIMARY KEY (_ct_key)"),
        ]
    }

    /// Finds rows by the first key column once the primary key no longer does.
    pub(crate) fn index_first_key(&self, schema: &TableSchema) -> String {
        format!("CREATE INDEX ON {} ({})", self.table, list(schema.keys().iter().take(1).map(|key| key.name.as_str())))
    }

    /// The columns of the primary key.
    fn unique(&self, schema: &TableSchema) -> String {
        if self.hashed { "_ct_key".to_owned() } else { list(schema.keys().iter().map(|key| key.name.as_str())) }
    }

    /// The condition that two rows have the same key, in a form that the primary key's index answers.
    fn same(&self, schema: &TableSchema, a: &str, b: &str) -> String {
        if self.hashed {
            return format!("{a}._ct_key = {b}._ct_key");
        }
        let equal = schema.keys().iter().map(|key| format!("{a}.{column} = {b}.{column}", column = name(&key.name)));
        equal.collect::<Vec<_>>().join(" AND ")
    }
}

/// Returns the quoted names of the columns for which a plan's steps rewrite the table's rows.
pub(crate) fn rewritten(actions: &[SchemaAction]) -> Vec<String> {
    let column = |action: &SchemaAction| match action {
        SchemaAction::WidenColumn { name: column, from, to } if rewrites(*from, *to) => Some(name(column)),
        _ => None,
    };
    actions.iter().filter_map(column).collect()
}

/// The table of checkpoints in a schema.
pub(crate) fn checkpoints(schema: &str) -> String {
    format!("{}.{}", name(schema), name("_ct_checkpoints"))
}

/// Creates the table of checkpoints.
///
/// `straight` is the epoch of whose snapshot all rows are, 0 while there are none, and null once anything else was written.
pub(crate) fn create_checkpoints(schema: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (
  pipeline text NOT NULL,
  table_name text NOT NULL,
  slice text NOT NULL,
  target text NOT NULL,
  mode text NOT NULL,
  owner bigint NOT NULL,
  checkpoint json,
  columns json,
  hashed boolean NOT NULL DEFAULT false,
  straight bigint DEFAULT 0,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, table_name, slice),
  UNIQUE (target, slice)
)",
        checkpoints(schema)
    )
}

fn definition(column: &Column, ty: impl std::fmt::Display) -> String {
    // Keys compare by their bytes, as in DynamoDB; an index under a language's rules is slower and breaks when they change.
    let collation = if column.key && column.ty == LogicalType::Text { " COLLATE \"C\"" } else { "" };
    let not_null = if column.key { " NOT NULL" } else { "" };
    format!("{} {ty}{collation}{not_null}", name(&column.name))
}

fn widen(column: &str, from: LogicalType, to: LogicalType) -> String {
    let quoted = name(column);
    if rewrites(from, to) {
        format!("ALTER COLUMN {quoted} TYPE {} USING {}", native(to), widened(&quoted, from, to))
    } else {
        // An expression would make the server rewrite all rows.
        format!("ALTER COLUMN {quoted} TYPE {}", native(to))
    }
}

fn value(column: &Column) -> String {
    let cast = if column.ty == LogicalType::Json { "::jsonb" } else { "" };
    format!("n.{}{cast}", name(&column.name))
}

fn hash(schema: &TableSchema, alias: &str) -> String {
    hash_of(schema, |column| format!("{alias}.{}", name(&column.name)))
}

/// SHA-256 over the key columns' bytes, all but the last with their length in front, so that no two keys give the same bytes.
fn hash_of(schema: &TableSchema, reference: impl Fn(&Column) -> String) -> String {
    let keys = schema.keys();
    let parts = keys.iter().enumerate().map(|(i, key)| {
        let column = reference(key);
        let bytes = match key.ty {
            LogicalType::Binary => column,
            LogicalType::Text => format!("convert_to({column}, 'UTF8')"),
            // Equal numbers have equal text, also after their column was widened.
            LogicalType::Decimal { .. } | LogicalType::Number => {
                format!("convert_to(trim_scale({column})::text, 'UTF8')")
            }
            _ => format!("convert_to({column}::text, 'UTF8')"),
        };
        if i + 1 == keys.len() { bytes } else { format!("int4send(octet_length({bytes})) || {bytes}") }
    });
    format!("sha256({})", parts.collect::<Vec<_>>().join(" || "))
}

#[cfg(test)]
mod tests;
