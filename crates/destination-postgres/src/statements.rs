//! SQL text. Everything here is a pure function of names and types.

use commutator_core::{Column, LogicalType, SchemaAction, SyncMode, TableSchema};
use sha2::{Digest, Sha256};

use crate::encode::Shape;
use crate::types::{native, rewrites, staged, widened};

mod apply;
pub(crate) mod changes;
pub(crate) mod checkpoints;
mod history;

/// The temporary table of a transaction, which goes with it.
pub(crate) const STAGE: &str = "pg_temp._ct_stage";
/// The longest name; the server cuts longer ones off.
pub(crate) const MAX_NAME: usize = 63;
/// The most columns of a table (documentation, appendix K), dropped ones included.
pub(crate) const MAX_COLUMNS: usize = 1600;
/// Returns the number of system columns of a table, at most: `_ct_key` is there only where a key is too long.
pub(crate) fn system_columns(mode: SyncMode) -> usize {
    match mode {
        SyncMode::Mirror | SyncMode::Append => 4,
        SyncMode::SoftDelete => 5,
        SyncMode::History => 8,
    }
}

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
    /// In `history`, the index that finds the current version of a key: its schema and its name, both quoted.
    current: (String, String),
    pub(crate) mode: SyncMode,
    /// Whether `_ct_key`, a hash of the key, is the primary key in place of the key columns.
    pub(crate) hashed: bool,
}

/// Returns the name of the table that keeps a target's removals.
pub(crate) fn tombstones_name(target: &str) -> String {
    name_of("_ct_tombstones", target)
}

/// Returns the name of something that belongs to a target: it says whose it is, and fits.
fn name_of(kind: &str, target: &str) -> String {
    let plain = format!("{kind}_{target}");
    if plain.len() <= MAX_NAME {
        return plain;
    }
    let digest = Sha256::digest(target.as_bytes());
    let number = digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte));
    format!("{kind}_{number:032x}")
}

impl Layout {
    pub(crate) fn new(schema: &str, target: &str, mode: SyncMode, hashed: bool) -> Self {
        let qualified = |table: &str| format!("{}.{}", name(schema), name(table));
        Self {
            table: qualified(target),
            tombstones: qualified(&tombstones_name(target)),
            current: (name(schema), name(&name_of("_ct_current", target))),
            mode,
            hashed,
        }
    }

    /// Creates the table and its indexes; in all modes but `append` with a primary key.
    ///
    /// The defaults are for rows of a first snapshot that are copied straight into the table.
    pub(crate) fn create(&self, schema: &TableSchema) -> Vec<String> {
        let mut lines: Vec<_> = schema.columns().iter().map(|column| definition(column, native(column.ty))).collect();
        lines.push("_ct_order text COLLATE \"C\" NOT NULL".to_owned());
        let of_mode: &[&str] = match self.mode {
            SyncMode::Mirror => &[],
            SyncMode::SoftDelete => &["_ct_deleted boolean NOT NULL DEFAULT false"],
            SyncMode::History => &[
                "_ct_op text NOT NULL",
                "_ct_valid_from timestamp with time zone NOT NULL DEFAULT now()",
                "_ct_valid_to timestamp with time zone",
                "_ct_current boolean NOT NULL DEFAULT true",
            ],
            SyncMode::Append => &["_ct_op text NOT NULL"],
        };
        lines.extend(of_mode.iter().map(|&line| line.to_owned()));
        lines.push("_ct_synced_at timestamp with time zone NOT NULL DEFAULT now()".to_owned());
        lines.push("_ct_changed_at timestamp with time zone".to_owned());
        if self.mode != SyncMode::Append {
            lines.push(format!("PRIMARY KEY ({})", self.unique(schema)));
        }
        let table = format!("CREATE TABLE {} (\n  {}\n)", self.table, lines.join(",\n  "));
        let index = (self.mode == SyncMode::History).then(|| self.index_current(schema));
        std::iter::once(table).chain(index).collect()
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

    /// Drops the tombstones' table.
    pub(crate) fn drop_tombstones(&self) -> String {
        format!("DROP TABLE {}", self.tombstones)
    }

    /// Creates the temporary table.
    pub(crate) fn create_stage(&self, schema: &TableSchema) -> String {
        let mut lines: Vec<_> = schema.columns().iter().map(|column| definition(column, staged(column.ty))).collect();
        lines.push("_ct_order text COLLATE \"C\" NOT NULL".to_owned());
        lines.push("_ct_changed_at timestamp with time zone".to_owned());
        let last = if self.mode == SyncMode::History { "_ct_op text NOT NULL" } else { "_ct_removed boolean NOT NULL" };
        lines.push(last.to_owned());
        format!("CREATE TEMPORARY TABLE _ct_stage (\n  {}\n) ON COMMIT DROP", lines.join(",\n  "))
    }

    /// Copies rows of this shape.
    pub(crate) fn copy(&self, schema: &TableSchema, shape: Shape) -> String {
        let table = if shape.is_staged() { STAGE } else { &self.table };
        let columns = schema.columns().iter().map(|column| column.name.as_str()).chain(shape.columns().iter().copied());
        format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", list(columns))
    }

    /// Puts a hash of the key into the primary key of a table, in three statements; `constraint` is the primary key it has.
    ///
    /// The column is filled by a rewrite, which leaves no dead rows as an update would.
    pub(crate) fn rekey(&self, table: &str, schema: &TableSchema, constraint: &str) -> [String; 3] {
        let hash = hash_of(schema, |column| name(&column.name));
        [
            format!("ALTER TABLE {table} DROP CONSTRAINT {}, ADD COLUMN _ct_key bytea", name(constraint)),
            format!("ALTER TABLE {table} ALTER COLUMN _ct_key TYPE bytea USING {hash}"),
            format!("ALTER TABLE {table} ADD PRIMARY KEY ({})", Self { hashed: true, ..self.clone() }.unique(schema)),
        ]
    }

    /// Finds the current version of a key.
    pub(crate) fn index_current(&self, schema: &TableSchema) -> String {
        format!("CREATE INDEX {} ON {} ({}) WHERE _ct_current", self.current.1, self.table, self.key(schema))
    }

    /// Drops that index.
    pub(crate) fn drop_index_current(&self) -> String {
        format!("DROP INDEX IF EXISTS {}.{}", self.current.0, self.current.1)
    }

    /// Finds rows by the first key column once the primary key no longer does.
    pub(crate) fn index_first_key(&self, schema: &TableSchema) -> String {
        format!("CREATE INDEX ON {} ({})", self.table, list(schema.keys().iter().take(1).map(|key| key.name.as_str())))
    }

    /// The columns of the primary key: in `history` a key has many versions.
    fn unique(&self, schema: &TableSchema) -> String {
        let key = self.key(schema);
        if self.mode == SyncMode::History { format!("{key}, _ct_order") } else { key }
    }

    /// The columns that tell keys apart.
    fn key(&self, schema: &TableSchema) -> String {
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
