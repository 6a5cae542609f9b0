//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use std::time::Duration;

use commutator_core::{Capabilities, CheckpointHome, CommitGuarantee, CommitInterval, Limit, Slices, SyncMode};
use commutator_sql::REDSHIFT;

/// What Redshift can do.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        name: "redshift",
        modes: &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append],
        guarantee: CommitGuarantee::Atomic,
        checkpoint: CheckpointHome::Destination,
        slices: Slices::One,
        identifiers: REDSHIFT.identifiers,
        // "The maximum number of columns you can define in a single table is 1,600" (database developer guide, "CREATE TABLE"); some are ours,
        // and one is added while a column is replaced.
        max_columns: Limit::AtMost(1_590),
        // CHAR and VARCHAR take no NUL ("Character types").
        nul_in_text: false,
        widens: true,
        native_nested: false,
        // Commits of a cluster wait for each other, so few large ones are better than many small ones.
        commit_interval: CommitInterval {
            max_bytes: 256 << 20,
            max_rows: 2_000_000,
            max_delay: Duration::from_mins(1),
        },
    }
}
