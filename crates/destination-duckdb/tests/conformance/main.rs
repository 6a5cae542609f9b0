//! The `DuckDB` destination: the conformance suite, over a file and in memory, and what only `DuckDB` has.
//!
//! It is built where there is a library to link: `--features linked`, and `DUCKDB_LIB_DIR` and `LD_LIBRARY_PATH` as
//! `cargo xtask services env` says them.

mod file;
mod foreign;
mod layout;
mod memory;
#[cfg(feature = "real")]
mod motherduck;
mod outline;
mod place;
mod widening;

/// What every destination must do, in a file.
mod contract {
    commutator_conformance::suite!(crate::place::File);
}
/// What every destination must do whose tables others reach with SQL.
mod sql {
    commutator_conformance::sql_suite!(crate::place::File);
}
