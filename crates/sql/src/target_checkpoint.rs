//! A target's own table of checkpoints, for warehouses whose transactions wait for each other, or fail, by the table.

use commutator_core::{SyncMode, Target};

use crate::{Dialect, SchemaRef, TableRef, name_of};

/// The most bytes of a piece, and of its literal: a text of Redshift has 65,535 bytes, and a statement 100 KB.
const PIECE: usize = 60_000;
const PIECE_LITERAL: usize = 80_000;

/// What stands in the message of the error with which a statement of somebody fails who does not own the target.
pub const FENCED: &str = "_ct_fenced";
/// What stands in the message of the error with which a rehearsal ends.
pub const REHEARSED: &str = "_ct_rehearsed";

/// Who owns a target: a number that grows, and a token, as two that raise it at once may come to the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The first owner's, and one more for each time that the target was taken over since.
    pub number: i64,
    /// What the owner made up; letters, digits and `-`.
    pub token: String,
}

/// A text that is kept with the owner, in as many rows as it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The checkpoint. Its first piece is in the target's row, which also has owner and mode.
    Checkpoint,
    /// The columns that the table has.
    Columns,
    /// The columns that it is getting.
    Planned,
}

impl Part {
    /// Returns the name under which it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Columns => "columns",
            Self::Planned => "planned",
        }
    }
}

/// A part that is written anew.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Which.
    pub part: Part,
    /// What it says; `None` for nothing.
    pub text: Option<&'a str>,
    /// Whether the table has rows of it, other than the target's row.
    pub replaces: bool,
}

impl Written<'_> {
    /// Returns whether rows of it, other than the target's row, are there once this is written.
    pub fn leaves_rows(&self, dialect: &Dialect) -> bool {
        let pieces = self.text.map_or(0, |text| pieces(dialect, text).len());
        if self.part == Part::Checkpoint { pieces > 1 } else { pieces > 0 }
    }
}

/// The statements on the table that holds the checkpoint of one target.
///
/// The fence: [`raise`](Self::raise) gives the target a new owner, and [`write`](Self::write) ends with a statement that fails unless the
/// target is still that owner's, in the transaction of the rows. All values are literals, as several warehouses bind none where they
/// take several statements at once.
#[derive(Debug, Clone)]
pub struct TargetCheckpoint {
    dialect: &'static Dialect,
    table: TableRef,
    /// Pipeline, table and slice, as literals.
    who: [String; 3],
    target: String,
}

impl TargetCheckpoint {
    /// Creates the statements of a target.
    pub fn new(dialect: &'static Dialect, schema: &SchemaRef, target: &Target) -> Self {
        let who = [target.pipeline.as_str(), target.table.as_str(), target.slice.as_str()];
        Self {
            dialect,
            table: TableRef::new(dialect, schema, &Self::table_name(dialect, &target.name)),
            who: who.map(dialect.literal),
            target: (dialect.literal)(&target.name),
        }
    }

    /// Returns the name of the table.
    pub fn table_name(dialect: &Dialect, target: &str) -> String {
        name_of(dialect, "_ct_checkpoint", target)
    }

    /// Creates the table with the target's row, under its [first owner](crate::first_owner). It fails if the table is there, so that of two
    /// who do it at once one alone succeeds.
    pub fn create(&self, mode: SyncMode, owner: &Owner) -> String {
        let types = &self.dialect.types;
        let text = |value: &str| format!("CAST({value} AS {})", types.text);
        let number = |value: &str| format!("CAST({value} AS {})", types.int64);
        let [pipeline, table, slice] = &self.who;
        let columns = [
            ("pipeline", text(pipeline)),
            ("table_name", text(table)),
            ("slice", text(slice)),
            ("part", text(&self.literal(Part::Checkpoint.as_str()))),
            ("piece", number("0")),
            ("target", text(&self.target)),
            ("mode", text(&self.literal(mode.as_str()))),
            ("owner", number(&owner.number.to_string())),
            ("token", text(&self.literal(&owner.token))),
            ("content", text("NULL")),
            ("updated_at", format!("CAST({} AS {})", self.dialect.now, types.timestamp)),
        ];
        let columns = columns.map(|(name, value)| format!("{value} AS {name}"));
        format!("CREATE TABLE {} AS SELECT\n  {}", self.table, columns.join(",\n  "))
    }

    /// Selects all rows: pipeline, table, slice, part, piece, target, mode, owner, token and content, the pieces of a part in order.
    pub fn select(&self) -> String {
        format!(
            "SELECT pipeline, table_name, slice, part, piece, target, mode, owner, token, content FROM {} ORDER BY part, piece",
            self.table
        )
    }

    /// Selects owner and token of the target's row.
    pub fn select_owner(&self) -> String {
        format!("SELECT owner, token FROM {} WHERE {}", self.table, self.is_row())
    }

