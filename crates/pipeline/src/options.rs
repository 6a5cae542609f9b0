//! What a user may say about a run.

use std::collections::BTreeMap;
use std::time::Duration;

use commutator_core::rules::{Filter, TableRules};
use commutator_core::{CommitInterval, OnBadRecord, Secret, SyncMode, TableName, Until};
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
    /// Which columns and rows there are, and what they may become.
    pub rules: TableRules,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            mode: SyncMode::Mirror,
            name: None,
            on_gap: OnGap::Resync,
            on_bad_record: OnBadRecord::Fail,
            rules: TableRules::default(),
        }
    }
}

/// One of the destination tables that a source table is split into.
///
/// Each part is a table of its own: it has a session and a checkpoint, and reads the source table by itself. So a table of three parts is
/// scanned three times, and three readers follow its stream, of which `DynamoDB` serves two per shard without throttling.
///
/// Wherever tables are named, a part is `<table>:<part>`, also in [`Options::tables`]; one that has no entry there is as the whole
/// table's entry says. Its name in the destination is `<table>_<part>` unless it has another.
///
/// ```
/// use commutator_core::TableName;
/// use commutator_pipeline::{Options, Part};
/// let app = TableName::new("app");
/// let parts = vec![Part::new("orders", "begins_with(pk, 'ORDER#')".parse()?), Part::rest("others")];
/// let options = Options::default().with_split(app.clone(), parts);
/// assert_eq!(options.parts(&app), [TableName::new("app:orders"), TableName::new("app:others")]);
/// # Ok::<(), commutator_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name among the parts of its table: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Which items belong to it, besides the filter among its rules; `None`: those that belong to no part that has one.
    pub filter: Option<Filter>,
}

impl Part {
    /// Creates a part of the items that pass a filter.
    pub fn new(name: impl Into<String>, filter: Filter) -> Self {
        Self { name: name.into(), filter: Some(filter) }
    }

    /// Creates the part of all items that belong to no other.
    pub fn rest(name: impl Into<String>) -> Self {
        Self { name: name.into(), filter: None }
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
    /// What hashes are salted with; without it, no column can be hashed. It must stay the same for as long as the tables live.
    pub hash_salt: Option<Secret>,
    /// Source tables that are split into several tables of the destination.
    pub splits: BTreeMap<TableName, Vec<Part>>,
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
            hash_salt: None,
            splits: BTreeMap::new(),
        }
    }
}

impl Options {
    /// Returns what holds for a table, or for a part of one.
    pub fn table(&self, name: &TableName) -> &TableOptions {
        let of = |name| self.tables.get(name);
        of(name).or_else(|| of(self.source_table(name))).unwrap_or(&self.defaults)
    }

    /// Returns the options with a source table split into parts.
    #[must_use]
    pub fn with_split(mut self, table: TableName, parts: Vec<Part>) -> Self {
        self.splits.insert(table, parts);
        self
    }

    /// Returns the names of a source table's parts: `<table>:<part>`, or the table itself if it is not split.
    pub fn parts(&self, table: &TableName) -> Vec<TableName> {
        match self.splits.get(table) {
            Some(parts) => parts.iter().map(|part| part_name(table, part)).collect(),
            None => vec![table.clone()],
        }
    }

    /// Returns the source table of a part; any other name is that of a source table.
    pub fn source_table<'a>(&'a self, name: &'a TableName) -> &'a TableName {
        self.part(name).map_or(name, |(table, _)| table)
    }

    pub(crate) fn part(&self, name: &TableName) -> Option<(&TableName, &Part)> {
        let (table, part) = name.as_str().split_once(':')?;
        let (table, parts) = self.splits.get_key_value(&TableName::new(table))?;
        parts.iter().find(|of| of.name == part).map(|part| (table, part))
    }
}

fn part_name(table: &TableName, part: &Part) -> TableName {
    TableName::new(format!("{table}:{}", part.name))
}
