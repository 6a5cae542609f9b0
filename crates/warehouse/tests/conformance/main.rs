//! The shared path of cloud warehouses over a warehouse that is a real `DuckDB`: the conformance suite, with rows staged in each form and
//! applied by each form of statements, and what becomes of requests that are refused, lost or cut off.
//!
//! It is built where there is a library to link: `--features linked`, and `DUCKDB_LIB_DIR` and `LD_LIBRARY_PATH` as
//! `cargo xtask services env` says them.

mod broken;
mod cuts;
mod duck;
mod faults;
mod foreign;
mod layout;
mod outline;
mod place;

/// What every destination must do: Parquet files, `MERGE`, columns that change under any expression.
mod contract {
    commutator_conformance::suite!(crate::place::Plain);
}
/// What every destination must do whose tables others reach with SQL, over the same warehouse.
mod sql {
    commutator_conformance::sql_suite!(crate::place::Plain);
}
/// The suite with JSON lines, `DELETE`, `UPDATE` and `INSERT`, and columns that take the place of others.
mod contract_apart {
    commutator_conformance::suite!(crate::place::Apart);
}
/// What others do, over such a one.
mod sql_apart {
    commutator_conformance::sql_suite!(crate::place::Apart);
}