    /// Raises the owner. Doing it twice does no harm.
    pub fn raise(&self, token: &str) -> String {
        format!(
            "UPDATE {} SET owner = owner + 1, token = {}, updated_at = {} WHERE {}",
            self.table,
            self.literal(token),
            self.dialect.now,
            self.is_row()
        )
    }

    /// Writes parts, and the mode if there is one, as this owner; the last statement fails if the target is not this owner's.
    ///
    /// They belong into one transaction.
    pub fn write(&self, owner: &Owner, parts: &[Written<'_>], mode: Option<SyncMode>) -> Vec<String> {
        let mut statements = Vec::new();
        let mut set = vec![format!("updated_at = {}", self.dialect.now)];
        set.extend(mode.map(|mode| format!("mode = {}", self.literal(mode.as_str()))));
        for written in parts {
            let in_row = usize::from(written.part == Part::Checkpoint);
            if written.replaces {
                let (table, part) = (&self.table, self.literal(written.part.as_str()));
                let whose = self.is_mine();
                statements.push(format!("DELETE FROM {table} WHERE {whose} AND part = {part} AND piece >= {in_row}"));
            }
            let pieces = written.text.map_or_else(Vec::new, |text| pieces(self.dialect, text));
            if in_row == 1 {
                let first = pieces.first().map_or("NULL".to_owned(), |piece| self.literal(piece));
                set.push(format!("content = {first}"));
            }
            let rows = pieces.iter().enumerate().skip(in_row);
            statements.extend(rows.map(|(number, piece)| self.insert(written.part, number, piece)));
        }
        statements.push(format!("UPDATE {} SET {} WHERE {}", self.table, set.join(", "), self.is_owned(owner)));
        statements.push(self.check(owner));
        statements
    }

    /// Fails, with [`FENCED`] in the message, unless the target is this owner's.
    pub fn check(&self, owner: &Owner) -> String {
        self.fail(&format!("CASE WHEN count(*) = 1 THEN '1' ELSE '{FENCED}' END"), &self.is_owned(owner))
    }

    /// Fails always, with [`REHEARSED`] in the message.
    pub fn fail_rehearsed(&self) -> String {
        self.fail(&format!("CASE WHEN count(*) < 0 THEN '1' ELSE '{REHEARSED}' END"), &self.is_row())
    }

    /// Turns a text into a number, which fails if it is none; it depends on the table, so that nobody looks at it earlier.
    fn fail(&self, text: &str, condition: &str) -> String {
        format!("SELECT CAST({text} AS {}) FROM {} WHERE {condition}", self.dialect.types.int64, self.table)
    }

    fn insert(&self, part: Part, number: usize, piece: &str) -> String {
        format!(
            "INSERT INTO {} (pipeline, table_name, slice, part, piece, content, updated_at) VALUES ({}, {}, {number}, {}, {})",
            self.table,
            self.who.join(", "),
            self.literal(part.as_str()),
            self.literal(piece),
            self.dialect.now,
        )
    }

    fn literal(&self, text: &str) -> String {
        (self.dialect.literal)(text)
    }

    fn is_mine(&self) -> String {
        let [pipeline, table, slice] = &self.who;
        format!("pipeline = {pipeline} AND table_name = {table} AND slice = {slice}")
    }

    fn is_row(&self) -> String {
        format!("{} AND part = {} AND piece = 0", self.is_mine(), self.literal(Part::Checkpoint.as_str()))
    }

    fn is_owned(&self, owner: &Owner) -> String {
        format!("{} AND owner = {} AND token = {}", self.is_row(), owner.number, self.literal(&owner.token))
    }
}

/// Cuts a text into pieces that fit a column and, as literals, a statement.
fn pieces<'a>(dialect: &Dialect, text: &'a str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.floor_char_boundary(PIECE);
        while (dialect.literal)(&rest[..end]).len() > PIECE_LITERAL {
            end = rest.floor_char_boundary(end / 2);
        }
        let (piece, left) = rest.split_at(end);
        pieces.push(piece);
        rest = left;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DUCKDB, REDSHIFT};

    #[test]
    fn pieces_fit_and_are_the_text() {
        for text in [String::new(), "x".repeat(150_000), "\\'".repeat(10_000), "日本".repeat(40_000)] {
            for dialect in [&DUCKDB, &REDSHIFT] {
                let cut = pieces(dialect, &text);
                assert_eq!(cut.concat(), text);
                assert!(cut.iter().all(|piece| piece.len() <= PIECE && !piece.is_empty()));
                assert!(cut.iter().all(|piece| (dialect.literal)(piece).len() <= PIECE_LITERAL));
            }
        }
    }
}
