//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use std::time::Duration;

use commutator_core::{Capabilities, CommitInterval, Limit};
use commutator_sql::BIGQUERY;

/// The most columns of a table (page "Quotas and limits", "Tables").
const MAX_COLUMNS: usize = 10_000;

/// What `BigQuery` can do.
pub(crate) fn capabilities() -> Capabilities {
    let common = commutator_warehouse::capabilities("bigquery", &BIGQUERY);
    Capabilities {
        max_columns: Limit::AtMost(MAX_COLUMNS),
        // Where queries are billed by the bytes that they read, each commit of a mirror is billed as much as its table is large.
        commit_interval: CommitInterval { max_delay: Duration::from_mins(5), ..common.commit_interval },
        ..common
    }
}
