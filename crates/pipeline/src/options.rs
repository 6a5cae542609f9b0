//! What a user may say about a run.

use std::collections::BTreeMap;

use commutator_core::{CommitInterval, SyncMode, TableName, Until};
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
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { mode: SyncMode::Mirror, name: None, on_gap: OnGap::Resync }
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
    /// When to commit; the destination's own interval if absent.
    pub commit_interval: Option<CommitInterval>,
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
            commit_interval: None,
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
