//! How a table gets columns, and how columns get a wider type.

use commutator_core::{Column, LogicalType, SchemaAction, TableSchema};

use super::Layout;
use crate::{AddColumns, BENT, TableRef, Widening};

/// The columns that take the place of narrower ones, and those whose place was taken, each with a number at its end.
const WIDER: &str = "_ct_wider_";
const NARROW: &str = "_ct_narrow_";

/// One of a target's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// That of its rows.
    Rows,
    /// That of its tombstones.
    Tombstones,
}

/// How a column that cannot change its type is put in another one's place: statements that run in this order.
///
/// What was done of them is seen from the names of the columns that there are, for whoever goes on where another one died: none of both
/// names before [`add`](Self::add); then the wider one; then both, without the column's own name, between
/// [`set_aside`](Self::set_aside) and [`replace`](Self::replace); then the narrow one, until [`drop`](Self::drop).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The name of the wider column while it is filled.
    pub wider: String,
    /// The name of the narrow one once it has lost its own.
    pub narrow: String,
    /// Adds the wider column.
    pub add: String,
    /// Fills it. Doing it again does the same.
    pub fill: String,
    /// Takes the narrow column's name away.
    pub set_aside: String,
    /// Gives the wider one that name.
    pub replace: String,
    /// Drops the narrow column.
    pub drop: String,
}

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
        let widened = actions.iter().enumerate().flat_map(|(n, action)| self.widen_by(Which::Rows, n, action));
        self.add(&added).into_iter().chain(widened).collect()
    }

    /// Widens the key columns of the tombstones along with the table's.
    pub fn alter_tombstones(&self, schema: &TableSchema, actions: &[SchemaAction]) -> Vec<String> {
        let of_key = |action: &SchemaAction| match action {
            SchemaAction::WidenColumn { name, .. } => schema.keys().iter().any(|key| key.name == *name),
            SchemaAction::CreateTable { .. } | SchemaAction::AddColumn { .. } => false,
        };
        let of_key = actions.iter().enumerate().filter(|(_, action)| of_key(action));
        of_key.flat_map(|(n, action)| self.widen_by(Which::Tombstones, n, action)).collect()
    }

    /// Adds columns to the table of rows.
    pub fn add(&self, columns: &[&Column]) -> Vec<String> {
        let definitions: Vec<_> = columns.iter().map(|column| self.definition(column, true)).collect();
        let alter = |what: String| format!("ALTER TABLE {} ADD COLUMN {what}", self.table);
        match self.dialect.add {
            _ if definitions.is_empty() => Vec::new(),
            AddColumns::One => definitions.into_iter().map(alter).collect(),
            AddColumns::List => vec![alter(definitions.join(", "))],
            AddColumns::Repeated => vec![alter(definitions.join(", ADD COLUMN "))],
        }
    }

    /// Gives a column a wider type by one statement; `None` where that takes a [`replacement`](Self::replacement).
    pub fn widen(&self, which: Which, name: &str, from: LogicalType, to: LogicalType) -> Option<String> {
        let (table, column, native) = (self.which(which), self.name(name), self.dialect.native(to));
        let alter = format!("ALTER TABLE {table} ALTER COLUMN {column}");
        match (self.dialect.widen)(from, to) {
            Widening::Using => {
                Some(format!("{alter} TYPE {native} USING {}", self.dialect.widened(column.as_str(), from, to)))
            }
            Widening::InPlace => Some(format!("{alter} SET DATA TYPE {native}")),
            Widening::AddCopyRename => None,
        }
    }

    /// Tries whether every value of a column becomes one of a wider type, and changes nothing; `None` where every value does.
    ///
    /// The statement fails as the one would that fills the wider column, with [`BENT`] in its message.
    pub fn try_widening(&self, name: &str, from: LogicalType, to: LogicalType) -> Option<String> {
        let value = self.dialect.widened(self.name(name).as_str(), from, to);
        let may_fail = self.dialect.widened("v", from, to).contains(BENT);
        may_fail.then(|| format!("SELECT count({value}) FROM {}", self.table))
    }

    /// Puts a wider column in a column's place; `number` tells several of them apart.
    pub fn replacement(
        &self,
        which: Which,
        number: usize,
        name: &str,
        from: LogicalType,
        to: LogicalType,
    ) -> Replacement {
        let (column, native) = (self.name(name), self.dialect.native(to));
        let value = self.dialect.widened(column.as_str(), from, to);
        let (wider, narrow) = (format!("{WIDER}{number}"), format!("{NARROW}{number}"));
        let table = self.which(which);
        Replacement {
            add: format!("ALTER TABLE {table} ADD COLUMN {wider} {native}"),
            fill: format!("UPDATE {table} SET {wider} = {value} WHERE true"),
            set_aside: format!("ALTER TABLE {table} RENAME COLUMN {column} TO {narrow}"),
            replace: format!("ALTER TABLE {table} RENAME COLUMN {wider} TO {column}"),
            drop: self.drop_left(which, &narrow),
            wider,
            narrow,
        }
    }

    /// Returns whether a column of this name is one that a replacement leaves.
    pub fn is_left(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let number = name.strip_prefix(WIDER).or_else(|| name.strip_prefix(NARROW));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Drops a column for which [`is_left`](Self::is_left) holds. Such a name was not quoted when it was given, so it is not here: where
    /// quoted names keep their case, that would be another one.
    pub fn drop_left(&self, which: Which, name: &str) -> String {
        let name = if Self::is_left(name) { name.to_owned() } else { self.name(name).to_string() };
        format!("ALTER TABLE {} DROP COLUMN {name}", self.which(which))
    }

    fn widen_by(&self, which: Which, number: usize, action: &SchemaAction) -> Vec<String> {
        let SchemaAction::WidenColumn { name, from, to } = action else { return Vec::new() };
        if let Some(statement) = self.widen(which, name, *from, *to) {
            return vec![statement];
        }
        let Replacement { add, fill, set_aside, replace, drop, .. } = self.replacement(which, number, name, *from, *to);
        vec![add, fill, set_aside, replace, drop]
    }

    fn which(&self, which: Which) -> &TableRef {
        match which {
            Which::Rows => &self.table,
            Which::Tombstones => &self.tombstones,
        }
    }
}
