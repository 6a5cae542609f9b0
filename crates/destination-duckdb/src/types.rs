//! Logical types and what they are in `DuckDB`; the names stand in the dialect, and are found again here.

use commutator_core::{Column, LogicalType};
use commutator_sql::DUCKDB;

/// Returns the logical type that a column of the catalog has which was recorded as this one; `None` if it cannot be followed.
///
/// Text and numbers that no decimal holds are both VARCHAR, so what was recorded says which it is. A column that someone gave a wider type
/// counts as widened.
pub(crate) fn found(recorded: &Column, native: &str) -> Option<LogicalType> {
    if native == DUCKDB.native(recorded.ty) {
        return Some(recorded.ty);
    }
    DUCKDB.logical(native).filter(|&wider| recorded.ty.fits_in(wider))
}
