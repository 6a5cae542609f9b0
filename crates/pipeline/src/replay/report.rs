//! What a replay did.

use commutator_core::{DeadLetter, Error, TableName};

/// So many letters that failed again are told one by one.
const TOLD: usize = 1000;

/// What a replay did, per table that has letters.
#[derive(Debug)]
pub struct ReplayReport {
    /// A report per table, by name.
    pub tables: Vec<TableReplay>,
}

/// What a replay did for one table.
#[derive(Debug)]
pub struct TableReplay {
    /// The table.
    pub table: TableName,
    /// How many letters were written, or were found written, and put away.
    pub replayed: u64,
    /// How many letters failed again; they stay where they are.
    pub failed_count: u64,
    /// The first 1,000 letters that failed again, without their keys and bytes, and why.
    pub failed: Vec<(DeadLetter, Error)>,
    /// What ended the replay of this table before its end; letters that are not named then stay, too.
    pub error: Option<Error>,
}

impl ReplayReport {
    /// Returns whether no letter is left.
    pub fn succeeded(&self) -> bool {
        self.tables.iter().all(|table| table.failed_count == 0 && table.error.is_none())
    }
}

impl TableReplay {
    pub(super) fn new(table: TableName) -> Self {
        Self { table, replayed: 0, failed_count: 0, failed: Vec::new(), error: None }
    }

    pub(super) fn fail(&mut self, letter: &DeadLetter, error: Error) {
        self.failed_count += 1;
        if self.failed.len() < TOLD {
            let mut letter = letter.clone();
            letter.rejected.key = None;
            letter.rejected.raw = Vec::new();
            self.failed.push((letter, error));
        }
    }
}
