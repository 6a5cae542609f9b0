//! What a user may say about a run.

use std::collections::BTreeMap;
use std::time::Duration;

use commutator_core::{CommitInterval, OnBadRecord, SyncMode, TableName, Until};
use serde::{Deserialize, Serialize};

use crate::RetryPolicy;

/// What happens when changes were lost before they could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// Read the table anew as its next epoch, in place.
    #[default]
    Resync,
    /// Stop the table with an error.
    Fail,
}

/// What a user may say about one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// What the destination's table means.
    pub mode: SyncMode,
    /// Its name in the destination; the source's name if absent.
    pub name: Option<String>,
    /// What happens when changes were lost.
    pub on_gap: OnGap,
    /// What happens to a record that cannot be read, and to a row that the destination refuses.
    pub on_bad_record: OnBadRecord,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { mode: SyncMode::Mirror, name: None, on_gap: OnGap::Resync, on_bad_record: OnBadRecord::Fail }
    }
}

/// When to commit, where the user wants it otherwise than the destination proposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitOptions {
    /// Bytes of rows in memory.
    pub max_bytes: Option<u64>,
    /// Rows.
    pub max_rows: Option<u64>,
    /// Time since the first row of the transaction.
    pub max_delay: Option<Duration>,
}

impl CommitOptions {
    /// Returns the destination's interval with what the user said in its place.
    pub fn over(&self, proposed: CommitInterval) -> CommitInterval {
        CommitInterval {
            max_bytes: self.max_bytes.unwrap_or(proposed.max_bytes),
            max_rows: self.max_rows.unwrap_or(proposed.max_rows),
            max_delay: self.max_delay.unwrap_or(proposed.max_delay),
        }
    }
}

/// What a user may say about a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// For tables that are not named in `tables`.
    pub defaults: TableOptions,
    /// Per table.
    pub tables: BTreeMap<TableName, TableOptions>,
    /// How far to read.
    pub until: Until,
    /// When to commit, where that is not left to the destination.
    pub commit: CommitOptions,
    /// How failures are tried again.
    pub retry: RetryPolicy,
    /// How many tables are worked on at a time.
    pub max_tables: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            defaults: TableOptions::default(),
            tables: BTreeMap::new(),
            until: Until::Stopped,
            commit: CommitOptions::default(),
            retry: RetryPolicy::default(),
            max_tables: usize::MAX,
        }
    }
}

impl Options {
    /// Returns what holds for a table.
    pub fn table(&self, name: &TableName) -> &TableOptions {
        self.tables.get(name).unwrap_or(&self.defaults)
    }
}
