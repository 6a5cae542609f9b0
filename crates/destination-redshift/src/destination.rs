//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use commutator_core::{Capabilities, Limit};
use commutator_sql::REDSHIFT;

/// What Redshift can do. Commits of a cluster wait for each other, so few large ones are better than many small ones.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        // "The maximum number of columns you can define in a single table is 1,600" (database developer guide, "CREATE TABLE"); some are ours,
        // and one is added while a column is replaced.
        max_columns: Limit::AtMost(1_590),
        // CHAR and VARCHAR take no NUL ("Character types").
        nul_in_text: false,
        ..commutator_warehouse::capabilities("redshift", &REDSHIFT)
    }
}
