//! What a destination can do, as data: read by the pipeline, the documentation and the conformance suite.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::IdentifierRules;

/// What the destination's table means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// Exactly the items that exist now.
    #[default]
    Mirror,
    /// The items that exist now, and deleted ones with `_ct_deleted = true`.
    SoftDelete,
    /// Every version, with its interval of validity.
    History,
    /// Every change as it came.
    Append,
}

impl SyncMode {
    /// Returns the name as it stands in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::SoftDelete => "soft_delete",
            Self::History => "history",
            Self::Append => "append",
        }
    }
}

impl std::fmt::Display for SyncMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a reader of the destination sees of a commit, and of one that failed half-way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitGuarantee {
    /// Rows and checkpoint become visible together or not at all.
    Atomic,
    /// A commit may be seen in part, and doing it again completes it without doubling anything.
    Idempotent,
    /// A row may be there twice after a failure.
    AtLeastOnce,
}

/// Where a destination's checkpoint lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointHome {
    /// In the destination, committed with the rows.
    Destination,
    /// Elsewhere: the destination is wrapped with a checkpoint store.
    Store,
}

/// How many slices of one table may be open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slices {
    /// One session owns the whole table.
    One,
    /// Sessions of different slices may write at the same time.
    Many,
}

/// When a transaction is committed: at whichever of these comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitInterval {
    /// Bytes of rows in memory.
    pub max_bytes: u64,
    /// Rows.
    pub max_rows: u64,
    /// Time since the first row of the transaction.
    pub max_delay: Duration,
}

/// The largest number of something, where there is a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As many as one likes.
    Unlimited,
    /// At most so many.
    AtMost(usize),
}

/// What a destination can do. Every field says something definite; there is no default.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// A short name for logs and documentation, such as `postgres`.
    pub name: &'static str,
    /// The sync modes it offers.
    pub modes: &'static [SyncMode],
    /// What readers see of a commit.
    pub guarantee: CommitGuarantee,
    /// Where the checkpoint lives.
    pub checkpoint: CheckpointHome,
    /// Whether several workers may share a table.
    pub slices: Slices,
    /// What names columns may have.
    pub identifiers: IdentifierRules,
    /// How many columns a table may have, system columns included.
    pub max_columns: Limit,
    /// Whether text may contain the character NUL without being changed.
    pub nul_in_text: bool,
    /// Whether the columns of an existing table can be widened in place.
    pub widens: bool,
    /// Whether it has types of its own for maps and lists, for columns that are [`native`](crate::Column::native).
    pub native_nested: bool,
    /// When the pipeline commits unless the user says otherwise.
    pub commit_interval: CommitInterval,
}
