//! How a table gets columns, and how columns get a wider type.

use commutator_core::{Column, SchemaAction, TableSchema};

use super::Layout;
use crate::{AddColumns, TableRef, Widening};

/// The column that takes a wider one's place.
const WIDER: &str = "_ct_wider";

impl Layout {
    /// Adds and widens the columns of a plan whose table exists; nothing is returned for a table that is to be created.
    ///
    /// A column that cannot change its type is written to a new one, which takes its place; a key column loses its NOT NULL by that.
    pub fn alter(&self, actions: &[SchemaAction]) -> Vec<String> {
        let added: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                SchemaAction::AddColumn { column } => Some(column),
                SchemaAction::CreateTable { .. } | SchemaAction::WidenColumn { .. } => None,
            })
            .collect();
        let widened = actions.iter().flat_map(|action| self.widen(&self.table, action));
        self.add(&added).into_iter().chain(widened).collect()
    }

    /// Widens the key columns of the tombstones along with the table's.
    pub fn alter_tombstones(&self, schema: &TableSchema, actions: &[SchemaAction]) -> Vec<String> {
        let of_key = |action: &&SchemaAction| match action {
            SchemaAction::WidenColumn { name, .. } => schema.keys().iter().any(|key| key.name == *name),
            SchemaAction::CreateTable { .. } | SchemaAction::AddColumn { .. } => false,
        };
        actions.iter().filter(of_key).flat_map(|action| self.widen(&self.tombstones, action)).collect()
    }

    fn add(&self, columns: &[&Column]) -> Vec<String> {
        let definitions: Vec<_> = columns.iter().map(|column| self.definition(column, true)).collect();
        let alter = |what: String| format!("ALTER TABLE {} ADD COLUMN {what}", self.table);
        match self.dialect.add {
            _ if definitions.is_empty() => Vec::new(),
            AddColumns::One => definitions.into_iter().map(alter).collect(),
            AddColumns::List => vec![alter(definitions.join(", "))],
            AddColumns::Repeated => vec![alter(definitions.join(", ADD COLUMN "))],
        }
    }

    fn widen(&self, table: &TableRef, action: &SchemaAction) -> Vec<String> {
        let SchemaAction::WidenColumn { name, from, to } = action else { return Vec::new() };
        let (column, native) = (self.name(name), self.dialect.native(*to));
        let wider = self.dialect.widened(column.as_str(), *from, *to);
        match (self.dialect.widen)(*from, *to) {
            Widening::Using => vec![format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {native} USING {wider}")],
            Widening::InPlace => vec![format!("ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {native}")],
            Widening::AddCopyRename => vec![
                format!("ALTER TABLE {table} ADD COLUMN {WIDER} {native}"),
                format!("UPDATE {table} SET {WIDER} = {wider} WHERE true"),
                format!("ALTER TABLE {table} DROP COLUMN {column}"),
                format!("ALTER TABLE {table} RENAME COLUMN {WIDER} TO {column}"),
            ],
        }
    }
}
