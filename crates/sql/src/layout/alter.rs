//! How a table gets columns, and how columns get a wider type.

use commutator_core::{Column, LogicalType, SchemaAction, TableSchema};

use super::Layout;
use crate::{AlterColumns, BENT, TableRef, Widening};

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

/// A column that cannot change its type: a wider one is put in its place.
///
/// What was done of that is seen from the names of the columns that there are, for whoever goes on where another one died. There is none of
/// both names at first; then the [`wider`](Self::wider) one; where renaming takes two statements, both without the column's own name; then
/// the [`narrow`](Self::narrow) one, until it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced<'a> {
    /// Tells it from others.
    pub number: usize,
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub from: LogicalType,
    /// The one that it gets.
    pub to: LogicalType,
}

impl Replaced<'_> {
    /// The name of the wider column while it is filled.
    pub fn wider(&self) -> String {
        format!("{WIDER}{}", self.number)
    }

    /// The name of the narrow one once it has lost its own.
    pub fn narrow(&self) -> String {
        format!("{NARROW}{}", self.number)
    }
}

impl Layout {
    /// How many columns are replaced at a time: with names as long as there are one statement that fills so many has less than the 100 KB
    /// that Redshift takes.
    pub const REPLACED_AT_ONCE: usize = 50;

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
        let mut statements = self.add(&added);
        statements.extend(self.widen_all(Which::Rows, actions, |_| true));
        statements
    }

    /// Widens the key columns of the tombstones along with the table's.
    pub fn alter_tombstones(&self, schema: &TableSchema, actions: &[SchemaAction]) -> Vec<String> {
        self.widen_all(Which::Tombstones, actions, |name| schema.keys().iter().any(|key| key.name == name))
    }

    fn widen_all(&self, which: Which, actions: &[SchemaAction], concerns: impl Fn(&str) -> bool) -> Vec<String> {
        let (mut statements, mut replaced) = (Vec::new(), Vec::new());
        for (number, action) in actions.iter().enumerate() {
            let SchemaAction::WidenColumn { name, from, to } = action else { continue };
            if !concerns(name) {
                continue;
            }
            match self.widen(which, name, *from, *to) {
                Some(statement) => statements.push(statement),
                None => replaced.push(Replaced { number, name, from: *from, to: *to }),
            }
        }
        for some in replaced.chunks(Self::REPLACED_AT_ONCE) {
            statements.extend(self.add_wider(which, some));
            statements.push(self.fill_wider(which, some));
            statements.extend(self.replace(which, some, &[]));
        }
        let narrow: Vec<_> = replaced.iter().map(Replaced::narrow).collect();
        statements.extend(self.drop_left(which, &narrow.iter().map(String::as_str).collect::<Vec<_>>()));
        statements
    }

    /// Adds columns to the table of rows.
    pub fn add(&self, columns: &[&Column]) -> Vec<String> {
        let definitions = columns.iter().map(|column| self.definition(column, true)).collect();
        self.alter_all(Which::Rows, "ADD COLUMN", definitions)
    }

    /// Gives a column a wider type by one statement; `None` where it has to be [replaced](Replaced).
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

    /// Adds the wider columns.
    pub fn add_wider(&self, which: Which, columns: &[Replaced<'_>]) -> Vec<String> {
        let definition = |column: &Replaced<'_>| format!("{} {}", column.wider(), self.dialect.native(column.to));
        self.alter_all(which, "ADD COLUMN", columns.iter().map(definition).collect())
    }

    /// Fills the wider columns, at least one, all at once: where a table is billed or written as a whole, that is done once. Doing it again
    /// does the same.
    pub fn fill_wider(&self, which: Which, columns: &[Replaced<'_>]) -> String {
        let value = |column: &Replaced<'_>| {
            let narrow = self.name(column.name);
            format!("{} = {}", column.wider(), self.dialect.widened(narrow.as_str(), column.from, column.to))
        };
        let values: Vec<_> = columns.iter().map(value).collect();
        format!("UPDATE {} SET {} WHERE true", self.which(which), values.join(", "))
    }

    /// Takes the narrow columns' names away and gives them to the wider ones, which is all that those take that have lost them already.
    pub fn replace(&self, which: Which, columns: &[Replaced<'_>], nameless: &[Replaced<'_>]) -> Vec<String> {
        let set_aside = |column: &Replaced<'_>| format!("{} TO {}", self.name(column.name), column.narrow());
        let replace = |column: &Replaced<'_>| format!("{} TO {}", column.wider(), self.name(column.name));
        let both = columns.iter().flat_map(|column| [set_aside(column), replace(column)]);
        self.alter_all(which, "RENAME COLUMN", nameless.iter().map(replace).chain(both).collect())
    }

    /// Returns whether a column of this name is one that a replacement leaves.
    pub fn is_left(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let number = name.strip_prefix(WIDER).or_else(|| name.strip_prefix(NARROW));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Drops columns for which [`is_left`](Self::is_left) holds. Such a name was not quoted when it was given, so it is not here: where
    /// quoted names keep their case, that would be another one.
    pub fn drop_left(&self, which: Which, names: &[&str]) -> Vec<String> {
        let name = |name: &&str| if Self::is_left(name) { (*name).to_owned() } else { self.name(name).to_string() };
        self.alter_all(which, "DROP COLUMN", names.iter().map(name).collect())
    }

    /// Does the same with several columns, in as few statements as that takes.
    fn alter_all(&self, which: Which, verb: &str, columns: Vec<String>) -> Vec<String> {
        let alter = |what: String| format!("ALTER TABLE {} {verb} {what}", self.which(which));
        match self.dialect.alter {
            _ if columns.is_empty() => Vec::new(),
            AlterColumns::List if verb != "RENAME COLUMN" => vec![alter(columns.join(", "))],
            AlterColumns::Repeated => vec![alter(columns.join(&format!(", {verb} ")))],
            AlterColumns::One | AlterColumns::List => columns.into_iter().map(alter).collect(),
        }
    }

    fn which(&self, which: Which) -> &TableRef {
        match which {
            Which::Rows => &self.table,
            Which::Tombstones => &self.tombstones,
        }
    }
}
