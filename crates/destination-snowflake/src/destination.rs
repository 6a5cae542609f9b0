//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use commutator_core::Capabilities;
use commutator_sql::SNOWFLAKE;

/// What Snowflake can do: its page names no limit of columns but the size of a row.
///
/// A resumed warehouse is billed for a minute at least; files of 100 to 250 MB are what it loads best
/// (docs.snowflake.com/en/user-guide/data-load-considerations-prepare).
pub(crate) fn capabilities() -> Capabilities {
    commutator_warehouse::capabilities("snowflake", &SNOWFLAKE)
}
