//! Loads tables into a `DuckDB` database, a file or one in memory: rows, columns and checkpoint in one transaction.
//!
//! A [`Config`] says which; [`Config::connect`] makes a [`DuckDb`], which is a [`Destination`](commutator_core::Destination).
//!
//! `DuckDB` lives within the process, and lets one process at a time have a file open. So programs that read what they replicate do it
//! over [`DuckDb::connection`], and everybody else once the run has ended. Rows of a transaction are appended to a temporary table of a
//! connection of its own, and applied by statements of [`commutator_sql`] when it commits; of all transactions one at a time commits. The
//! page `docs/duckdb.md` describes the tables, the types and the limits.

mod client;
mod config;
mod destination;
mod encode;
mod error;
mod session;
mod transaction;
mod types;

pub use client::Lease;
pub use config::Config;
pub use destination::DuckDb;
/// The crate whose connections [`DuckDb::connection`] gives.
pub use duckdb;
